"""A head that computes an `Attend` variable."""

from __future__ import annotations

import numpy as np

from autointerp.eval.organisms.rasp._causal import Attend, Clause
from autointerp.eval.organisms.rasp._layout import BOS_DIRECTION, Layout
from autointerp.eval.organisms.rasp._weights import Floats, Head


def compile_head(layout: Layout, variable: Attend, sharpness: float) -> Head:
    """Write the head of a variable, as narrow as its values and clauses allow.

    A key scores `sharpness` per clause that holds. BOS scores half a clause less than a key for which all hold: it is attended
    to where there is no such key, and then hands out the default. For a share it scores as much as such a key, so that what BOS
    keeps tells how many there are. On BOS itself every clause reads zero, so that BOS attends to BOS.
    """
    q, k = _scores(layout, variable, sharpness)
    v, o = _values(layout, variable)
    width = max(len(q), len(v))
    bias = np.zeros(len(q))
    met = len(variable.clauses) - (0.0 if variable.source is None else 0.5)
    bias[-1] = sharpness * met
    # The model divides scores by the root of the head's width.
    scale = width**0.5
    zeros = np.zeros(width)
    return Head(
        q=_padded(q * scale, width),
        q_bias=np.pad(bias * scale, (0, width - len(bias))),
        k=_padded(k, width),
        k_bias=zeros,
        v=_padded(v, width),
        v_bias=zeros,
        o=_padded(o.T, width).T,
    )


def head_width(layout: Layout, variable: Attend) -> int:
    """The width of a variable's head; known even where the head itself cannot be written."""
    start, stop = layout.directions[variable.name]
    return max(1 + sum(len(_factors(clause)[0]) for clause in variable.clauses), stop - start)


def widened(head: Head, width: int) -> Head:
    """The same head with more coordinates, all of them unused but for the scale of its scores."""
    narrow = len(head.q)
    scale = (width / narrow) ** 0.5

    def pad(x: Floats) -> Floats:
        return np.pad(x, (0, width - narrow))

    return Head(
        q=_padded(head.q * scale, width),
        q_bias=pad(head.q_bias * scale),
        k=_padded(head.k, width),
        k_bias=pad(head.k_bias),
        v=_padded(head.v, width),
        v_bias=pad(head.v_bias),
        o=_padded(head.o.T, width).T,
    )


def _scores(layout: Layout, variable: Attend, sharpness: float) -> tuple[Floats, Floats]:
    queries, keys = [], []
    for clause in variable.clauses:
        of_query, of_key = _factors(clause)
        queries.append(sharpness * of_query @ layout.read(layout.model[clause.queries]))
        keys.append(of_key @ layout.read(layout.model[clause.keys]))
    bos = np.zeros((1, layout.width))
    bos[0, BOS_DIRECTION] = 1.0
    return np.concatenate([*queries, np.zeros_like(bos)]), np.concatenate([*keys, bos])


def _factors(clause: Clause) -> tuple[Floats, Floats]:
    """The table as a product of few 0/1 rows: [rank, queries] and [rank, keys].

    Queries that select the same keys share a row, or keys that are selected by the same queries, whichever leaves fewer.
    """
    table = np.array(clause.table, dtype=float)
    by_query, by_key = _classes(table), _classes(table.T)
    if len(by_query[0]) <= len(by_key[0]):
        return by_query
    return by_key[1], by_key[0]


def _classes(table: Floats) -> tuple[Floats, Floats]:
    patterns = [row for row in dict.fromkeys(map(tuple, table.tolist())) if any(row)]
    members = np.array([[float(tuple(row) == pattern) for row in table.tolist()] for pattern in patterns])
    return members.reshape(len(patterns), len(table)), np.array(patterns).reshape(len(patterns), table.shape[1])


def _values(layout: Layout, variable: Attend) -> tuple[Floats, Floats]:
    """What the head reads at a key, [values or 1, width], and what it writes for it, [width, values or 1]."""
    start, stop = layout.directions[variable.name]
    out = np.zeros((layout.width, stop - start))
    out[start:stop] = np.eye(stop - start)
    reading = np.zeros((stop - start, layout.width))
    if variable.source is None:
        reading[0, BOS_DIRECTION] = 1.0
        return reading, out
    # The values of the source come first among the head's own; the default may be one more.
    source = layout.read(layout.model[variable.source])
    reading[: len(source)] = source
    reading[:, BOS_DIRECTION] += layout.write(variable)[variable.default, start:stop]
    return reading, out


def _padded(rows: Floats, count: int) -> Floats:
    return np.pad(rows, ((0, count - len(rows)), (0, 0)))
