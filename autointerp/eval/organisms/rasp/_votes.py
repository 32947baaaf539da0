"""Hidden units of the variables that look at whether others write anything: votes and standbys."""

from __future__ import annotations

import numpy as np

from autointerp.eval.organisms.rasp._causal import Lookup, Standby, Vote
from autointerp.eval.organisms.rasp._layout import Layout
from autointerp.eval.organisms.rasp._tables import compile_lookup, off_at_bos
from autointerp.eval.organisms.rasp._weights import Floats, Neurons

#: Where a step begins and ends, before the number that it asks for.
_EDGES = ((0.75, 1.0), (0.25, -1.0))


def compile_units(layout: Layout, variable: Lookup | Vote | Standby) -> Neurons:
    """Write the units of a variable that an MLP computes."""
    match variable:
        case Lookup():
            return compile_lookup(layout, variable)
        case Vote():
            read = np.sum([layout.read(layout.model[name]) for name in variable.sources], axis=0)
            return _steps(read, variable.needed, layout.write(variable))
        case Standby():
            reserve, main = (layout.read(layout.model[name]) for name in (variable.reserve, variable.main))
            # One where the reserve holds this value and nothing is written in any of the main one's directions.
            return _steps(reserve - main.sum(axis=0), 1, layout.write(variable))


def _steps(read: Floats, needed: int, written: Floats) -> Neurons:
    """For each value a step from 0 to 1 where its row of `read` comes to `needed`, between 3/4 and 1/4 below."""
    up = np.concatenate([2.0 * read for _ in _EDGES])
    bias = np.concatenate([np.full(len(read), -2.0 * (needed - below)) for below, _ in _EDGES])
    down = np.concatenate([sign * written for _, sign in _EDGES])
    return off_at_bos(Neurons(up, bias, down.T))
