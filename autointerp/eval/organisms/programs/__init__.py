"""A library of programs, by name, and programs drawn at random."""

from __future__ import annotations

from autointerp.eval.organisms.programs._arithmetic import ARITHMETIC
from autointerp.eval.organisms.programs._copying import COPYING
from autointerp.eval.organisms.programs._counting import COUNTING
from autointerp.eval.organisms.programs._entry import Entry, Inputs
from autointerp.eval.organisms.programs._matching import MATCHING
from autointerp.eval.organisms.programs._ordering import ORDERING
from autointerp.eval.organisms.programs._random import random_program

#: Every program of the library by its name.
LIBRARY: dict[str, Entry] = {
    name: entry
    for family in (COUNTING, ORDERING, MATCHING, COPYING, ARITHMETIC)
    for name, entry in family.entries.items()
}

__all__ = ["LIBRARY", "Entry", "Inputs", "random_program"]
