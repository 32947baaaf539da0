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
_SWEEPS, _TRIAL, _LONGER = 10, 3, 8
#: A further predicate has to lower the squared error on the texts set aside by this share of it.
_WORTH = 0.004
#: One that was chosen before may go where the error grows by less than this share; predicates that are tried in full.
_IDLE, _FULLY = 0.001, 2


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
    moved = np.empty(len(y))

    def pulling() -> tuple[NDArray[np.int64], Floats, Floats]:
        """Which tokens pull, their weights, and how strongly they do: mostly few, and the rest need not be looked at."""
        at = np.flatnonzero((total > 0) | active)
        pulls = weight[at]
        return at, pulls, pulls * (y[at] - total[at])

    # What is silent pulls at nothing, and is raised above zero now and then: so a sweep can do harm, and the best one counts.
    best: tuple[float, float, list[Floats]] | None = None
    for _ in range(sweeps):
        _, pulls, pulled = pulling()
        step = float(pulled.sum() / (pulls.sum() + shrink))
        base += step
        total += step
        for column, table in zip(columns, tables, strict=True):
            at, pulls, pulled = pulling()
            size, codes = len(table), column.codes[at]
            wanted = np.bincount(codes, weights=pulled, minlength=size) - shrink * table
            change = wanted / (np.bincount(codes, weights=pulls, minlength=size) + shrink)
            table += change
            np.take(change, column.codes, out=moved, mode="clip")
            total += moved
        np.maximum(total, 0, out=moved)
        np.subtract(y, moved, out=moved)
        error = float(np.dot(moved * weight, moved))
        if best is None or error < best[0]:
            best = error, base, [table.copy() for table in tables]
    if best is not None:
        _, base, tables = best
    return Fit(base, tuple(columns), tuple(tables))


def select(columns: Sequence[Column], y: Floats, aside: NDArray[np.bool_], most: int) -> list[Column]:
    """The predicates worth having, best first: each lowers the error on the texts set aside more than any other would.

    One that is worth nothing any more with the others is taken out again.
    """
    seen, judged = [_part(c, ~aside) for c in columns], [_part(c, aside) for c in columns]
    y_seen, y_judged, weight = y[~aside], y[aside], np.ones(int((~aside).sum()))

    def tried(chosen: Sequence[int], start: Fit, sweeps: int = _TRIAL) -> tuple[float, Fit]:
        trial = backfit([seen[j] for j in chosen], y_seen, weight, start=start, sweeps=sweeps)
        told = Fit(trial.base, tuple(judged[j] for j in chosen), trial.tables)
        return float(((y_judged - np.maximum(told.raw(), 0)) ** 2).sum()), trial

    chosen: list[int] = []
    fit = Fit(float(y_seen.mean()), (), ())
    best = float(((y_judged - y_seen.mean()) ** 2).sum())
    while len(chosen) < most:
        promising = _promising(fit, chosen, seen, judged, y_seen, y_judged)
        trials = [(*tried((*chosen, i), fit), i) for i in promising]
        if not trials:
            break
        error, trial, i = min(trials, key=lambda t: (t[0], t[2]))
        if error > best * (1 - _WORTH):
            # What is to hold only where others do needs the base to come down first, which takes longer.
            trials = [(*tried((*chosen, i), trial, _LONGER), i) for _, trial, i in trials]
            error, trial, i = min(trials, key=lambda t: (t[0], t[2]))
        if error > best * (1 - _WORTH):
            break
        chosen.append(i)
        fit, best = trial, error
    for j in list(chosen[:-1]):
        at = chosen.index(j)
        others = [*chosen[:at], *chosen[at + 1 :]]
        error, trial = tried(others, Fit(fit.base, (), (*fit.tables[:at], *fit.tables[at + 1 :])))
        if error <= best * (1 + _IDLE):
            chosen, fit, best = others, trial, error
    return [columns[i] for i in chosen]


def _promising(
    fit: Fit,
    chosen: Sequence[int],
    seen: Sequence[Column],
    judged: Sequence[Column],
    y_seen: Floats,
    y_judged: Floats,
) -> list[int]:
    """The columns to try in full: those that do best on the texts set aside after one step of their table alone.

    Once by the error, and once by that of the tokens that pull: what says where others do not hold raises silent tokens too,
    until they are lowered in turn.
    """
    total, told = np.full(len(y_seen), fit.base), np.full(len(y_judged), fit.base)
    for j, table in zip(chosen, fit.tables, strict=True):
        total += table[seen[j].codes]
        told += table[judged[j].codes]
    at = np.flatnonzero((total > 0) | (y_seen > 0))
    pulled = (y_seen - total)[at]
    live = (told > 0) | (y_judged > 0)
    wanted = np.where(live, y_judged - told, 0.0)
    errors: dict[int, tuple[float, float]] = {}
    for i, column in enumerate(seen):
        if i not in chosen:
            size, codes = len(column.values), column.codes[at]
            step = np.bincount(codes, weights=pulled, minlength=size) / (np.bincount(codes, minlength=size) + SHRINK)
            steps = step[judged[i].codes]
            error = float(((y_judged - np.maximum(told + steps, 0)) ** 2).sum())
            errors[i] = error, float(((wanted - np.where(live, steps, 0.0)) ** 2).sum())
    best = [sorted(errors, key=lambda i: errors[i][which])[:_FULLY] for which in (0, 1)]
    return sorted({i for some in best for i in some})


def _part(column: Column, places: NDArray[np.bool_]) -> Column:
    """The column at some of the tokens, with all its categories."""
    return Column(column.predicate, column.values, column.codes[places])
