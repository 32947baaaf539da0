"""What is kept of a set of passages: what is meant to be kept, and the same however the set was divided and put together."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autointerp.activations import Split, TestView
from autointerp.activations import _recorder as recorder_module
from autointerp.activations import _sketch as sketch_module
from autointerp.activations._numbers import as_float
from autointerp.activations._parts import Progressed
from autointerp.activations._views import RefineView, SplitView, TrainView
from autointerp.errors import InputError
from tests.activations.recorded import CAPS, FEATURES, LENGTH, Made, content, made, merge, record

VIEWS: tuple[type[SplitView], ...] = (TrainView, RefineView, TestView)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which even these few activations go through every step."""
    monkeypatch.setattr(recorder_module, "_WAITING", 20)
    monkeypatch.setattr(recorder_module, "_PENDING", 30)
    monkeypatch.setattr(sketch_module, "_AT_ONCE", 40)
    monkeypatch.setattr(sketch_module, "TOP", 4)
    monkeypatch.setattr(recorder_module, "TOP", 4)
    monkeypatch.setattr("autointerp.activations._parts.TOP", 4)
    monkeypatch.setattr(sketch_module, "TOP_ACTIVATIONS", 6)


@pytest.mark.parametrize("seed", range(4))
def test_a_sketch_is_what_it_is_meant_to_be(tmp_path: Path, seed: int) -> None:
    passages = sorted(made(seed, 60), key=lambda p: p.rank)
    stored = merge([record(passages, tmp_path / "a")], tmp_path / "b")
    for feature in range(FEATURES):
        everything = np.concatenate([p.activations[:, feature] for p in passages])
        active = everything[everything > 0]
        assert int(stored["totals/active"].read()[feature]) == len(active)
        total = float(sum((Fraction(float(value)) for value in active), Fraction()))
        assert as_float(stored["totals/sums"].read())[feature] == pytest.approx(total, rel=1e-12, abs=1e-7)
        assert stored["totals/maximum"].read()[feature] == (active.max() if len(active) else 0)
        for number, kind in enumerate(VIEWS):
            mine = [p for p in passages if p.split == number]
            _check_known(kind(stored), mine, feature, CAPS[number])
            _check_top(kind(stored), mine, feature)


def _check_known(view: SplitView, mine: list[Made], feature: int, cap: int) -> None:
    windows = view.windows(feature)
    expected = np.zeros((len(mine), LENGTH), dtype=np.float32)
    for row, passage in enumerate(mine):
        expected[row, 1 : 1 + len(passage.ids)] = passage.activations[:, feature]
    counts = np.cumsum((expected > 0).sum(1))
    known = int(np.searchsorted(counts, cap)) + 1 if len(counts) and counts[-1] >= cap else len(mine)
    assert windows.passages == known
    np.testing.assert_allclose(windows.dense(LENGTH), expected[:known], rtol=2.0**-11, atol=0)
    assert (windows.dense(LENGTH) > 0).sum() == (expected[:known] > 0).sum()


def _check_top(view: SplitView, mine: list[Made], feature: int) -> None:
    peaks = [(-float(p.activations[:, feature].max()), row) for row, p in enumerate(mine)]
    order = [row for peak, row in sorted(peaks) if peak < 0][:4]
    found, values = view.top(feature)
    assert found.tolist() == order
    assert values.tolist() == [float(mine[row].activations[:, feature].max()) for row in order]
    top = view.top_passages(feature)
    assert top.passages.tolist() == order
    listed, seen = 0, 0
    for row in order:
        if seen < 6:
            listed += 1
        seen += int((mine[row].activations[:, feature] > 0).sum())
    assert top.listed == listed
    for i, row in enumerate(order):
        acts = mine[row].activations[:, feature]
        assert top.tokens[i] == mine[row].ids[int(acts.argmax())]
        expected = acts if i < listed else np.zeros_like(acts)
        np.testing.assert_allclose(top.activations[i, 1 : 1 + len(acts)], expected, rtol=2.0**-11)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_division_put_together_in_any_order_gives_the_same(data: st.DataObject) -> None:
    passages = made(data.draw(st.integers(0, 10**6)), data.draw(st.integers(1, 50)), strong=data.draw(st.booleans()))
    groups = data.draw(st.lists(st.integers(0, 5), min_size=len(passages), max_size=len(passages)))
    divided: defaultdict[int, list[Made]] = defaultdict(list)
    for passage, group in zip(passages, groups, strict=True):
        divided[group].append(passage)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = merge([record(passages, folder / "one", at_once=1000)], folder / "whole")
        parts = [record(some, folder / f"part{group}") for group, some in divided.items()]
        made_so_far = 0
        while len(parts) > 1:
            parts = data.draw(st.permutations(parts))
            count = data.draw(st.integers(2, len(parts)))
            parts = [merge(parts[:count], folder / f"merged{made_so_far}"), *parts[count:]]
            made_so_far += 1
        last = parts[0] if made_so_far else merge(parts, folder / "last")
        assert content(last) == content(whole)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_earlier_shards_spare_a_later_one_is_not_missed(data: st.DataObject) -> None:
    passages = sorted(made(data.draw(st.integers(0, 10**6)), 60), key=lambda p: p.rank)
    cuts = sorted(data.draw(st.sets(st.integers(1, 59), max_size=6)))
    shards = [passages[a:b] for a, b in zip([0, *cuts], [*cuts, 60], strict=True)]
    # A shard may know of any that are of lower rank, such as those that happened to be finished when it began.
    known = [data.draw(st.sets(st.integers(0, number - 1))) if number else set() for number in range(len(shards))]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = merge([record(passages, folder / "one")], folder / "whole")
        parts: list[Any] = []
        for number, shard in enumerate(shards):
            progressed = Progressed(FEATURES, CAPS)
            for other in sorted(known[number]):
                arrays = {name: parts[other][name].read() for name in Progressed.names}
                progressed.take(range(other, other + 1), arrays)
            parts.append(record(shard, folder / f"p{number}", progressed.now()))
        assert content(merge(parts[::-1], folder / "last")) == content(whole)


def test_the_same_passage_in_two_parts_is_refused(tmp_path: Path) -> None:
    passages = made(0, 10)
    parts = [record(passages[:6], tmp_path / "a"), record(passages[5:], tmp_path / "b")]
    with pytest.raises(InputError, match="share passages"):
        merge(parts, tmp_path / "c")


def test_the_same_text_in_two_parts_is_refused_even_in_another_split(tmp_path: Path) -> None:
    passages = made(0, 10)
    twin = Made(12345, (passages[0].split + 1) % 3, "other", passages[0].ids, passages[0].activations)
    parts = [record(passages, tmp_path / "a"), record([twin], tmp_path / "b")]
    with pytest.raises(InputError, match="share texts"):
        merge(parts, tmp_path / "c")


def test_tables_of_three_splits_are_kept_apart() -> None:
    assert [kind.split for kind in VIEWS] == [Split.TRAIN, Split.REFINE, Split.TEST]
