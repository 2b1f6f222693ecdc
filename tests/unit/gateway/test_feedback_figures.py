"""Counts, confusion and calibration: known cases, and what holds whatever is reported."""

import itertools
import math
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import wire
from common.connections import Keeper
from gateway import feedback, feedback_figures, feedback_overview
from gateway.feedback import Entry
from gateway.feedback_figures import BINS, MOST_CATEGORIES, STEPS, Count, Judged
from gateway.feedback_overview import Overview, judged

names = st.sampled_from(["", *"abcdefghijklmno"])
scores = st.none() | st.floats(0, 1)
JUDGED = st.lists(st.builds(Judged, st.booleans(), names, names, scores), max_size=60)


def test_without_reports_there_is_nothing() -> None:
    found = feedback_figures.of([])
    assert (found.counts, found.right, found.wrong) == ((), 0, 0)
    assert (found.matrix.labels, found.matrix.rows, found.matrix.pairs) == ((), (), 0)
    assert (found.calibration.n, found.calibration.error) == (0, 0.0)
    assert found.calibration.most == 0


def test_counts_by_what_was_answered() -> None:
    made = [Judged(True, "cup"), Judged(False, "cup", "mug"), Judged(True, "hen")]
    assert feedback_figures.counts(made) == (Count("cup", 1, 1), Count("hen", 1, 0))


def test_the_matrix_says_what_is_mistaken_for_what() -> None:
    pairs = [("husky", "malamute")] * 5 + [("malamute", "husky")] + [("cup", "mug")] * 2
    found = feedback_figures.matrix(pairs)
    assert found.labels == ("husky", "malamute", "cup", "mug")
    assert not found.others
    by_name = {
        (answered, label): found.rows[row][column]
        for row, answered in enumerate(found.labels)
        for column, label in enumerate(found.labels)
    }
    assert by_name["husky", "malamute"].pairs == 5
    assert by_name["husky", "malamute"].step == STEPS
    assert by_name["malamute", "husky"].step == 1
    assert by_name["cup", "mug"].pairs == 2
    assert by_name["mug", "cup"].pairs == by_name["mug", "cup"].step == 0


def test_beyond_the_most_involved_there_are_others() -> None:
    pairs = [(f"a{n}", f"b{n}") for n in range(4)] * 3 + [("x", "a0"), ("x", "y")]
    found = feedback_figures.matrix(pairs)
    assert len(found.labels) == MOST_CATEGORIES
    assert found.others
    assert len(found.rows) == MOST_CATEGORIES + 1
    assert found.rows[-1][found.labels.index("a0")].pairs == 1
    assert found.rows[-1][-1].pairs == 1


def test_only_a_wrong_answer_with_another_category_is_a_pair() -> None:
    made = [
        Judged(True, "cup", "mug"),
        Judged(False, "cup"),
        Judged(False, "", "mug"),
        Judged(False, "cup", "cup"),
    ]
    assert feedback_figures.of(made).matrix.pairs == 0


def test_calibration_of_a_known_case() -> None:
    """Ten answers at 0.85, eight right; four at 0.25, all wrong: (10 * 0.05 + 4 * 0.25) / 14."""
    scored = [(0.85, n < 8) for n in range(10)] + [(0.25, False)] * 4
    found = feedback_figures.calibration(scored)
    assert found.error == pytest.approx((10 * 0.05 + 4 * 0.25) / 14)
    eighth, second = found.bins[8], found.bins[2]
    assert (eighth.n, eighth.share) == (10, 0.8)
    assert eighth.score == pytest.approx(0.85)
    assert (second.n, second.share, second.low) == (4, 0.0, 0.0)
    assert found.most == 10


@pytest.mark.parametrize(
    ("score", "place"), [(0.0, 0), (0.0999, 0), (0.1, 1), (0.95, 9), (1.0, 9)]
)
def test_a_score_has_its_bin(score: float, place: int) -> None:
    bins = feedback_figures.calibration([(score, True)]).bins
    assert [one.n for one in bins] == [int(at == place) for at in range(BINS)]


def test_the_interval_is_wilsons() -> None:
    """Newcombe 1998, table 1: 81 of 263, and 0 of 20."""
    low, high = feedback_figures.wilson(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = feedback_figures.wilson(0.0, 20)
    assert (low, round(high, 4)) == (0.0, 0.1611)


@given(JUDGED)
def test_totals_agree(made: list[Judged]) -> None:
    found = feedback_figures.of(made)
    assert found.right + found.wrong == len(made)
    assert sum(one.right for one in found.counts) == found.right
    assert sum(one.wrong for one in found.counts) == found.wrong
    assert sum(one.total for one in found.counts) == len(made)
    assert len({one.label for one in found.counts}) == len(found.counts)
    matrix = found.matrix
    assert sum(cell.pairs for row in matrix.rows for cell in row) == matrix.pairs
    assert matrix.pairs <= found.wrong
    assert len(matrix.labels) <= MOST_CATEGORIES
    side = len(matrix.labels) + matrix.others
    assert [len(row) for row in matrix.rows] == [side] * side
    for at in range(len(matrix.labels)):
        assert matrix.rows[at][at].pairs == 0
    calibration = found.calibration
    assert sum(one.n for one in calibration.bins) == calibration.n
    assert calibration.n == sum(one.score is not None for one in made)


@given(JUDGED)
def test_a_cell_is_as_dark_as_it_is_full(made: list[Judged]) -> None:
    cells = [cell for row in feedback_figures.of(made).matrix.rows for cell in row]
    most = max((cell.pairs for cell in cells), default=0)
    for cell in cells:
        assert (cell.step == 0) == (cell.pairs == 0)
        assert (cell.step == STEPS) or cell.pairs < most
        assert 0 <= cell.step <= STEPS
    for one, other in itertools.pairwise(cells):
        assert (one.pairs <= other.pairs) or one.step >= other.step


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_calibration_is_within_its_bounds(scored: list[tuple[float, bool]]) -> None:
    found = feedback_figures.calibration(scored)
    assert 0 <= found.error <= 1
    share = sum(right for _, right in scored) / len(scored)
    mean = math.fsum(score for score, _ in scored) / len(scored)
    assert found.error >= abs(share - mean) - 1e-9
    for one in found.bins:
        if one.n:
            assert one.lower - 1e-9 <= one.score <= one.upper + 1e-9
            assert 0 <= one.low <= one.share + 1e-9
            assert one.share - 1e-9 <= one.high <= 1


def entry(number: int, request_id: str, verdict: str, label: str = "") -> Entry:
    report = wire.Report(1, request_id, verdict, "cup", label, score=0.5)
    return Entry(f"{number}-0", report)


def test_of_several_reports_about_one_answer_the_newest_counts() -> None:
    """Reports are met the newest first; what is about no answer in particular counts by itself."""
    entries = [
        entry(5, "a", "right"),
        entry(4, "", "wrong"),
        entry(3, "", "wrong"),
        entry(2, "b", ""),
        entry(1, "a", "wrong", "mug"),
    ]
    seen: set[str] = set()
    found = [*judged(entries[:2], seen), *judged(entries[2:], seen)]
    assert [one.right for one in found] == [True, False, False]


@given(st.lists(st.tuples(st.sampled_from(["", *"abc"]), st.booleans())))
def test_each_answer_counts_once(made: list[tuple[str, bool]]) -> None:
    entries = [
        entry(at, name, "right" if right else "wrong")
        for at, (name, right) in enumerate(made)
    ]
    found = list(judged(entries, set()))
    about = [name for name, _ in made]
    assert len(found) == len(set(about) - {""}) + about.count("")


@pytest.fixture
async def link(flushed_redis_url: str) -> AsyncIterator[Keeper]:
    link = Keeper(flushed_redis_url)
    yield link
    await link.close()


async def shown(link: Keeper, overview: Overview) -> tuple[int, int]:
    entries, total = await feedback.recent(link)
    found = await overview.figures(entries[0].id if entries else "", total)
    return found.right, found.wrong


async def test_figures_follow_what_is_reported_and_taken_back(link: Keeper) -> None:
    overview = Overview(link)
    assert await shown(link, overview) == (0, 0)
    first = await feedback.store(link, wire.Report(1, "a", "right", "cup"))
    assert await shown(link, overview) == (1, 0)
    last = await feedback.store(link, wire.Report(1, "a", "wrong", "cup", "mug"))
    assert await shown(link, overview) == (0, 1)
    for token, left in ((last, (1, 0)), (first, (0, 0))):
        found = await feedback.find(link, token)
        assert found is not None
        await feedback.withdraw(link, found)
        assert await shown(link, overview) == left


async def test_figures_of_many_are_not_made_for_each_who_asks(
    link: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback_overview, "MANY", 1)
    monkeypatch.setattr(feedback_overview, "FRESH_S", 3600.0)
    overview = Overview(link)
    for name in "ab":
        await feedback.store(link, wire.Report(1, name, "right", "cup"))
    assert await shown(link, overview) == (2, 0)
    await feedback.store(link, wire.Report(1, "c", "right", "cup"))
    assert await shown(link, overview) == (2, 0), "a little old"
    monkeypatch.setattr(feedback_overview, "FRESH_S", 0.0)
    assert await shown(link, overview) == (3, 0)
