"""Labels: one row a class, in order, or a line that says what is wrong."""

from pathlib import Path

import pytest

from common.errors import StartError
from inference.models.labels import IMAGENET, Label, load_labels


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_imagenet_has_a_thousand_labels_spelt_as_keras_spells_them() -> None:
    """Row 248 is the one that the plain contract shows."""
    labels = load_labels(IMAGENET, 1000)
    assert labels[248] == Label("n02109961", "Eskimo_dog", "husky")
    assert len({label.wnid for label in labels}) == 1000


def test_a_label_alone_is_enough(tmp_path: Path) -> None:
    """The description then is the label with blanks."""
    path = write(tmp_path, "label\nbrown_bear\ncat\n", encoding="utf-8-sig")
    assert load_labels(path, 2) == (
        Label("", "brown_bear", "brown bear"),
        Label("", "cat", "cat"),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name\ncat\n", "must start with the header"),
        ("label,color\ncat,red\n", "must start with the header"),
        ("", "must start with the header"),
        ("label\n", "holds no class"),
        ("label\ncat\n", "holds 1 labels for a network of 2 classes"),
        ("wnid,label\nn1,cat\nn2\n", "class 1: this row has more or fewer cells"),
        ("label\ncat,dog\n", "class 0: this row has more or fewer cells"),
        ("wnid,label\nn1,cat\nn2,\n", "class 1: the label is empty"),
        ("index,label\n0,cat\n2,dog\n", "class 1: the index says 2"),
        ('label\n"cat\n', "is not a CSV file"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    """Each line names the file."""
    path = write(tmp_path, text)
    with pytest.raises(StartError, match=says) as caught:
        load_labels(path, 2)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """A guess would put wrong letters into every answer."""
    path = write(tmp_path, "label\nBär\n", encoding="latin-1")
    with pytest.raises(StartError, match="UTF-8"):
        load_labels(path)


def test_a_missing_file_is_told_with_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="should hold the header wnid,label"):
        load_labels(tmp_path / "labels.csv")
