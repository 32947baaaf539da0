"""Whole dictionaries: a cascade of stages from free to dear, each feature stopping at the first that suffices.

This room decides which stage a feature gets, and keeps what came of it: one row a feature, durable, exportable. It does not
know how a stage explains anything, nor how a score is computed.
"""

from __future__ import annotations

from autointerp.labelling._cascade import ENOUGH, MOST_FAILURES, Cascade
from autointerp.labelling._effects import WithEffects
from autointerp.labelling._export import FORMATS, export
from autointerp.labelling._features import parse_features
from autointerp.labelling._gathered import Gathered
from autointerp.labelling._label import Attempt, Label, Settled
from autointerp.labelling._open import about_of, open_workers
from autointerp.labelling._stage import Rules, Stage
from autointerp.labelling._store import LabelStore
from autointerp.labelling._strategies import Asking
from autointerp.labelling._summary import Summary, summarise
from autointerp.labelling._table import page_of, write_table
from autointerp.labelling._workers import WorkError, Workers

__all__ = [
    "ENOUGH",
    "FORMATS",
    "MOST_FAILURES",
    "Asking",
    "Attempt",
    "Cascade",
    "Gathered",
    "Label",
    "LabelStore",
    "Rules",
    "Settled",
    "Stage",
    "Summary",
    "WithEffects",
    "WorkError",
    "Workers",
    "about_of",
    "export",
    "open_workers",
    "page_of",
    "parse_features",
    "summarise",
    "write_table",
]
