"""What a scientist is given and what it hands in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from autointerp.records import Evidence, Explanation, Program
from autointerp.tools import Workbench

#: The correlation of a program's predictions with the activations of the refine split; None where it cannot be computed.
#: A scientist may ask as often as it likes: the score that counts is taken on other text.
Gate = Callable[[Program], float | None]


@dataclass(frozen=True, slots=True)
class Report:
    """An explanation with the predictions that were checked while it was found."""

    explanation: Explanation
    evidence: tuple[Evidence, ...] = ()


class Scientist(Protocol):
    """Registered in the entry-point group `autointerp.scientists` under its name."""

    def explain(self, bench: Workbench, gate: Gate) -> Report:
        """Investigate the feature of the bench."""
        ...

    def predictor(self, bench: Workbench) -> Program | None:
        """The explanation's program alone: what the shuffled control needs of another feature. None where there is none."""
        ...
