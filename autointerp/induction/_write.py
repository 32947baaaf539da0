"""From tables to source and to a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from autointerp.induction._columns import Column
from autointerp.induction._fit import Fit, Floats
from autointerp.induction._prune import OTHER
from autointerp.records import Program

_WIDTH = 88
#: Values that a sentence names before it says how many more there are.
_LISTED = 4


def program_of(fit: Fit, scale: float) -> Program:
    """The rule as a program; values are rounded to a two-hundredth of `scale`, the largest activation."""
    digits = digits_of(scale)
    constants: list[str] = []
    lines: list[str] = []
    walks: list[tuple[str, str]] = []
    terms = [f"{fit.base:.{digits}f}"]
    for column, table in zip(fit.columns, fit.tables, strict=True):
        pairs = entries_of(column, table, digits)
        if not pairs:
            continue
        predicate = column.predicate
        for name, group in predicate.constants.items():
            constants += _literal(name, [repr(token) for token in sorted(group)])
        if predicate.walk is not None:
            walks.append(predicate.walk)
        lines += _literal(predicate.name, [f"{v!r}: {x:.{digits}f}" for v, x in pairs])
        terms.append(f"{predicate.name}.get({predicate.expression}, 0)")
    lines = [*constants, *lines]
    for _, source in walks:
        lines += ["", "", *source.splitlines()]
    body = " + ".join(terms)
    names = ", ".join(["t", *(name for name, _ in walks)])
    rows = ", ".join(["read(tokens)", *(f"{source.split('(')[0].removeprefix('def ')}(tokens)" for _, source in walks)])
    loop = f"for {names} in zip({rows})" if walks else "for t in read(tokens)"
    lines += ["", "", "def predict(tokens):"] if lines else ["def predict(tokens):"]
    if len(body) + len(f"    return [max(0.0, ) {loop}]") <= _WIDTH:
        lines.append(f"    return [max(0.0, {body}) {loop}]")
    else:
        lines += ["    return [", "        max(0.0, " + terms[0]]
        lines += [f"            + {term}" for term in terms[1:]]
        lines[-1] += ")"
        lines += [f"        {loop}", "    ]"]
    return Program(source="\n".join(lines) + "\n")


def digits_of(scale: float) -> int:
    """Decimals that tell two hundredths of `scale` apart."""
    return max(0, int(np.ceil(-np.log10(scale / 200)))) if scale > 0 else 2


def entries_of(column: Column, table: Floats, digits: int) -> list[tuple[Any, float]]:
    """The entries of a table as they are written, largest first."""
    pairs = [(v, round(float(x), digits)) for v, x in zip(column.values, table, strict=True) if v is not OTHER]
    # An entry that says nothing is a line that a reader has to read all the same.
    return sorted(((v, x) for v, x in pairs if x != 0), key=lambda pair: -pair[1])


def _literal(name: str, entries: list[str]) -> list[str]:
    """A dictionary or a set, filled up to the line width."""
    lines, line = [], f"{name} = {{"
    for i, entry in enumerate(entries):
        piece = entry + (", " if i < len(entries) - 1 else "}")
        if len(line) + len(piece.rstrip()) > _WIDTH:
            lines.append(line.rstrip())
            line = "    "
        line += piece
    return [*lines, line.rstrip()]


def sentence_of(fit: Fit, scale: float) -> str:
    """What raises and what lowers the activation most, in words: the first predicate leads, the others qualify."""
    parts = []
    for i, (column, table) in enumerate(zip(fit.columns, fit.tables, strict=True)):
        pairs = [(x, v) for v, x in zip(column.values, table, strict=True) if v is not OTHER]
        # Less where it is absent is more where it is present.
        gains = sorted(((-x, True) if v is False else (x, v) for x, v in pairs), key=_size)
        up = [v for gain, v in gains if gain > 0.05 * scale]
        down = [v for gain, v in gains if gain < -0.05 * scale]
        if up:
            parts.append(("" if i == 0 else "more so ") + column.predicate.phrase.format(_listed(up)))
        if down:
            parts.append("less so " + column.predicate.phrase.format(_listed(down)))
    return "; ".join(parts) or "weakly, with no context that stands out"


def _size(pair: tuple[float, Any]) -> float:
    return -abs(pair[0])


def _listed(values: list[Any]) -> str:
    if values == [True] or values == [False]:
        return ""
    told = _ranges(values) if all(type(v) is int for v in values) else [_shown(v) for v in values]
    return ", ".join(told[:_LISTED]) + (f" and {len(told) - _LISTED} more" if len(told) > _LISTED else "")


def _ranges(numbers: list[int]) -> list[str]:
    """Whole numbers in order, those in a row as one."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in found]


def _shown(value: Any) -> str:
    """A text as code, with what cannot be seen written out; in prose, backticks mark code."""
    return f"`{repr(value)[1:-1]}`" if isinstance(value, str) and value else repr(value)
