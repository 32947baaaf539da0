"""Keeping the entries that matter: a program is read by people, so its tables are short."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from autointerp.induction._columns import Column
from autointerp.induction._fit import SHRINK, Fit, Floats, backfit

#: The value that stands for all categories without an entry of their own.
OTHER = "<other>"
#: A category seen once has no entry: what it did need not happen again.
_FEWEST = 2
#: The share of the variance that an entry has to explain to be worth reading.
_LEAST = 5e-4
#: Of the largest activation: a smaller entry is noise beside it.
_SMALL = 0.01


def prune(fit: Fit, y: Floats, entries: int, shrink: float = SHRINK) -> Fit:
    """The fit with at most `entries` table entries in all, refitted; what is dropped shares one value a column."""
    costs = [_cost_of_dropping(fit, i, y) for i in range(len(fit.columns))]
    seen = np.concatenate([np.bincount(c.codes, minlength=len(c.values)) for c in fit.columns])
    worth = np.where(seen >= _FEWEST, np.concatenate(costs), 0.0)
    keep = np.zeros(len(worth), dtype=bool)
    keep[np.argsort(-worth, kind="stable")[:entries]] = True
    keep &= worth > _LEAST * float(((y - y.mean()) ** 2).sum())
    columns, begin = [], 0
    for column, cost in zip(fit.columns, costs, strict=True):
        kept = np.flatnonzero(keep[begin : begin + len(cost)])
        begin += len(cost)
        if len(kept):
            columns.append(_reduced(column, kept))
    if not columns:
        columns = [_reduced(fit.columns[0], np.array([int(fit.tables[0].argmax())]))]
    told, level, times = _together(columns, y)
    refitted = backfit(told, level, times, sweeps=20, shrink=shrink)
    return _from_other(Fit(refitted.base, tuple(columns), refitted.tables), _SMALL * float(y.max()))


def _together(columns: Sequence[Column], y: Floats) -> tuple[list[Column], Floats, Floats]:
    """The same sample with tokens that nothing tells apart as one, and how many each stands for: a tenth of them or fewer."""
    _, level = np.unique(y, return_inverse=True)
    names = np.zeros(len(y), dtype=np.int64)
    for codes, size in ((level, int(level.max()) + 1), *((c.codes, len(c.values)) for c in columns)):
        names = names * size + codes
    _, first, times = np.unique(names, return_index=True, return_counts=True)
    told = [Column(c.predicate, c.values, c.codes[first]) for c in columns]
    return told, y[first], times.astype(np.float64)


def _from_other(fit: Fit, small: float) -> Fit:
    """The same sum with every entry told as its difference from the column's common value, which goes into the base.

    A difference below `small` is none.
    """
    base, tables = fit.base, []
    for column, table in zip(fit.columns, fit.tables, strict=True):
        common = float(table[column.values.index(OTHER)])
        tables.append(np.where(abs(table - common) < small, 0.0, table - common))
        base += common
    return Fit(base, fit.columns, tuple(tables))


def _cost_of_dropping(fit: Fit, which: int, y: Floats) -> Floats:
    """By how much the squared error grows where a category takes the column's common value instead of its own."""
    column, table, total = fit.columns[which], fit.tables[which], fit.raw()
    live = (total > 0) | (y > 0)
    common = float(np.average(table[column.codes], weights=live)) if live.any() else 0.0
    without = total - table[column.codes] + common
    growth = (y - np.maximum(without, 0)) ** 2 - (y - np.maximum(total, 0)) ** 2
    cost: Floats = np.bincount(column.codes, weights=growth, minlength=len(table)).astype(np.float64)
    return cost


def _reduced(column: Column, kept: NDArray[np.int64]) -> Column:
    """The column with the kept categories, and all others as one."""
    mapping = np.full(len(column.values), len(kept), dtype=np.int64)
    mapping[kept] = np.arange(len(kept))
    values = [*(column.values[i] for i in kept), OTHER]
    return Column(column.predicate, values, mapping[column.codes])
