"""One feature: from the bench to the graded record."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from importlib.metadata import version

from autointerp._plugins import load_one
from autointerp._version import __version__
from autointerp.agents import Explainer, Report
from autointerp.models import Usage
from autointerp.programs import Predictor
from autointerp.records import Cost, FeatureRef, Program, RunRecord, Unscored, Versions
from autointerp.scoring import Graded, grade
from autointerp.study._bench import matched_feature, open_bench
from autointerp.study._examples import examples_of
from autointerp.study._exams import Exams, beside
from autointerp.study._open import Laboratory
from autointerp.study._progress import Progress, silent
from autointerp.tools import Workbench

SCIENTISTS = "autointerp.scientists"


def study_feature(
    laboratory: Laboratory, feature: int, *, scientist: str = "offline", progress: Progress = silent
) -> RunRecord:
    """Explain one feature and grade the explanation.

    Raises FeatureError for a number that the dictionary does not have, PluginError for an unknown scientist.
    """
    began, usage = time.monotonic(), laboratory.subject.usage
    before = Usage(usage.forward_passes, usage.tokens)
    chosen: Explainer = load_one(SCIENTISTS, scientist)()
    reference = laboratory.feature(feature)
    with Predictor() as predictor:
        progress("learning when it fires", None, None)
        bench, report = explain(laboratory, reference, chosen, predictor)
        graded: list[Graded] = []
        if report.explanation.predictor is not None:
            progress("scoring on held-out text", None, None)
            matched = matched_feature(laboratory, feature)
            other = chosen.predictor(open_bench(laboratory, laboratory.feature(matched), predictor)[0])
            graded = grade_report(laboratory, bench, report, matched, other)
        else:
            graded = [Graded(Unscored(name="simulation", reason=report.explanation.summary))]
        examples = examples_of(laboratory, bench, report.explanation, predictor)
    return RunRecord(
        feature=reference,
        stats=bench.stats,
        explanation=report.explanation,
        scores=tuple(g.result for g in graded),
        evidence=(*report.evidence, *(e for g in graded for e in g.evidence)),
        examples=examples,
        cost=Cost(
            seconds=time.monotonic() - began,
            forward_passes=usage.forward_passes - before.forward_passes,
            tokens=usage.tokens - before.tokens,
        ),
        versions=versions(laboratory),
    )


def explain(
    laboratory: Laboratory, reference: FeatureRef, scientist: Explainer, predictor: Predictor
) -> tuple[Workbench, Report]:
    """Open the bench of a feature and let a scientist work at it."""
    bench, gate = open_bench(laboratory, reference, predictor)
    return bench, scientist.explain(bench, gate)


def grade_report(
    laboratory: Laboratory,
    bench: Workbench,
    report: Report,
    matched: int,
    shuffled: Program | None,
    metrics: Sequence[str] | None = None,
    exams: Exams | None = None,
) -> list[Graded]:
    """Put an explanation to the test on the test split; `exams` where several features of one laboratory share theirs."""
    exam, controls = (exams or Exams(laboratory)).open(bench.feature.index, matched=matched)
    return grade(report.explanation, exam, beside(controls, shuffled, None), metrics=metrics)


def versions(laboratory: Laboratory) -> Versions:
    """What made this run."""
    return Versions(
        autointerp=__version__,
        python=platform.python_version(),
        torch=version("torch"),
        nnsight=version("nnsight"),
        transformers=version("transformers"),
        model=laboratory.subject.fingerprint,
        dictionary=laboratory.dictionary.fingerprint,
        corpus=laboratory.index.meta.corpus,
        index=laboratory.index.meta.key,
        seed=laboratory.seed,
    )
