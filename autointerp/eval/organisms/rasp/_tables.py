"""Hidden units that compute a `Lookup` variable."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from autointerp.eval.organisms.rasp._causal import Lookup
from autointerp.eval.organisms.rasp._language import Encoding
from autointerp.eval.organisms.rasp._layout import BOS_DIRECTION, Layout
from autointerp.eval.organisms.rasp._weights import Floats, Neurons


def compile_lookup(layout: Layout, variable: Lookup) -> Neurons:
    """Write the units of a variable: detectors of its cases if all that it reads is categorical, else steps.

    A step from 0 to 1 is the difference of two rectified units, flat on both sides: small errors in what is read vanish.
    """
    sources = [layout.model[name] for name in variable.sources]
    if any(source.encoding is Encoding.NUMERICAL for source in sources):
        return off_at_bos(_steps(layout, variable))
    return off_at_bos(_detectors(layout, variable))


def _detectors(layout: Layout, variable: Lookup) -> Neurons:
    """One pair of units for each block of the table that has a single result.

    A block is a set of values of the first source and a set of values of the second. The number of its sources that lie in
    their set is read off the stream; the pair rises from 0 to 1 in the middle half between one less than all and all.
    """
    written = layout.write(variable)
    reads = [layout.read(layout.model[name]) for name in variable.sources]
    up, bias, down = [], [], []
    for members, result in _blocks(np.array(variable.table)):
        if not written[result].any():
            continue
        masks = np.concatenate([np.array(chosen, dtype=np.float64) for chosen in members])
        inside = masks @ np.concatenate(reads)
        for edge, sign in ((0.25, 1.0), (0.75, -1.0)):
            up.append(2.0 * inside)
            bias.append(-2.0 * (len(reads) - 1 + edge))
            down.append(sign * written[result])
    return _gathered(layout, up, bias, down)


def _blocks(table: Floats) -> list[tuple[tuple[list[bool], ...], int]]:
    """Pairs of (members of the first source, members of the second) and the result that they all have, few of them."""

    def by_rows(rows: Floats) -> list[tuple[list[bool], list[bool], int]]:
        found = []
        for row in dict.fromkeys(map(tuple, rows.tolist())):
            alike = [tuple(other) == row for other in rows.tolist()]
            found += [(alike, [value == result for value in row], int(result)) for result in dict.fromkeys(row)]
        return found

    if table.shape[1] == 1:
        return [(([value == result for value in table[:, 0]],), int(result)) for result in np.unique(table)]
    rows, columns = by_rows(table), by_rows(table.T)
    if len(rows) <= len(columns):
        return [((first, second), result) for first, second, result in rows]
    return [((first, second), result) for second, first, result in columns]


def _steps(layout: Layout, variable: Lookup) -> Neurons:
    """A unit for the first result, and a step wherever the result changes along the line that the sources are read onto."""
    read, places = _line(layout, variable)
    table = np.array(variable.table).ravel()
    order = np.argsort(places, kind="stable")
    written = layout.write(variable)
    up, bias = [np.zeros(layout.width)], [1.0]
    down = [written[table[order[0]]].copy()]
    for left, right in pairwise(order):
        if table[left] == table[right]:
            continue
        middle, half = (places[left] + places[right]) / 2, (places[right] - places[left]) / 4
        change = written[table[right]] - written[table[left]]
        # A rectified unit grows without end on one side of its edge: on the one where there is less to come.
        rising = places[order[-1]] - middle <= middle - places[order[0]]
        if not rising:
            down[0] += change
        for edge, sign in ((middle - half, 1.0), (middle + half, -1.0)):
            slope = (1.0 if rising else -1.0) / (2 * half)
            up.append(slope * read)
            bias.append(-slope * edge)
            down.append(sign * change)
    return _gathered(layout, up, bias, down)


def _line(layout: Layout, variable: Lookup) -> tuple[Floats, Floats]:
    """A linear function of the stream, and what it gives for each entry of the table, no two alike."""
    reading, places = np.zeros(layout.width), np.zeros(1)
    for name in variable.sources:
        source = layout.model[name]
        numerical = source.encoding is Encoding.NUMERICAL
        numbers = np.array([float(v) for v in source.values] if numerical else range(len(source.values)), dtype=float)
        read = layout.read(source)[0] if numerical else numbers @ layout.read(source)
        # Spaced so that the whole range of what came before fits between two values of this one.
        span = places.max() - places.min()
        gap, finest = _gap(numbers), _gap(places)
        factor = (span + finest) / gap if len(places) > 1 else 1.0
        reading = reading + factor * read
        places = (places[:, None] + factor * numbers[None, :]).ravel()
    return reading, places


def _gap(numbers: Floats) -> float:
    """The least distance between two of the numbers; 1 where there is only one."""
    return float(np.diff(np.sort(numbers)).min()) if len(numbers) > 1 else 1.0


def _gathered(layout: Layout, up: list[Floats], bias: list[float], down: list[Floats]) -> Neurons:
    if not up:
        return Neurons.zeros(0, layout.width)
    return Neurons(np.array(up), np.array(bias), np.array(down).T)


def off_at_bos(units: Neurons) -> Neurons:
    """The same units, pushed below zero on BOS, where everything that they read is zero."""
    up = units.up.copy()
    up[:, BOS_DIRECTION] += -1.0 - units.bias
    return Neurons(up, units.bias, units.down)
