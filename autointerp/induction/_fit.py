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
    for _ in range(sweeps):
        pulls = weight * ((total > 0) | (y > 0))
        step = float((pulls * (y - total)).sum() / (pulls.sum() + shrink))
        base, total = base + step, total + step
        for column, table in zip(columns, tables, strict=True):
            pulls = weight * ((total > 0) | (y > 0))
            size = len(table)
            pull = np.bincount(column.codes, weights=pulls * (y - total), minlength=size) - shrink * table
            change = pull / (np.bincount(column.codes, weights=pulls, minlength=size) + shrink)
            table += change
            total += change[column.codes]
    return Fit(base, tuple(columns), tuple(tables))


def select(columns: Sequence[Column], y: Floats, aside: NDArray[np.bool_], most: int) -> list[Column]:
    """The predicates worth having, best first: each lowers the error on the texts set aside more than any other would."""
    weight = (~aside).astype(np.float64)
    chosen: list[Column] = []
    fit: Fit | None = None
    best = float(((y - np.average(y, weights=weight)) ** 2)[aside].sum())
    while len(chosen) < most:
        trials: list[tuple[float, int, Column, Fit]] = []
        for column in columns:
            if column in chosen:
                continue
            trial = backfit([*chosen, column], y, weight, start=fit, sweeps=3)
            trials.append((float(((y - np.maximum(trial.raw(), 0)) ** 2)[aside].sum()), len(trials), column, trial))
        if not trials:
            break
        error, _, column, trial = min(trials, key=lambda t: t[:2])
        if error > best * (1 - _WORTH):
            break
        chosen.append(column)
        fit, best = trial, error
    return chosen
