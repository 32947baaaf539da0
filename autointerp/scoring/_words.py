"""The parts of an explanation that are words, and the texts of an exam that judges are shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autointerp.records import Explanation
from autointerp.scoring._exam import Exam

#: Said where there are no words to judge by.
SILENT = "the explanation says nothing in words"


def about_input(explanation: Explanation) -> str:
    """What it says of where the feature fires; empty where it says nothing."""
    return _said(explanation.fires_on) or _said(explanation.summary)


def about_output(explanation: Explanation) -> str:
    """What it says of what the feature promotes; empty where it says nothing."""
    return _said(explanation.promotes)


def balanced(exam: Exam) -> NDArray[np.int64]:
    """Texts of the exam, as many that activate the feature as that do not, each kind spread over all of its kind."""
    count = min(exam.active, len(exam.ids) - exam.active)
    if not count:
        return np.zeros(0, dtype=np.int64)
    sides = (np.arange(exam.active), np.arange(exam.active, len(exam.ids)))
    spread = [side[np.linspace(0, len(side) - 1, count).round().astype(np.int64)] for side in sides]
    return np.concatenate(spread).astype(np.int64)


def _said(text: str) -> str:
    return text.strip() if any(character.isalnum() for character in text) else ""
