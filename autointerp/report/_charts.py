"""Geometry of the drawings: record values in, pixel coordinates out. The templates only put marks where these say."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autointerp.records import FeatureStats, RunRecord, Score
from autointerp.report._numbers import number, ticks

BAR_WIDTH = 240
BAR_INSET = 8

HISTOGRAM_WIDTH = 460
HISTOGRAM_HEIGHT = 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 42
#: The baseline of the log axis: below one, so that a bin with a single token still has a bar.
_FLOOR = 0.5


@dataclass(frozen=True)
class ScoreBar:
    """A score on its axis: x of the zero line, of the value, of the interval's ends and of each control."""

    low: float
    high: float
    zero: float
    value: float
    interval: tuple[float, float]
    controls: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Bin:
    """One bar of the histogram, with the words for its tooltip."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True)
class Histogram:
    """Bars and labelled ticks; `x_ticks` hold x, `y_ticks` hold y."""

    bins: tuple[Bin, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    left: float = _LEFT
    right: float = HISTOGRAM_WIDTH - _RIGHT
    top: float = _TOP
    bottom: float = HISTOGRAM_HEIGHT - _BOTTOM


def score_bars(record: RunRecord) -> list[ScoreBar | None]:
    """One bar per entry of `record.scores`, None for what is unscored.

    All scores that fit between -1 and 1 share one axis, so that their lengths can be compared.
    """
    shared = [score for score in record.scores if isinstance(score, Score) and _fits(score)]
    axis = (-1.0 if any(min(_extent(score)) < 0 for score in shared) else 0.0, 1.0)
    return [
        _score_bar(score, axis if _fits(score) else _own_axis(score)) if isinstance(score, Score) else None
        for score in record.scores
    ]


def _fits(score: Score) -> bool:
    return -1 <= min(_extent(score)) and max(_extent(score)) <= 1


def _extent(score: Score) -> tuple[float, ...]:
    return (0.0, score.value, *score.ci, *score.control.values())


def _own_axis(score: Score) -> tuple[float, float]:
    extent = _extent(score)
    return (min(extent), max(extent))


def _score_bar(score: Score, axis: tuple[float, float]) -> ScoreBar:
    low, high = axis

    def x(value: float) -> float:
        return round(BAR_INSET + (value - low) / (high - low) * (BAR_WIDTH - 2 * BAR_INSET), 2)

    controls = tuple((name, value, x(value)) for name, value in score.control.items())
    return ScoreBar(low, high, x(0.0), x(score.value), (x(score.ci[0]), x(score.ci[1])), controls)


def histogram(stats: FeatureStats) -> Histogram | None:
    """The activation histogram with logarithmic counts; None where no token was active."""
    edges, counts = stats.histogram_edges, stats.histogram_counts
    if not counts or max(counts) <= 0 or edges[-1] <= edges[0]:
        return None
    left, right, top, bottom = Histogram.left, Histogram.right, Histogram.top, Histogram.bottom
    decades = max(1, math.ceil(math.log10(max(counts))))

    def x(value: float) -> float:
        return round(left + (value - edges[0]) / (edges[-1] - edges[0]) * (right - left), 2)

    def y(count: float) -> float:
        share = math.log10(count / _FLOOR) / math.log10(10**decades / _FLOOR)
        return round(bottom - share * (bottom - top), 2)

    bins = tuple(
        Bin(x(start), y(count), max(x(end) - x(start) - 1, 0.5), bottom - y(count), _bin_words(start, end, count))
        for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count > 0
    )
    # One label in every few decades: more would overlap.
    powers = range(0, decades + 1, 1 + decades // 6)
    return Histogram(
        bins,
        tuple((x(value), number(value)) for value in ticks(edges[0], edges[-1])),
        tuple((y(10**power), f"{10**power:,}") for power in powers),
    )


def _bin_words(start: float, end: float, count: int) -> str:
    return f"{number(start)} to {number(end)}: {count:,} {'token' if count == 1 else 'tokens'}"
