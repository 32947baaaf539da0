"""The pieces that page and terminal share, against tables of known answers."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autointerp.report
from autointerp.records import Example, RunRecord, Score
from autointerp.report import _charts, _examples, _numbers, _program, _snippet, _tokens
from autointerp.report._claims import claims, other_evidence


def test_the_room_exports_what_it_says() -> None:
    features = ["ensure_writable", "meaning", "page", "read_json", "show", "write_json", "write_page"]
    circuits = ["circuit_page", "show_circuit", "show_transfer", "write_circuit_json", "write_circuit_page"]
    nodes = ["write_graph_json", "write_latent_circuit_json"]
    assert autointerp.report.__all__ == sorted(features + circuits + nodes)


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (_numbers.score_number, 0.874, "0.87"),
        (_numbers.score_number, -0.004, "0.00"),
        (_numbers.score_number, -0.11, "-0.11"),
        (_numbers.score_number, 1234.4, "1234"),
        (_numbers.number, 0.0, "0"),
        (_numbers.number, 8.412, "8.41"),
        (_numbers.number, 999.6, "1000"),
        (_numbers.number, 12345.6, "12,346"),
        (_numbers.number, 0.00001234, "1.2e-05"),
        (_numbers.signed, 1.9, "+1.90"),
        (_numbers.signed, -1.2, "-1.20"),
        (_numbers.signed, 0.001, "0.00"),
        (_numbers.percent, 0.0, "0%"),
        (_numbers.percent, 0.00431, "0.43%"),
        (_numbers.percent, 0.997, "100%"),
        (_numbers.one_in, 0.0043, "1 in 233"),
        (_numbers.one_in, 0.0, "never"),
        (_numbers.duration, 0.42, "420 ms"),
        (_numbers.duration, 59.9, "59.9 s"),
        (_numbers.duration, 94.2, "1 min 34 s"),
        (_numbers.duration, 7500.0, "2 h 5 min"),
        (_numbers.dollars, 0.0, "free"),
        (_numbers.dollars, 0.0312, "$0.031"),
        (_numbers.dollars, 12.3, "$12.30"),
    ],
)
def test_numbers(function, value: float, text: str) -> None:
    assert function(value) == text


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e6))
def test_ticks_are_few_even_and_inside(low: float, span: float) -> None:
    high = low + span
    ticks = _numbers.ticks(low, high)
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-6 * span <= tick <= high + 1e-6 * span for tick in ticks)
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-3, abs_tol=1e-6 * abs(low)) for step in steps)


def test_known_ticks() -> None:
    assert _numbers.ticks(0, 8.412) == [0, 2, 4, 6, 8]
    assert _numbers.ticks(-1, 1) == pytest.approx([-1, -0.5, 0, 0.5, 1])


@given(st.text())
def test_text_for_one_line_is_printable_and_loses_nothing(text: str) -> None:
    assert _tokens.one_line(text).isprintable()
    assert _tokens.ascii_line(text).isascii()
    assert _tokens.ascii_line(text).isprintable()
    kept = "".join(character for character in text if character.isprintable())
    rest = iter(_tokens.one_line(text))
    assert all(character in rest for character in kept)


def test_backticks_become_code() -> None:
    assert _tokens.coded("after `<def>`, and ` alone") == "after <code>&lt;def&gt;</code>, and ` alone"


@given(st.text(alphabet="ab_ \n\t\"'\\#3.()def"))
def test_colouring_keeps_the_program(source: str) -> None:
    joined = "\n".join(line.text for line in _program.coloured_lines(source))
    assert source.startswith(joined)
    assert not source[len(joined) :].strip()


def test_colouring_knows_its_kinds() -> None:
    (line,) = _program.coloured_lines("def f(x): return rb'#\\'' + 0x1F  # 'no string'")
    kinds = [(kind, text) for kind, text in line.pieces if kind]
    assert kinds == [
        ("keyword", "def"),
        ("defined", "f"),
        ("keyword", "return"),
        ("string", "rb'#\\''"),
        ("number", "0x1F"),
        ("comment", "# 'no string'"),
    ]


def test_the_test_split_decides_a_claim(rich_record: RunRecord) -> None:
    first = claims(rich_record)[0]
    assert [evidence.split for evidence in first.outcomes] == ["test", "train"]
    contrary = first.outcomes[0].model_copy(update={"supports": False})
    record = rich_record.model_copy(update={"evidence": (first.outcomes[1], contrary)})
    assert claims(record)[0].state == "not held"
    assert other_evidence(record) == []


def window(quantile: str, *activations: float, predicted: tuple[float, ...] | None = None) -> Example:
    tokens = tuple(f" t{index}" for index in range(len(activations)))
    return Example(document="d", line=1, tokens=tokens, activations=activations, predicted=predicted, quantile=quantile)


def test_groups_come_strongest_first_and_unknown_ones_last() -> None:
    examples = tuple(window(quantile, 1.0) for quantile in ("odd", "near miss", "0-25%", "top", "top"))
    assert [(name, len(members)) for name, members in _examples.grouped(examples)] == [
        ("top", 2),
        ("0-25%", 1),
        ("near miss", 1),
        ("odd", 1),
    ]


def test_the_pick_takes_from_every_group_before_it_takes_twice() -> None:
    examples = tuple(window(quantile, float(turn)) for quantile in ("top", "25-50%", "near miss") for turn in range(4))
    assert [example.quantile for example in _examples.picked(examples, 4)] == ["top", "top", "25-50%", "near miss"]


@pytest.mark.parametrize(
    ("example", "place"),
    [
        (window("top", 0, 3, 1), 1),
        (window("near miss", 0, 0, 0, predicted=(0, 0, 2)), 2),
        (window("near miss", 0, 0, 0), 1),
        (window("near miss"), 0),
    ],
)
def test_the_peak(example: Example, place: int) -> None:
    assert _examples.peak(example) == place


def test_a_snippet_is_grown_around_its_peak() -> None:
    example = window("top", *[float(index == 50) for index in range(100)])
    line = _snippet.snippet(example, 1.0, 60, coloured=False, ascii_only=False)
    assert "‹ t50›" in line.plain
    assert line.plain.startswith("…")
    assert line.plain.endswith("…")
    assert 45 <= line.cell_len <= 60
    before, after = line.plain.split("‹ t50›")
    assert abs(len(before) - len(after)) <= 4


def test_a_snippet_of_nothing_is_empty() -> None:
    assert _snippet.snippet(window("top"), 1.0, 60, coloured=False, ascii_only=False).plain == ""


def test_scores_within_one_share_an_axis_and_others_have_their_own(rich_record: RunRecord) -> None:
    inside = Score(name="a", value=0.5, ci=(0.4, 0.6), n=3, control={"c": -0.2})
    outside = Score(name="b", value=30.0, ci=(10.0, 50.0), n=3)
    record = rich_record.model_copy(update={"scores": (inside, outside)})
    first, second = _charts.score_bars(record)
    assert first is not None
    assert second is not None
    assert (first.low, first.high, second.low, second.high) == (-1, 1, 0, 50)
    room = _charts.BAR_WIDTH - 2 * _charts.BAR_INSET
    assert first.zero == _charts.BAR_INSET + room / 2
    assert first.value == _charts.BAR_INSET + room * 0.75
    assert second.value == pytest.approx(_charts.BAR_INSET + room * 0.6)
    assert first.controls == (("c", -0.2, pytest.approx(_charts.BAR_INSET + room * 0.4)),)


def test_equal_factors_are_equal_steps_of_the_histogram(rich_record: RunRecord) -> None:
    stats = rich_record.stats.model_copy(
        update={"histogram_edges": (0.0, 1.0, 2.0, 3.0, 4.0), "histogram_counts": (1000, 100, 0, 10)}
    )
    histogram = _charts.histogram(stats)
    assert histogram is not None
    assert len(histogram.bins) == 3
    first, second, third = (bin.y for bin in histogram.bins)
    assert second - first == pytest.approx(third - second, abs=0.05)
    assert [words for _, words in histogram.y_ticks] == ["1", "10", "100", "1,000"]
    assert histogram.bins[0].y == histogram.y_ticks[3][0] == histogram.top
