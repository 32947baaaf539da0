"""One question from start to graded record: open the bench, let a scientist work, have it graded, write down everything."""

from __future__ import annotations

from autointerp.study._ask import Event, explain_events, explain_sync
from autointerp.study._ask import explain as explain_feature
from autointerp.study._bench import matched_feature
from autointerp.study._card import ReportCard, ReportCards
from autointerp.study._circuit import CircuitQuestion, study_circuit
from autointerp.study._embed import investigation_graph
from autointerp.study._exams import Exams
from autointerp.study._investigate import Inquiry, investigate_feature
from autointerp.study._labels import Label, LabelFormat, read_labels
from autointerp.study._open import Laboratory, open_laboratory
from autointerp.study._runs import RunFolder, RunSettings
from autointerp.study._score import Claimed, Stress, Submission, default_metrics, read_submission, score_explanations
from autointerp.study._study import explain, grade_report, study_feature

__all__ = [
    "CircuitQuestion",
    "Claimed",
    "Event",
    "Exams",
    "Inquiry",
    "Label",
    "LabelFormat",
    "Laboratory",
    "ReportCard",
    "ReportCards",
    "RunFolder",
    "RunSettings",
    "Stress",
    "Submission",
    "default_metrics",
    "explain",
    "explain_events",
    "explain_feature",
    "explain_sync",
    "grade_report",
    "investigate_feature",
    "investigation_graph",
    "matched_feature",
    "open_laboratory",
    "read_labels",
    "read_submission",
    "score_explanations",
    "study_circuit",
    "study_feature",
]
