"""Collections that were classified, for the tests of sorting."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from client.answers import Prediction
from client.collection.ledger import Ledger
from client.collection.places import Places
from client.collection.records import Content, Found

Tree = dict[bytes, tuple[object, ...]]


def prediction(label: str, score: float = 0.9, wnid: str = "") -> Prediction:
    return Prediction(wnid or f"n_{label}", label, label, score)


def content(data: bytes, *predictions: Prediction) -> Content:
    digest = hashlib.sha256(data).digest()
    return Content(digest, len(data), predictions, "m", "m-digest", 1.5, None)


def write(path: bytes, data: bytes, mtime_ns: int = 1_700_000_000_000_000_007) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as file:
        file.write(data)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def classified(
    ledger: Path, files: Iterable[tuple[bytes, bytes, tuple[Prediction, ...]]]
) -> Path:
    """A ledger of files (path, bytes, predictions) that are all done."""
    given = list(files)
    with Ledger(ledger) as held, held.together():
        for path, data, predictions in given:
            status = os.stat(path.partition(b"\0")[0])
            held.found([Found(path, len(data), status.st_mtime_ns)])
            row = held.left(0, 1)[0]
            known = held.known(hashlib.sha256(data).digest(), "m-digest")
            held.done(
                row.number, content(data, *predictions) if known is None else known
            )
    return ledger


def tree(root: Path) -> Tree:
    """All that is below a folder: bytes, link counts and times of files; where links lead."""
    found: Tree = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                found[path] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[path] = ("folder",)
            else:
                with open(path, "rb") as file:
                    data = file.read()
                found[path] = (
                    *("file", data, status.st_nlink),
                    *(status.st_mtime_ns, status.st_mode),
                )
    return found


def files_in(root: Path) -> list[str]:
    """Paths of all but folders, relative."""
    return sorted(
        os.fsdecode(os.path.relpath(path, os.fsencode(root)))
        for path, (kind, *_) in tree(root).items()
        if kind != "folder"
    )


# For the tests that draw a collection: a file's label and how sure that is follow from its bytes.
LABELS = {b"one": "tabby", b"two": "tabby", b"three": "Egyptian/cat", b"four": ".."}
SURE = {b"one": 0.9, b"two": 0.3, b"three": 0.5, b"four": 0.7}
FOLDERS = {b"one": "tabby", b"two": "_review", b"three": "Egyptian_cat", b"four": "_"}


def given_to(root: Path, out: Path, collection: dict, there: dict, into: Path) -> Path:
    """Writes a collection (some of it as second names of the first with those bytes), and others' files."""
    firsts: dict[bytes, bytes] = {}
    paths = []
    for (folder, name), (data, second) in collection.items():
        path = os.path.join(os.fsencode(root), folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if second and data in firsts:
            os.link(firsts[data], path)
        else:
            write(path, data)
            firsts.setdefault(data, path)
        paths.append((path, data, (prediction(LABELS[data], SURE[data]),)))
    for name, data in there.items():
        path = os.path.join(os.fsencode(into), name)
        try:
            write(path, data)
        except OSError:
            continue  # its folder is a file among these
    return classified(out / "out.csv.ledger", paths)


def places_of(ledger: Path) -> dict[int, bytes]:
    with Places(ledger) as places:
        found = list(places.backwards(folders=False))
    assert len({place.file for place in found}) == len(found)
    assert all(place.state == "made" for place in found)
    return {place.file: place.target for place in found}


def in_place(ledger: Path, into: Path) -> None:
    """Each file that is done is in its folder, once, with its bytes."""
    places = places_of(ledger)
    with Ledger(ledger) as held:
        for row in held.rows("done"):
            path = places.get(row.number, row.path)
            with open(path, "rb") as file:
                data = file.read()
            assert row.content is not None
            assert content(data).digest == row.content.digest
            folder = os.path.relpath(os.path.dirname(path), os.fsencode(into)).decode()
            wanted = FOLDERS[data]
            assert folder.lower() in (wanted.lower(), f"{wanted} (2)".lower())


def made(root: Path, **files: str) -> Path:
    """A collection: label by the file's name, which are its bytes as well."""
    paths = []
    for name, label in files.items():
        path = os.fsencode(root / "c" / f"{name}.jpg")
        write(path, name.encode())
        paths.append((path, name.encode(), (prediction(label),)))
    return classified(root.parent / "out.csv.ledger", paths)
