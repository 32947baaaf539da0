"""Explanations that exist already, from a record or from elsewhere, put to the test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from autointerp.errors import FeatureError, InputError, ModelError
from autointerp.models import Usage
from autointerp.records import Cost, Explanation, RunRecord, Unscored
from autointerp.scoring import (
    INPUT_SIDE,
    OUTPUT_SIDE,
    Controls,
    Exam,
    Graded,
    Judges,
    established,
    grade,
    mean_over_features,
    metric_names,
    row_space,
    with_random_direction,
)
from autointerp.study._bench import matched_feature
from autointerp.study._card import MeanScore, ReportCard, ReportCards
from autointerp.study._exams import Exams, beside
from autointerp.study._labels import read_labels
from autointerp.study._open import Laboratory
from autointerp.study._progress import Progress, silent
from autointerp.study._study import versions
from autointerp.study._twins import layer_shuffled, untrained

_DEFAULT = ("simulation", "substitution", "intervention_accuracy")
#: With a judge, what words alone can be graded by.
_JUDGED = ("detection", "fuzzing", "simulation_by_llm")


@dataclass(frozen=True, slots=True)
class Claimed:
    """An explanation of a feature, wherever it is from."""

    feature: int
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Submission:
    """What a file holds: explanations, and the model and dictionary that a record says they are about."""

    claimed: tuple[Claimed, ...]
    model: str | None = None
    dictionary: str | None = None


@dataclass(frozen=True, slots=True)
class Stress:
    """Which stress tests to run: all of them, and which other corpus."""

    wanted: bool = False
    corpus: str | None = None


def read_submission(path: Path, form: str | None = None) -> Submission:
    """Read a run record, or labels made elsewhere. Raises InputError for a file that is neither, or of a newer version."""
    record = None if form is not None else _record(path)
    if record is None:
        return Submission(tuple(Claimed(label.feature, label.explanation()) for label in read_labels(path, form)))
    feature = record.feature
    return Submission((Claimed(feature.index, record.explanation),), feature.model, feature.dictionary)


def default_metrics(claimed: Sequence[Claimed], judges: Judges) -> list[str]:
    """The free scores where there is a program, the judged ones where there is a judge, and what the other models allow."""
    names = [*_DEFAULT] if any(c.explanation.predictor or c.explanation.effects for c in claimed) else []
    names += [*_JUDGED] if judges.judge is not None else []
    names += ["embedding"] if judges.embedder is not None else []
    names += ["surprisal"] if judges.reader is not None else []
    return names or ["detection"]


def score_explanations(
    laboratory: Laboratory,
    claimed: Sequence[Claimed],
    *,
    metrics: Sequence[str] | None = None,
    judges: Judges | None = None,
    stress: Stress | None = None,
    progress: Progress = silent,
) -> ReportCards:
    """Grade explanations on the test split, each beside the next one's as its shuffled explanation.

    Raises PluginError for an unknown metric, and FeatureError for a feature that the dictionary does not have, before anything
    is run.
    """
    asked, under = judges or Judges(), stress or Stress()
    names = list(dict.fromkeys(default_metrics(claimed, asked) if metrics is None else metrics))
    known = metric_names()
    for name in names:
        if name not in known:
            raise InputError(f"there is no metric {name!r}: there are {', '.join(known)}")
    for one in claimed:
        laboratory.feature(one.feature)
    exams = Exams(laboratory)
    cards: list[ReportCard] = []
    graded: list[list[Graded]] = []
    for number, one in enumerate(claimed):
        progress("scoring on held-out text", number, len(claimed))
        other = claimed[(number + 1) % len(claimed)] if len(claimed) > 1 else None
        card, found = _one(exams, one, other, names, asked, under)
        cards.append(card)
        graded.append(found)
    means: tuple[MeanScore, ...] = ()
    if len(claimed) > 1:
        columns = zip(names, zip(*graded, strict=True), strict=True)
        means = tuple(MeanScore.of(mean_over_features(n, column, seed=laboratory.seed)) for n, column in columns)
    return ReportCards(cards=tuple(cards), means=means, versions=versions(laboratory))


def _one(
    exams: Exams, one: Claimed, other: Claimed | None, names: list[str], judges: Judges, stress: Stress
) -> tuple[ReportCard, list[Graded]]:
    began, usage = time.monotonic(), exams.laboratory.subject.usage
    before = Usage(usage.forward_passes, usage.tokens)
    under: dict[str, tuple[Graded, ...]] = {}
    try:
        exam, controls = exams.open(one.feature)
    except FeatureError as error:
        graded = [Graded(Unscored(name=name, reason=str(error))) for name in names]
    else:
        controls = _with_other(exams, one, other, controls)
        graded = grade(one.explanation, exam, controls, metrics=names, judges=judges)
        if stress.wanted:
            under = _stressed(exams, one, other, names, judges, stress, exam, controls)
    results = tuple(g.result for g in graded)
    card = ReportCard(
        feature=exams.laboratory.feature(one.feature),
        explanation=one.explanation,
        scores=results,
        stress={name: tuple(g.result for g in found) for name, found in under.items()},
        evidence=tuple(e for g in graded for e in g.evidence),
        established=established(results),
        cost=Cost(
            seconds=time.monotonic() - began,
            forward_passes=usage.forward_passes - before.forward_passes,
            tokens=usage.tokens - before.tokens,
        ),
    )
    return card, graded


def _with_other(exams: Exams, one: Claimed, other: Claimed | None, controls: Controls) -> Controls:
    """The controls with the other explanation; where a program has none to be compared with, one is learned."""
    program = None if other is None else other.explanation.predictor
    if program is None and one.explanation.predictor is not None:
        program = exams.rule_for(matched_feature(exams.laboratory, one.feature))
    return beside(controls, program, None if other is None else other.explanation.fires_on)


def _stressed(
    exams: Exams,
    one: Claimed,
    other: Claimed | None,
    names: list[str],
    judges: Judges,
    stress: Stress,
    exam: Exam,
    controls: Controls,
) -> dict[str, tuple[Graded, ...]]:
    """The scores again under each circumstance that should destroy, or should not change, them."""
    inputs = [name for name in names if name in INPUT_SIDE]
    outputs = [name for name in names if name in (*OUTPUT_SIDE, "substitution")]
    found: dict[str, tuple[Graded, ...]] = {}

    def again(name: str, where: Exam, metrics: list[str], explanation: Explanation = one.explanation) -> None:
        if metrics:
            found[name] = tuple(grade(explanation, where, controls, metrics=metrics, judges=judges))

    shuffled = (
        other.explanation
        if other
        else one.explanation.model_copy(
            update={"predictor": controls.shuffled, "fires_on": "", "promotes": "", "summary": "", "effects": ()}
        )
    )
    again("shuffled explanation", exam, names, shuffled)
    again("random direction", with_random_direction(exam), outputs)
    seed = exams.laboratory.seed
    for name, make in (("untrained twin", untrained), ("layer-shuffled twin", layer_shuffled)):
        try:
            twin = exams.in_twin(exam, controls, make(exam.subject, seed=seed)) if inputs else None
        except ModelError as error:
            found[name] = tuple(Graded(Unscored(name=metric, reason=str(error))) for metric in inputs)
        else:
            if twin is not None:
                again(name, twin, inputs)
    if stress.corpus is not None:
        again(f"other corpus: {stress.corpus}", exams.on_corpus(exam, controls, stress.corpus), names)
    found["row space"] = (row_space(exam),)
    return found


def _record(path: Path) -> RunRecord | None:
    """A run record; None for a file that is none. Raises InputError for a record that cannot be read by this version."""
    if not path.is_file() or path.suffix.lower() != ".json":
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}): give a whole file in UTF-8") from error
    if '"explanation"' not in text or '"format"' not in text:
        return None
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is no record that this version reads ({place}: {first['msg']}): make it again with autointerp explain"
        ) from error
