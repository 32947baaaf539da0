"""Fitting a rectified sum of tables: activation = max(0, base + TABLE[predicate] + TABLE[predicate] + ...).

A latent of a sparse autoencoder is a rectified linear read-out of the residual stream, and the residual stream is a sum of
what embeddings and attention wrote to it; so the sum of one table per predicate, rectified, is the form of rule that can come
closest to it. Generalised additive models (Hastie & Tibshirani 1986), with backfitting and shrinkage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.induction._columns import Column

Floats = NDArray[np.float64]

#: As many imaginary observations of "no effect" stand behind every entry of a table.
SHRINK = 4.0
_SWEEPS = 10
#: A further predicate has to lower the squared error on the texts set aside by this share of it.
_WORTH = 0.004


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Tables by column, [categories] each, and the base."""

    base: float
    columns: tuple[Column, ...]
    tables: tuple[Floats, ...]

    def raw(self) -> Floats:
        """The sum before rectification, [tokens]."""
        total = np.full(len(self.columns[0].codes), self.base)
        for column, table in zip(self.columns, self.tables, strict=True):
            total += table[column.codes]
        return total


def backfit(
    columns: Sequence[Column],
    y: Floats,
    weight: Floats,
    *,
    start: Fit | None = None,
    sweeps: int = _SWEEPS,
    shrink: float = SHRINK,
) -> Fit:
    """Coordinate descent on the squared error of the rectified sum, one table at a time.

    A token whose sum is below zero and whose activation is zero is right as it is and pulls at nothing.
    """
    base = start.base if start else float(np.average(y, weights=weight))
    tables = [np.zeros(len(c.values)) for c in columns]
    if start is not None:
        for i, table in enumerate(start.tables):
            tables[i] = table.copy()
    total = np.full(len(y), base)
    for column, table in zip(columns, tables, strict=True):
        total += table[column.codes]
    active = y > 0
    # One column of one sweep is a dozen passes over all tokens: without new arrays they take half the time.
    pulls, pulled, live = np.empty(len(y)), np.empty(len(y)), np.empty(len(y), dtype=bool)

    def pull() -> None:
        np.greater(total, 0, out=live)
        np.logical_or(live, active, out=live)
        np.multiply(weight, live, out=pulls)
        np.subtract(y, total, out=pulled)
        np.multiply(pulls, pulled, out=pulled)

    for _ in range(sweeps):
        pull()
        step = float(pulled.sum() / (pulls.sum() + shrink))
        base += step
        total += step
        for column, table in zip(columns, tables, strict=True):
            pull()
            size = len(table)
            wanted = np.bincount(column.codes, weights=pulled, minlength=size) - shrink * table
            change = wanted / (np.bincount(column.codes, weights=pulls, minlength=size) + shrink)
            table += change
            np.take(change, column.codes, out=pulled, mode="clip")
            total += pulled
    return Fit(base, tuple(columns), tuple(tables))


def select(columns: Sequence[Column], y: Floats, aside: NDArray[np.bool_], most: int) -> list[Column]:
    """The predicates worth having, best first: each lowers the error on the texts set aside more than any other would."""
    seen, judged = [_part(c, ~aside) for c in columns], [_part(c, aside) for c in columns]
    y_seen, y_judged, weight = y[~aside], y[aside], np.ones(int((~aside).sum()))
    chosen: list[int] = []
    fit: Fit | None = None
    best = float(((y_judged - y_seen.mean()) ** 2).sum())
    while len(chosen) < most:
        trials: list[tuple[float, int, Fit]] = []
        for i in range(len(columns)):
            if i in chosen:
                continue
            trial = backfit([seen[j] for j in (*chosen, i)], y_seen, weight, start=fit, sweeps=3)
            told = Fit(trial.base, tuple(judged[j] for j in (*chosen, i)), trial.tables)
            trials.append((float(((y_judged - np.maximum(told.raw(), 0)) ** 2).sum()), i, trial))
        if not trials:
            break
        error, i, trial = min(trials, key=lambda t: t[:2])
        if error > best * (1 - _WORTH):
            break
        chosen.append(i)
        fit, best = trial, error
    return [columns[i] for i in chosen]


def _part(column: Column, places: NDArray[np.bool_]) -> Column:
    """The column at some of the tokens, with all its categories."""
    return Column(column.name, column.expression, column.phrase, column.values, column.codes[places])
