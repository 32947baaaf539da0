"""Who gets to which stage, what is written, and what a second run does again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from autointerp.errors import AutointerpError, BudgetError, UnavailableError
from autointerp.labelling import MOST_FAILURES, Cascade, LabelStore
from tests.labelling.made import Grades, Says, cascade


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with LabelStore(tmp_path, about={"model": "m"}) as opened:
        yield opened


def run(made: Cascade, store: LabelStore, count: int) -> None:
    asyncio.run(made.run(store, range(count)))


def test_each_feature_stops_at_the_first_stage_that_suffices(store: LabelStore) -> None:
    free = Says("free", lambda f: [0.9, 0.2, 0.5, None][f])
    dear = Says("dear", lambda f: [None, 0.8, 0.3, 0.1][f], dollars=0.25)
    last = Says("last", lambda f: 0.6)
    run(cascade(free, dear, last, enough=0.7), store, 4)
    assert (sorted(free.asked), sorted(dear.asked), sorted(last.asked)) == ([0, 1, 2, 3], [1, 2, 3], [2, 3])
    assert last.before[2] == ["free", "dear"]
    rows = {row.feature: (row.stage, row.stages, row.refine, row.dollars) for row in store.labels()}
    assert rows == {
        0: ("free", "free", 0.9, 0.0),
        1: ("dear", "free dear", 0.8, 0.25),
        2: ("last", "free dear last", 0.6, 0.25),
        3: ("last", "free dear last", 0.6, 0.25),
    }


def test_the_best_attempt_is_taken_and_not_the_last(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: 0.6), Says("dear", lambda f: 0.4)), store, 1)
    (row,) = store.labels()
    assert (row.stage, row.refine, row.fires_on) == ("free", 0.6, "on what free says")
    assert (row.simulation, row.low, row.high, row.control, row.beats, row.n) == (0.5, 0.4, 0.6, 0.3, True, 64)


def test_a_second_run_repeats_nothing(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: 0.5)), store, 3)
    again, grades = Says("free", lambda f: 0.9), Grades()
    run(cascade(again, workers=grades), store, 5)
    assert (sorted(again.asked), sorted(grades.graded)) == ([3, 4], [3, 4])


def test_a_stage_that_is_added_gets_the_features_that_were_not_good_enough(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: 0.9 if f else 0.2)), store, 2)
    free, dear = Says("free", lambda f: 0.0), Says("dear", lambda f: 0.8)
    run(cascade(free, dear), store, 2)
    assert (free.asked, dear.asked) == ([], [0])
    row = store.label(0)
    assert row is not None
    assert (row.stage, row.revision) == ("dear", 2)
    assert [old.stage for old in store.earlier(0)] == ["free"]


def test_what_a_stage_handed_in_before_the_end_is_not_asked_for_again(store: LabelStore) -> None:
    free = Says("free", lambda f: 0.1)
    with pytest.raises(KeyboardInterrupt):
        run(cascade(free, Says("dear", lambda f: KeyboardInterrupt())), store, 1)
    assert (len(store), store.attempted()) == (0, {0: ["free"]})
    run(cascade(free, Says("dear", lambda f: 0.4)), store, 1)
    assert (free.asked, len(store)) == ([0], 1)


def test_one_features_failure_is_a_row_and_the_rest_goes_on(store: LabelStore) -> None:
    wrong = UnavailableError("the server is down")
    run(cascade(Says("free", lambda f: wrong if f == 1 else 0.9)), store, 3)
    row = store.label(1)
    assert row is not None
    assert (row.status, row.error, row.simulation) == ("failed", "free: the server is down", None)
    assert [r.status for r in store.labels()] == ["labelled", "failed", "labelled"]
    again = Says("free", lambda f: 0.9)
    run(cascade(again), store, 3)
    assert again.asked == [1]


def test_a_dear_stage_that_fails_leaves_what_the_cheap_one_found(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: 0.4), Says("dear", lambda f: UnavailableError("down"))), store, 1)
    (row,) = store.labels()
    assert (row.status, row.stage, row.error) == ("labelled", "free", "dear: down")


def test_grading_that_fails_is_a_failure_of_the_feature(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: 0.9), workers=Grades(fails=[1])), store, 2)
    row = store.label(1)
    assert row is not None
    assert (row.status, row.error) == ("failed", "grading: no test split")


def test_twenty_failures_in_a_row_stop_with_the_cause(store: LabelStore) -> None:
    stage = Says("free", lambda f: UnavailableError("the disk is full") if f >= 5 else 0.9)
    with pytest.raises(AutointerpError, match=r"20 features failed in a row, .*the disk is full.*same command"):
        run(cascade(stage, concurrency=1), store, 100)
    assert (len(stage.asked), len(store)) == (5 + MOST_FAILURES, 5 + MOST_FAILURES)


def test_failures_among_successes_do_not_stop(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: UnavailableError("x") if f % 4 else 0.9)), store, 80)
    assert len(store) == 80


def test_a_budget_that_ends_closes_its_stage_alone(store: LabelStore) -> None:
    dear = Says("dear", lambda f: 0.8 if f == 0 else BudgetError("the limit of $1 is used"))
    run(cascade(Says("free", lambda f: 0.2), dear, concurrency=1), store, 6)
    assert dear.asked == [0, 1]
    rows = list(store.labels())
    assert [row.stage for row in rows] == ["dear", *["free"] * 5]
    assert {row.error for row in rows[1:]} == {"dear: the limit of $1 is used"}
    richer = Says("dear", lambda f: 0.75)
    run(cascade(Says("free", lambda f: 0.0), richer), store, 6)
    assert sorted(richer.asked) == [1, 2, 3, 4, 5]


def test_a_record_for_the_page_is_kept(store: LabelStore) -> None:
    run(cascade(Says("free", lambda f: 0.9)), store, 1)
    record = store.record(0)
    assert record is not None
    assert (record.feature.index, record.scores[0].name, store.record(1)) == (0, "simulation", None)
