"""What a rule predicts, from its tables: the same numbers as its program in the sandbox, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autointerp.induction._fit import Fit
from autointerp.induction._predicates import Predicate
from autointerp.induction._write import digits_of, entries_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The sum that a program computes: its base and, by predicate, its tables, rounded as they are written there."""

    base: float
    tables: tuple[tuple[Predicate, Mapping[Any, float]], ...]

    def predict(self, texts: Sequence[Sequence[str]]) -> list[Floats]:
        """One activation per token of each text."""
        ends = np.cumsum([len(text) for text in texts])
        total = np.full(int(ends[-1]) if len(ends) else 0, self.base)
        for predicate, table in self.tables:
            values, codes = predicate.coded(texts)
            total += np.array([table.get(value, 0.0) for value in values])[codes]
        return np.split(np.maximum(total, 0.0), ends[:-1])


def terms_of(fit: Fit, scale: float) -> Terms:
    """The numbers of the program that is written of this fit."""
    digits = digits_of(scale)
    tables = [
        (column.predicate, {v: float(f"{x:.{digits}f}") for v, x in entries_of(column, table, digits)})
        for column, table in zip(fit.columns, fit.tables, strict=True)
    ]
    return Terms(float(f"{fit.base:.{digits}f}"), tuple(tables))
