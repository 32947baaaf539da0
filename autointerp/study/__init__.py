"""One question from start to graded record: open the bench, let a scientist work, have it graded, write down everything."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from autointerp.study._bench import bench_of, like_in_density, matched_feature, open_bench
from autointerp.study._card import ReportCard, ReportCards
from autointerp.study._circuit import CircuitQuestion, study_circuit
from autointerp.study._circuit_graph import circuit_graph
from autointerp.study._exams import Exams, contents, token_tables
from autointerp.study._labels import Label, LabelFormat, read_labels
from autointerp.study._latent_circuit import LatentQuestion, study_latent_circuit
from autointerp.study._open import Laboratory, open_laboratory
from autointerp.study._score import Claimed, Stress, Submission, default_metrics, read_submission, score_explanations
from autointerp.study._study import explain, grade_report, study_feature, versions
from autointerp.study._transfer import read_circuit, transfer_circuit

if TYPE_CHECKING:
    from autointerp.study._ask import Event, explain_events, explain_sync
    from autointerp.study._ask import explain as explain_feature
    from autointerp.study._embed import investigation_graph
    from autointerp.study._gate import refine_texts
    from autointerp.study._investigate import STRATEGIES, Inquiry, investigate_feature
    from autointerp.study._runs import RunFolder, RunSettings
    from autointerp.study._sample import sample_of

__all__ = [
    "STRATEGIES",
    "CircuitQuestion",
    "Claimed",
    "Event",
    "Exams",
    "Inquiry",
    "Label",
    "LabelFormat",
    "Laboratory",
    "LatentQuestion",
    "ReportCard",
    "ReportCards",
    "RunFolder",
    "RunSettings",
    "Stress",
    "Submission",
    "bench_of",
    "circuit_graph",
    "contents",
    "default_metrics",
    "explain",
    "explain_events",
    "explain_feature",
    "explain_sync",
    "grade_report",
    "investigate_feature",
    "investigation_graph",
    "like_in_density",
    "matched_feature",
    "open_bench",
    "open_laboratory",
    "read_circuit",
    "read_labels",
    "read_submission",
    "refine_texts",
    "sample_of",
    "score_explanations",
    "study_circuit",
    "study_feature",
    "study_latent_circuit",
    "token_tables",
    "transfer_circuit",
    "versions",
]

#: What only investigations need, by module and name there: `explain` without options starts without it.
_LATER = {
    "Event": ("_ask", "Event"),
    "Inquiry": ("_investigate", "Inquiry"),
    "RunFolder": ("_runs", "RunFolder"),
    "RunSettings": ("_runs", "RunSettings"),
    "STRATEGIES": ("_investigate", "STRATEGIES"),
    "explain_events": ("_ask", "explain_events"),
    "explain_feature": ("_ask", "explain"),
    "explain_sync": ("_ask", "explain_sync"),
    "investigate_feature": ("_investigate", "investigate_feature"),
    "investigation_graph": ("_embed", "investigation_graph"),
    "refine_texts": ("_gate", "refine_texts"),
    "sample_of": ("_sample", "sample_of"),
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        module, there = _LATER[name]
        return getattr(import_module(f"autointerp.study.{module}"), there)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
