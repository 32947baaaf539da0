"""Which example windows to show, in which order, and how much of each."""

from __future__ import annotations

from itertools import zip_longest

from autointerp.records import Example

#: What each part of the activation range is, strongest first; labels that are not here come after these.
QUANTILES: dict[str, str] = {
    "top": "the strongest windows",
    "75-100%": "of the maximum",
    "50-75%": "of the maximum",
    "25-50%": "of the maximum",
    "0-25%": "of the maximum",
    "near miss": "looks alike, and the feature is silent",
}


def grouped(examples: tuple[Example, ...]) -> list[tuple[str, list[Example]]]:
    """Examples by quantile, strongest quantile first, each group in the record's order."""
    groups: dict[str, list[Example]] = {quantile: [] for quantile in QUANTILES}
    for example in examples:
        groups.setdefault(example.quantile, []).append(example)
    return [(quantile, members) for quantile, members in groups.items() if members]


def picked(examples: tuple[Example, ...], count: int) -> list[Example]:
    """About `count` examples from all quantiles in turn, so that weak activations are seen beside the strongest."""
    groups = [members for _, members in grouped(examples)]
    in_turn = [example for row in zip_longest(*groups) for example in row if example is not None][:count]
    kept = {id(example) for example in in_turn}
    return [example for members in groups for example in members if id(example) in kept]


def peak(example: Example) -> int:
    """Index of the strongest token; where nothing fires, of the strongest prediction, else of the middle."""
    for values in (example.activations, example.predicted or ()):
        if values and max(values) > 0:
            return max(range(len(values)), key=values.__getitem__)
    return len(example.tokens) // 2


def strength(value: float, maximum: float) -> float:
    """`value` as a share of `maximum`, within 0 and 1; 0 where the maximum is."""
    return min(max(value / maximum, 0.0), 1.0) if maximum > 0 else 0.0
