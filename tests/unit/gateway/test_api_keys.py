"""API keys: made once, kept as hashes, found by their name, and a broken file is told in one line."""

import asyncio
import hashlib
import hmac
import re
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import StartError
from gateway import api_keys, keyring, keys_file
from gateway.api_keys import Key, add, find, main, parse, read, remove

HASH = "ab" * 32
LINE = f'bob = {{ scopes = ["classify"], sha256 = "{HASH}" }}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def refusal(text: str) -> str:
    with pytest.raises(StartError) as caught:
        parse(text, "f.toml")
    said = str(caught.value)
    assert said.splitlines() == [said]
    assert said.startswith("f.toml")
    return said


def test_a_key_is_its_name_and_256_random_bits(path: Path) -> None:
    key = add(path, "alice", ("classify",), None)
    assert re.fullmatch(r"pictor_alice_[A-Za-z0-9_-]{43}", key)
    assert add(path, "bob", ("classify",), None)[-43:] != key[-43:]


def test_the_file_holds_a_hash_and_no_key(path: Path) -> None:
    key = add(path, "alice", ("feedback", "classify"), 60)
    text = path.read_text()
    assert key not in text
    assert key.split("_", 2)[2] not in text
    hashed = hashlib.sha256(key.encode()).hexdigest()
    assert (
        f'alice = {{ scopes = ["feedback", "classify"], sha256 = "{hashed}", '
        "quota_per_minute = 60 }\n" in text
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path], "nothing is left beside it"


def test_a_key_is_found_by_itself_alone(path: Path) -> None:
    key = add(path, "alice", ("classify",), None)
    other = add(path, "bob", ("feedback",), 5)
    keys = read(path)
    assert find(keys, key) == ("alice", keys["alice"])
    assert find(keys, other) == ("bob", Key(("feedback",), api_keys.hashed(other), 5))
    for wrong in (
        "",
        "pictor",
        "pictor_alice",
        "pictor_alice_",
        key[:-1],
        key + "x",
        key.upper(),
        key.replace("alice", "bob"),
        other.replace("bob", "alice"),
        keys["alice"].sha256,
        f"pictor_alice_{keys['alice'].sha256}",
        "pictor__x",
        "pictor_\xff_x",
    ):
        assert find(keys, wrong) is None, wrong


@given(st.text())
def test_whatever_is_sent_it_is_no_key(given_text: str) -> None:
    assert find(parse(LINE), given_text.encode().decode("latin-1")) is None


@pytest.mark.parametrize("sent", ["pictor_bob_x", "pictor_nobody_x", "", "x"])
def test_a_comparison_is_made_whatever_is_sent(
    sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In constant time, and also where there is no such name."""
    compared = []

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    class Hmac:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(api_keys, "hmac", Hmac)
    assert find(parse(LINE), sent) is None
    assert [len(one) for one in compared[0]] == [64, 64]
    assert len(compared) == 1


def test_the_hash_that_stands_in_for_none_opens_nothing() -> None:
    """Even if a key had it: an unknown name stays unknown."""
    assert find({}, "pictor_nobody_x") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LINE + "alice = oops\n", "line 2"),
        (LINE + LINE, "line 2"),
        ("\n# here\nbob = 3\n", "line 3: bob: Expected `object`"),
        ('bob = { scopes = ["classify"] }', "line 1: bob: Object missing required"),
        (LINE.replace("classify", "all"), "line 1: bob: Invalid enum value 'all'"),
        (
            LINE.replace('"classify"', ""),
            "line 1: bob: Expected `array` of length >= 1",
        ),
        (LINE.replace(HASH, "ab"), "sha256"),
        (LINE.replace(HASH, HASH.upper()), "sha256"),
        (LINE.replace(" }", ", quota = 5 }"), "unknown field `quota`"),
        (LINE.replace(" }", ", quota_per_minute = -1 }"), "quota_per_minute"),
        (LINE.replace(" }", ", quota_per_minute = 1.5 }"), "quota_per_minute"),
        (LINE.replace("bob", "Bob"), "lower-case"),
        (LINE.replace("bob", "bob_2"), "lower-case"),
        (LINE.replace("bob", '"a b"'), "lower-case"),
        (LINE.replace("bob", "b" * 33), "at most 32"),
        ("x = " + "[" * 5000, "f.toml"),
    ],
)
def test_a_wrong_line_is_named(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    with pytest.raises(StartError, match=r"No such file.*gateway\.api_keys add"):
        read(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(StartError, match="not UTF-8"):
        read(path)
    with pytest.raises(StartError, match="cannot be read"):
        read(path.parent)


def test_comments_and_tables_survive(path: Path) -> None:
    """What a person wrote stays as it is, and a new line does not end up in their table."""
    table = f'[carol]\nscopes = ["admin"] # all day\nsha256 = "{HASH}"\n'
    path.write_text(f"# ours\n{LINE}# the last\n{table}")
    add(path, "alice", ("classify",), None)
    assert read(path).keys() == {"alice", "bob", "carol"}
    remove(path, "bob")
    assert read(path).keys() == {"alice", "carol"}
    text = path.read_text()
    assert text.startswith("# ours\n# the last\n")
    assert text.endswith(table)
    with pytest.raises(StartError, match="edit the file"):
        remove(path, "carol")
    assert path.read_text() == text


def test_a_line_without_an_end_is_no_trap(path: Path) -> None:
    path.write_text(LINE.rstrip("\n"))
    add(path, "alice", ("classify",), None)
    assert read(path).keys() == {"alice", "bob"}


def test_a_name_is_given_once(path: Path) -> None:
    key = add(path, "alice", ("classify",), None)
    with pytest.raises(StartError, match="already"):
        add(path, "alice", ("admin",), None)
    with pytest.raises(StartError, match="no key bob"):
        remove(path, "bob")
    assert find(read(path), key) is not None


def test_those_who_write_at_once_lose_nothing(path: Path) -> None:
    names = [f"n{number}" for number in range(12)]
    threads = [
        threading.Thread(target=add, args=(path, name, ("classify",), None))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(path).keys() == set(names)


def test_a_write_that_fails_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(LINE)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keys_file.os, "fsync", full)
    with pytest.raises(StartError, match="No space left"):
        add(path, "alice", ("classify",), None)
    assert path.read_text() == LINE
    assert list(path.parent.iterdir()) == [path]


def test_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ("--file", str(path))
    assert main(["add", "alice", "--scopes", "feedback,classify", *file]) == 0
    key = capsys.readouterr().out.strip()
    assert find(read(path), key) is not None
    assert main(["add", "bob", "--scopes", "admin", "--quota", "7", *file]) == 0
    capsys.readouterr()
    assert main(["list", *file]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "alice: classify, feedback",
        "bob: admin, 7 a minute",
    ]
    assert main(["remove", "alice", *file]) == 0
    assert read(path).keys() == {"bob"}
    assert main(["remove", "alice", *file]) == 2
    assert capsys.readouterr().err == f"pictor: {path} has no key alice\n"


def test_the_file_is_that_of_the_settings(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(path.parent)  # where there is no .env
    monkeypatch.setenv("PICTOR_API_KEYS_FILE", str(path))
    assert main(["add", "alice", "--scopes", "classify"]) == 0
    assert read(path).keys() == {"alice"}
    monkeypatch.delenv("PICTOR_API_KEYS_FILE")
    assert main(["list"]) == 2
    assert "--file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "alice"],
        ["add", "alice", "--scopes", "everything"],
        ["add", "alice", "--scopes", ""],
        ["add", "alice", "--scopes", "classify", "--quota", "-1"],
        ["add", "alice", "--scopes", "classify", "--quota", "many"],
        [],
    ],
)
def test_a_wrong_command_line_writes_nothing(path: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*arguments, *(["--file", str(path)] if arguments else [])])
    assert caught.value.code == 2
    assert not path.exists()


def test_a_wrong_name_writes_nothing(path: Path) -> None:
    for name in ("Alice", "a_b", "-a", "a b", "a" * 33):
        with pytest.raises(StartError, match="lower-case"):
            add(path, name, ("classify",), None)
    assert not path.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be written: No such file"):
        add(tmp_path / "none" / "keys.toml", "alice", ("classify",), None)


class Looking(keyring.Keyring):
    """Looks as often as a running one does in half a second."""

    def look(self) -> None:
        super().look()
        super().look()


def test_a_change_is_noticed(path: Path) -> None:
    alice = add(path, "alice", ("classify",), None)
    ring = Looking(path)
    bob = add(path, "bob", ("classify",), None)
    assert ring.find(bob) is None
    ring.look()
    assert ring.find(bob) is not None
    remove(path, "alice")
    ring.look()
    assert ring.find(alice) is None
    assert ring.find(bob) is not None


def test_a_file_is_not_read_while_it_is_written(path: Path) -> None:
    """An editor that empties the file and then writes it locks nobody out."""
    alice = add(path, "alice", ("classify",), None)
    ring, text = keyring.Keyring(path), path.read_text()
    for part in ("", text[:40], text[:80], text + "# more\n"):
        path.write_text(part)
        ring.look()
        assert ring.find(alice) is not None
    ring.look()
    assert ring.find(alice) is not None


@pytest.mark.parametrize("damage", ["broken", "gone", "a folder"])
def test_a_file_that_went_bad_changes_nothing(
    path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last good keys stay; it is said once; and a good file is taken again."""
    said: list[str] = []

    class Log:
        def error(self, event: str, *, reason: str) -> None:
            said.append(reason)

        def info(self, event: str, *, keys: int) -> None:
            assert event == "API keys read"

    monkeypatch.setattr(keyring, "log", Log())
    alice = add(path, "alice", ("classify",), None)
    ring = Looking(path)
    if damage == "broken":
        path.write_text("alice = oops")
    else:
        path.unlink()
    if damage == "a folder":
        path.mkdir()
    for _ in range(3):
        ring.look()
    assert ring.find(alice) is not None
    assert len(said) == 1
    assert str(path) in said[0]
    if damage == "a folder":
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    bob = add(path, "bob", ("classify",), None)
    ring.look()
    assert (ring.find(alice), ring.find(bob) is not None) == (None, True)


async def test_a_running_keyring_notices_by_itself(path: Path) -> None:
    add(path, "alice", ("classify",), None)
    ring = keyring.Keyring(path)
    ring.start()
    bob = add(path, "bob", ("classify",), None)
    async with asyncio.timeout(5):
        while ring.find(bob) is None:
            await asyncio.sleep(0.01)
    await ring.stop()


def test_a_bad_file_stops_the_start(path: Path) -> None:
    with pytest.raises(StartError):
        keyring.Keyring(path)
