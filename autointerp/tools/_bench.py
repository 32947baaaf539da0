"""The bench that a scientist works at: a model, a dictionary, one feature of it, and text to look at."""

from __future__ import annotations

from dataclasses import dataclass

from autointerp.activations import TrainView
from autointerp.dictionaries import Dictionary
from autointerp.models import Subject
from autointerp.records import FeatureRef, FeatureStats


@dataclass(frozen=True, slots=True, eq=False)
class Workbench:
    """Everything a tool needs. It holds the train split by type: there is no way from here to another."""

    subject: Subject
    dictionary: Dictionary
    feature: FeatureRef
    stats: FeatureStats
    train: TrainView
    seed: int
