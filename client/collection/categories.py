"""Which folder a classified file belongs into."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from client.answers import Prediction
from client.collection.ledger import Ledger
from client.collection.naming import OTHER, REVIEW, folders
from client.collection.taxonomy import Taxonomy

Labels = Mapping[str, set[str]]  # label -> WordNet ids; two of Keras' labels have two


def labels_of(ledger: Ledger, known: Iterable[tuple[str, str]] = ()) -> Labels:
    """The labels that were answered, and those (WordNet id, label) that are known beside them."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in ledger.rows("done"):
        if row.content is not None and row.duplicate_of is None:
            for one in row.content.predictions:
                found[one.label].add(one.wnid)
    for wnid, label in known:
        found[label].add(wnid)
    return {label: wnids - {""} or wnids for label, wnids in found.items()}


class Categories:
    """Folders by prediction; which is whose does not depend on the order of files."""

    def __init__(
        self, labels: Labels, taxonomy: Taxonomy | None, threshold: float
    ) -> None:
        """Takes all labels there are, a company's own categories, and how sure is sure enough."""
        self._labels = labels
        self._taxonomy = taxonomy
        self._threshold = threshold
        names = (
            [REVIEW, OTHER, *taxonomy.categories()]
            if taxonomy is not None
            else [REVIEW, *sorted(self._names())]
        )
        self._folders = folders(names)

    def _names(self) -> Iterable[str]:
        """Labels as categories: no ``/`` of theirs makes a folder."""
        for label, wnids in self._labels.items():
            for wnid in wnids:
                yield self._name(wnid, label)

    def _name(self, wnid: str, label: str) -> str:
        """A crane is a bird or a machine: where a label has two meanings, the id is beside it."""
        name = label.replace("/", "_")
        return f"{name}_{wnid}" if len(self._labels[label]) > 1 else name

    def of(self, predictions: Sequence[Prediction]) -> tuple[str, str]:
        """The folder for a file, and its label where the taxonomy leaves it out."""
        if not predictions:
            return REVIEW, ""
        best = predictions[0]
        if self._taxonomy is None:
            category: str | None = self._name(best.wnid, best.label)
            score = best.score
        else:
            category, score = self._taxonomy.best(predictions)
        if score < self._threshold:
            return REVIEW, ""
        if category is None:
            return OTHER, best.label
        return self._folders[category], ""

    def unknown(self) -> list[str]:
        """The taxonomy's names that no label has."""
        if self._taxonomy is None:
            return []
        return self._taxonomy.unknown(
            (wnid, label) for label, wnids in self._labels.items() for wnid in wnids
        )
