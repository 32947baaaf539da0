"""How much of an explanation is true, on text and interventions that its author never saw.

A scorer is given an explanation, an exam and the controls; it does not know how the explanation was made.
"""

from __future__ import annotations

from autointerp.scoring._bootstrap import interval
from autointerp.scoring._exam import Exam, prepare_exam
from autointerp.scoring._protocol import Controls, Graded, Scorer, grade
from autointerp.scoring._simulation import pooled_correlation

__all__ = [
    "Controls",
    "Exam",
    "Graded",
    "Scorer",
    "grade",
    "interval",
    "pooled_correlation",
    "prepare_exam",
]
