"""The categories of a network, one row of a CSV file each, in the order of its outputs."""

import csv
from pathlib import Path
from typing import Final

import msgspec

from common.errors import StartError

# Labels spelt as Keras spells them in imagenet_class_index.json.
IMAGENET: Final = Path(__file__).with_name("imagenet_labels.csv")
COLUMNS: Final = {"index", "wnid", "label", "description"}


class Label(msgspec.Struct, frozen=True):
    """A category.

    Attributes:
        wnid: WordNet id such as ``n02109961``, or empty where the categories are not WordNet's.
        label: what answers call it, such as ``Eskimo_dog``.
        description: the same for people to read.
    """

    wnid: str
    label: str
    description: str


def load_labels(path: Path, classes: int | None = None) -> tuple[Label, ...]:
    """Reads and checks labels.

    Args:
        path: CSV in UTF-8 with a header. ``label`` must be there; ``wnid`` and ``description`` may
            be; an ``index`` must count the rows from 0.
        classes: how many rows there must be, or None if any number will do.

    Returns:
        One label for each output of the network, in order.

    Raises:
        StartError: the file is missing or wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = set(reader.fieldnames or ())
            if "label" not in columns or columns - COLUMNS:
                raise StartError(
                    f"{path} must start with the header wnid,label,description (or only label)"
                )
            labels = tuple(_label(path, index, row) for index, row in enumerate(reader))
    except OSError as error:
        raise StartError(
            f"{path} cannot be read ({error.strerror}); it should hold the header "
            "wnid,label,description (or only label) and one row a class, in order"
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise StartError(f"{path} is not a CSV file in UTF-8: {error}") from error
    if not labels:
        raise StartError(
            f"{path} holds no class; it should hold one row a class, in order"
        )
    if classes is not None and len(labels) != classes:
        raise StartError(
            f"{path} holds {len(labels)} labels for a network of {classes} classes"
        )
    return labels


def _label(path: Path, index: int, row: dict[str | None, str | None]) -> Label:
    """One row, checked. ``csv`` files surplus cells under None and fills absent ones with None."""
    place = f"{path}, class {index}"
    if None in row or None in row.values():
        raise StartError(f"{place}: this row has more or fewer cells than the header")
    if row.get("index", str(index)) != str(index):
        raise StartError(
            f"{place}: the index says {row['index']}; rows must be in order"
        )
    label = (row["label"] or "").strip()
    if not label:
        raise StartError(f"{place}: the label is empty")
    description = (row.get("description") or "").strip() or label.replace("_", " ")
    return Label((row.get("wnid") or "").strip(), label, description)
