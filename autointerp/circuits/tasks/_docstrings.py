"""Docstring arguments: which argument is described next? (Heimersheim & Janiak, 2023)"""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair, text_pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import names
from autointerp.models import Subject


def _draw(subject: Subject, source: random.Random) -> Pair:
    """After `:param` of the first argument comes that of the second; the counterfactual's signature has another second."""
    first, second, third, other, about = source.sample(names(subject), 5)

    def text(middle: str) -> str:
        lines = (
            f"def run({first}, {middle}, {third}):",
            f'    """The {about}.',
            "",
            f"    :param {first}: the {about}",
        )
        return "\n".join([*lines, "    :param"])

    return text_pair(subject, text(second), text(other), f" {second}", f" {other}")


DOCSTRINGS = Generator("docstrings", "which argument is described next", _draw)
