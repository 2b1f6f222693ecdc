from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.collection.categories import Categories
from client.collection.naming import (
    LONGEST,
    MOST_BYTES,
    RESERVED,
    Names,
    file_name,
    folded,
    folder_name,
    folders,
    numbered,
)
from client.collection.records import within
from client.collection.taxonomy import Taxonomy, TaxonomyError, labels, load
from tests.support.sorted_files import prediction

DOGS = [("*terrier*", "Dogs"), ("n02123045", "Cats"), ("Golden retriever", "Dogs")]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_an_id_goes_before_a_label_and_a_label_before_a_pattern() -> None:
    taxonomy = Taxonomy(
        [*DOGS, ("tabby", "Mammals"), ("n0*", "Things"), ("toy_terrier", "Toys")]
    )
    assert taxonomy.category("n02123045", "tabby") == "Cats"
    assert taxonomy.category("n9", "tabby") == "Mammals"
    assert taxonomy.category("n9", "toy_terrier") == "Toys"
    assert taxonomy.category("n0", "Yorkshire_terrier") == "Dogs"
    assert taxonomy.category("n9", "golden_retriever") == "Dogs"
    assert taxonomy.category("n01", "drum") == "Things"
    assert taxonomy.category("n9", "drum") is None
    names = ["Cats", "Dogs", "Mammals", "Toys", "Things"]
    assert taxonomy.categories() == names


def test_a_category_is_as_probable_as_its_labels_together() -> None:
    taxonomy = Taxonomy(DOGS)
    two = (prediction("toy_terrier", 0.4), prediction("Boston_terrier", 0.35))
    assert taxonomy.best((*two, prediction("drum", 0.2))) == ("Dogs", 0.75)
    assert taxonomy.best((prediction("drum", 0.4), *two)) == (None, 0.4)
    sorting = Categories(
        {one.label: {one.wnid} for one in two} | {"drum": {"n_drum"}}, taxonomy, 0.5
    )
    assert sorting.of(two) == ("Dogs", "")
    assert sorting.of(two[1:]) == ("_review", "")
    assert sorting.of((prediction("drum", 0.6),)) == ("_other", "drum")
    assert sorting.of(()) == ("_review", "")
    assert sorting.unknown() == ["n02123045", "golden_retriever"]


@pytest.mark.parametrize(
    "text",
    [
        "label,category\ntabby,Cats/Small\n*terrier*,Dogs\n",
        "tabby,Cats/Small\n\n*terrier*, Dogs\n",
        "\ufeffwnid;label;category\r\n;tabby;Cats/Small\r\n;*terrier*;Dogs\r\n".replace(
            "wnid;", "note;"
        ),
        "category,label\nCats/Small,tabby\nDogs,*terrier*\n",
    ],
)
def test_csv_with_and_without_a_header(tmp_path: Path, text: str) -> None:
    taxonomy = load(written(tmp_path, "own.csv", text))
    assert taxonomy.category("n1", "tabby") == "Cats/Small"
    assert taxonomy.category("n2", "toy_terrier") == "Dogs"
    assert taxonomy.category("n3", "label") is None


def test_json_by_label_and_by_category(tmp_path: Path) -> None:
    text = '{"tabby": "Cats", "Dogs": ["*terrier*", "pug"]}'
    taxonomy = load(written(tmp_path, "own.json", text))
    found = [taxonomy.category("", label) for label in ("tabby", "pug", "x")]
    assert found == ["Cats", "Dogs", None]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("own.csv", "tabby,Cats\ntabby,Dogs\n", "two categories: 'Cats' and 'Dogs'"),
        ("own.csv", "tabby,\n", "empty"),
        ("own.csv", "tabby\n", "names no category"),
        ("own.csv", "", "it is empty"),
        ("own.csv", "label,category\n", "no label"),
        ("own.json", "[1]", "Expected `object`"),
        ("own.yaml", "a: b", "neither .csv nor .json"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    with pytest.raises(TaxonomyError, match=why):
        load(written(tmp_path, name, text))


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="No such file"):
        load(tmp_path / "own.csv")
    (tmp_path / "own.csv").write_bytes(b"\xff\xfe,x")
    with pytest.raises(TaxonomyError, match="not UTF-8"):
        load(tmp_path / "own.csv")


def test_labels_are_read_with_and_without_ids(tmp_path: Path) -> None:
    table = "index,wnid,label,description\n0,n1,tench,tench\n1,n2,Pug,pug\n"
    path = written(tmp_path, "labels.csv", table)
    assert labels(path) == [("n1", "tench"), ("n2", "Pug")]
    path = written(tmp_path, "labels.txt", "tench\nPug\n")
    assert labels(path) == [("", "tench"), ("", "Pug")]


TEXT = st.text(
    st.one_of(st.sampled_from("./\\: ~aA\0\n*\u0130ß"), st.characters()), max_size=120
)


@given(TEXT)
def test_a_folder_for_any_text_is_valid_everywhere(text: str) -> None:
    name = folder_name(text)
    assert 1 <= len(name.encode()) <= MOST_BYTES
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert not name.startswith(".")
    assert name == name.strip()
    assert not name.endswith(".")
    assert name.partition(".")[0].lower() not in RESERVED


@pytest.mark.parametrize("text", ["..", "/", "", "con", "LPT1.txt", "../../etc", "~"])
def test_names_that_mean_something_else_are_not_used(text: str) -> None:
    (path,) = folders([text]).values()
    assert ".." not in path.split("/")
    assert not path.startswith("/")
    assert path.split("/")[0].lower().partition(".")[0] not in RESERVED


@given(st.lists(TEXT, max_size=20))
def test_folders_are_apart_unless_they_differ_in_case_alone(texts: list[str]) -> None:
    made = folders(texts)
    for one in texts:
        for other in texts:
            same = folded(made[one]) == folded(made[other])
            assert same == (folded(one) == folded(other))


FILE = st.binary(min_size=1, max_size=300).map(
    lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_")
)


@given(st.lists(st.one_of(FILE, st.sampled_from([b"a.jpg", b"A.JPG", b"a (2).jpg"]))))
def test_names_of_files_never_clash(wanted: list[bytes]) -> None:
    names = Names()
    given_out = [names.file(b"/nowhere", name) for name in wanted]
    names.close()
    keys = {folded(name.decode("utf-8", "surrogateescape")) for name in given_out}
    assert len(keys) == len(wanted)
    assert all(1 <= len(name) <= LONGEST for name in given_out)


def test_a_number_goes_before_the_ending() -> None:
    assert numbered(b"a.b.jpg", 2) == b"a.b (2).jpg"
    assert numbered(b"noending", 3) == b"noending (3)"
    long = numbered(b"x" * 300 + b".jpg", 12)
    assert (len(long), long[-9:]) == (255, b" (12).jpg")
    assert numbered("é".encode() * 200, 1) == "é".encode() * 127


def test_an_entry_is_named_by_its_last_part() -> None:
    assert file_name(b"/x/a.jpg") == b"a.jpg"
    assert file_name(within(b"/x/a.zip", "b/c\\d:e.jpg")) == b"d_e.jpg"
    assert file_name(within(b"/x/a.zip", "/")) == b"entry"
