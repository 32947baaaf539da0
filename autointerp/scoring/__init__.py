"""How much of an explanation is true, on text and interventions that its author never saw.

A scorer is given an explanation, an exam and the controls; it does not know how the explanation was made.
"""

from __future__ import annotations

from autointerp.scoring._aggregate import Summary, features_needed, mean_over_features, paired_difference
from autointerp.scoring._bootstrap import Sample, interval
from autointerp.scoring._elsewhere import exam_on, row_space, with_random_direction
from autointerp.scoring._established import INPUT_SIDE, OUTPUT_SIDE, beats, established
from autointerp.scoring._exam import FEWEST, Exam, prepare_exam
from autointerp.scoring._held_out import HeldOut, content, hold_out
from autointerp.scoring._judges import Judge, Judges
from autointerp.scoring._measures import auroc, average_precision, balanced_accuracy, ranks
from autointerp.scoring._protocol import Controls, Graded, Scorer, grade, metric_names
from autointerp.scoring._simulation import pooled_correlation, simulated

__all__ = [
    "FEWEST",
    "INPUT_SIDE",
    "OUTPUT_SIDE",
    "Controls",
    "Exam",
    "Graded",
    "HeldOut",
    "Judge",
    "Judges",
    "Sample",
    "Scorer",
    "Summary",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "beats",
    "content",
    "established",
    "exam_on",
    "features_needed",
    "grade",
    "hold_out",
    "interval",
    "mean_over_features",
    "metric_names",
    "paired_difference",
    "pooled_correlation",
    "prepare_exam",
    "ranks",
    "row_space",
    "simulated",
    "with_random_direction",
]
