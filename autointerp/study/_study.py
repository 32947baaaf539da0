"""One feature: from the bench to the graded record."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from autointerp._plugins import load_one
from autointerp._version import __version__
from autointerp.activations import feature_stats
from autointerp.agents import Gate, Report, Scientist
from autointerp.errors import FeatureError
from autointerp.induction import token_means
from autointerp.models import Usage
from autointerp.programs import Predictor
from autointerp.records import Cost, FeatureRef, Program, RunRecord, Unscored, Versions
from autointerp.scoring import Controls, Graded, grade, prepare_exam
from autointerp.study._examples import examples_of
from autointerp.study._gate import open_gate
from autointerp.study._open import Laboratory
from autointerp.study._progress import Progress, silent
from autointerp.tools import Workbench

SCIENTISTS = "autointerp.scientists"
_TOP_TOKENS = 10


def study_feature(
    laboratory: Laboratory, feature: int, *, scientist: str = "offline", progress: Progress = silent
) -> RunRecord:
    """Explain one feature and grade the explanation.

    Raises FeatureError for a number that the dictionary does not have, PluginError for an unknown scientist.
    """
    began, usage = time.monotonic(), laboratory.subject.usage
    before = Usage(usage.forward_passes, usage.tokens)
    chosen: Scientist = load_one(SCIENTISTS, scientist)()
    reference = laboratory.feature(feature)
    with Predictor() as predictor:
        progress("learning when it fires", None, None)
        bench, report = explain(laboratory, reference, chosen, predictor)
        graded: list[Graded] = []
        if report.explanation.predictor is not None:
            progress("scoring on held-out text", None, None)
            matched = matched_feature(laboratory, feature)
            other = chosen.predictor(_open_bench(laboratory, laboratory.feature(matched), predictor)[0])
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
    laboratory: Laboratory, reference: FeatureRef, scientist: Scientist, predictor: Predictor
) -> tuple[Workbench, Report]:
    """Open the bench of a feature and let a scientist work at it."""
    bench, gate = _open_bench(laboratory, reference, predictor)
    return bench, scientist.explain(bench, gate)


def _open_bench(laboratory: Laboratory, reference: FeatureRef, predictor: Predictor) -> tuple[Workbench, Gate]:
    stats = feature_stats(laboratory.subject, laboratory.dictionary, laboratory.index, reference.index)
    bench = Workbench(
        subject=laboratory.subject,
        dictionary=laboratory.dictionary,
        feature=reference,
        stats=stats,
        train=laboratory.index.train,
        seed=laboratory.seed,
    )
    return bench, open_gate(laboratory, reference.index, predictor)


def matched_feature(laboratory: Laboratory, feature: int) -> int:
    """A random feature among the twenty live ones whose density is nearest: the null that scores are compared with.

    Raises FeatureError where no other feature is live.
    """
    active = laboratory.index.active
    distance = np.abs(np.log(np.maximum(active, 1)) - np.log(max(1, int(active[feature]))))
    distance[active == 0] = np.inf
    distance[feature] = np.inf
    near = np.argsort(distance, kind="stable")[: min(20, int(np.isfinite(distance).sum()))]
    if not len(near):
        raise FeatureError(f"{laboratory.dictionary.name} has no live feature beside {feature} to compare it with")
    return int(np.random.default_rng([laboratory.seed, feature]).choice(near))


def grade_report(
    laboratory: Laboratory,
    bench: Workbench,
    report: Report,
    matched: int,
    shuffled: Program | None,
    metrics: Sequence[str] | None = None,
) -> list[Graded]:
    """Put an explanation to the test on the test split."""
    feature = bench.feature.index
    windows = laboratory.index.train.windows(feature)
    table, seen = token_means(
        laboratory.index.train.tokens[: windows.passages],
        laboratory.index.train.lengths[: windows.passages],
        windows.dense(laboratory.index.train.length),
        len(laboratory.subject.strings),
    )
    best = np.argsort(-np.where(seen, table, -1.0), kind="stable")[:_TOP_TOKENS]
    top = np.zeros_like(table)
    top[best] = table[best]
    exam = prepare_exam(
        laboratory.subject,
        laboratory.dictionary,
        feature,
        laboratory.index.test,
        matched=matched,
        near_tokens=best.tolist(),
        seed=laboratory.seed,
    )
    controls = Controls(shuffled=shuffled, token_table=table, top_tokens=top)
    return grade(report.explanation, exam, controls, metrics=metrics)


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
