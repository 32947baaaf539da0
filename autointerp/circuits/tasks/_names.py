"""Repeated names: an attribute is given the argument of the same name."""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair, text_pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import names
from autointerp.models import Subject


def _draw(subject: Subject, source: random.Random) -> Pair:
    """`self.value =` is followed by ` value`; the counterfactual has another attribute there."""
    first, second = source.sample(names(subject), 2)
    head = f"    def __init__(self, {first}, {second}):\n        self."
    return text_pair(subject, f"{head}{first} =", f"{head}{second} =", f" {first}", f" {second}")


NAMES = Generator("names", "which argument an attribute is given", _draw)
