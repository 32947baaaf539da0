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
    lines: list[str] = []
    terms = [f"{fit.base:.{digits}f}"]
    for column, table in zip(fit.columns, fit.tables, strict=True):
        pairs = entries_of(column, table, digits)
        if not pairs:
            continue
        lines += _table(column.name, [f"{v!r}: {x:.{digits}f}" for v, x in pairs])
        terms.append(f"{column.name}.get({column.expression}, 0)")
    body = " + ".join(terms)
    lines += ["", "", "def predict(tokens):"] if lines else ["def predict(tokens):"]
    if len(body) + len("    return [max(0.0, ) for t in read(tokens)]") <= _WIDTH:
        lines.append(f"    return [max(0.0, {body}) for t in read(tokens)]")
    else:
        lines += ["    return [", "        max(0.0, " + terms[0]]
        lines += [f"            + {term}" for term in terms[1:]]
        lines[-1] += ")"
        lines += ["        for t in read(tokens)", "    ]"]
    return Program(source="\n".join(lines) + "\n")


def digits_of(scale: float) -> int:
    """Decimals that tell two hundredths of `scale` apart."""
    return max(0, int(np.ceil(-np.log10(scale / 200)))) if scale > 0 else 2


def entries_of(column: Column, table: Floats, digits: int) -> list[tuple[Any, float]]:
    """The entries of a table as they are written, largest first."""
    pairs = [(v, round(float(x), digits)) for v, x in zip(column.values, table, strict=True) if v is not OTHER]
    # An entry that says nothing is a line that a reader has to read all the same.
    return sorted(((v, x) for v, x in pairs if x != 0), key=lambda pair: -pair[1])


def _table(name: str, entries: list[str]) -> list[str]:
    """A dictionary literal, filled up to the line width."""
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
            parts.append(("" if i == 0 else "more so ") + column.phrase.format(_listed(up)))
        if down:
            parts.append("less so " + column.phrase.format(_listed(down)))
    return "; ".join(parts) or "weakly, with no context that stands out"


def _size(pair: tuple[float, Any]) -> float:
    return -abs(pair[0])


def _listed(values: list[Any]) -> str:
    if values == [True] or values == [False]:
        return ""
    shown = ", ".join(_shown(v) for v in values[:_LISTED])
    return shown + (f" and {len(values) - _LISTED} more" if len(values) > _LISTED else "")


def _shown(value: Any) -> str:
    """A text as code, with what cannot be seen written out; in prose, backticks mark code."""
    return f"`{repr(value)[1:-1]}`" if isinstance(value, str) and value else repr(value)
