"""One feature of the tiny model, from the bench to the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from autointerp.activations import SplitView
from autointerp.agents import Gate, Report, RuleScientist
from autointerp.errors import FeatureError, PluginError
from autointerp.programs import Predictor
from autointerp.records import Explanation, Program, RunRecord, Score, Unscored, Verdict
from autointerp.study import Laboratory, explain, grade_report, matched_feature, study_feature
from autointerp.tools import Workbench
from tests.scoring.known import DEAD, DOUBLE, RARE, SINGLE
from tests.scoring.made import explanation_of

FEATURE = 40


def timeless(record: RunRecord) -> RunRecord:
    return record.model_copy(update={"cost": record.cost.model_copy(update={"seconds": 0.0})})


@pytest.fixture(scope="module")
def record(laboratory: Laboratory) -> RunRecord:
    return study_feature(laboratory, FEATURE)


def test_a_record_is_whole(record: RunRecord, laboratory: Laboratory) -> None:
    assert record.feature == laboratory.feature(FEATURE)
    assert record.stats.active == laboratory.index.active[FEATURE]
    assert record.explanation.predictor is not None
    assert record.explanation.verdict in (Verdict.EXPLAINED, Verdict.UNINTERPRETABLE)
    assert [s.name for s in record.scores] == ["intervention_accuracy", "simulation", "substitution"]
    for score in record.scores:
        assert isinstance(score, Score)
        assert score.ci[0] <= score.value <= score.ci[1]
        assert score.control
    assert {e.split for e in record.evidence} == {"refine", "test"}
    assert len([e for e in record.evidence if e.split == "test"]) == len(record.explanation.effects)
    assert record.cost.seconds > 0
    assert record.cost.forward_passes > 0
    assert record.cost.tokens > 0
    assert record.cost.dollars == 0
    assert all(str(value) for value in record.versions.model_dump().values())
    assert record.versions.seed == laboratory.seed
    assert record.versions.index == laboratory.index.meta.key


def test_a_record_survives_json(record: RunRecord) -> None:
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


def test_the_same_seed_gives_the_same_record(record: RunRecord, laboratory: Laboratory) -> None:
    assert timeless(study_feature(laboratory, FEATURE)) == timeless(record)


def test_another_seed_gives_other_samples(record: RunRecord, laboratory: Laboratory) -> None:
    other = study_feature(replace(laboratory, seed=1), FEATURE)
    assert other.versions.seed == 1
    assert [e.tokens for e in other.examples] != [e.tokens for e in record.examples]


def test_examples_are_of_the_train_split_and_say_what_the_program_predicts(
    record: RunRecord, laboratory: Laboratory
) -> None:
    train = laboratory.index.train
    places = {train.where(i) for i in range(train.passages)}
    assert record.examples
    assert {(e.document, e.line) for e in record.examples} <= places
    program = record.explanation.predictor
    assert program is not None
    with Predictor() as predictor:
        for example in record.examples:
            (predicted,) = predictor(program, [example.tokens])
            assert example.predicted == pytest.approx([max(0.0, value) for value in predicted])
    maxima = [max(e.activations) for e in record.examples]
    top = [m for m, e in zip(maxima, record.examples, strict=True) if e.quantile == "top"]
    assert top == sorted(top, reverse=True)
    assert top[0] == pytest.approx(max(maxima))
    for maximum, example in zip(maxima, record.examples, strict=True):
        assert (maximum == 0) == (example.quantile == "near miss")


def test_activations_of_examples_are_those_of_the_index(record: RunRecord, laboratory: Laboratory) -> None:
    train = laboratory.index.train
    rows = {train.where(i): i for i in range(train.passages)}
    windows = train.windows(FEATURE)
    dense = windows.dense(train.length)
    compared = 0
    for example in record.examples:
        row = rows[example.document, example.line]
        if row < windows.passages:
            np.testing.assert_allclose(
                dense[row, 1 : 1 + len(example.tokens)], example.activations, rtol=2**-11, atol=1e-4
            )
            compared += 1
    assert compared > 3


@pytest.mark.parametrize("feature", [DEAD, RARE])
def test_too_little_to_learn_from_gives_a_record_too(known: Laboratory, feature: int) -> None:
    record = study_feature(known, feature)
    assert record.explanation.verdict is Verdict.INSUFFICIENT_EVIDENCE
    assert all(isinstance(score, Unscored) for score in record.scores)
    assert record.scores
    assert len(record.examples) == 0 if feature == DEAD else len(record.examples) > 0
    assert all(example.predicted is None for example in record.examples)
    assert RunRecord.model_validate_json(record.model_dump_json()) == record


def test_a_feature_that_is_known_scores_near_one(known: Laboratory) -> None:
    scores = {s.name: s for s in study_feature(known, SINGLE).scores}
    for name in ("simulation", "substitution"):
        score = scores[name]
        assert isinstance(score, Score)
        assert score.value > 0.95
        assert max(score.control.values()) < score.value + 1e-6
    simulation = scores["simulation"]
    assert isinstance(simulation, Score)
    assert simulation.control["token_table"] > 0.95  # a feature of one token is all that a table can know
    assert simulation.control["matched_random_feature"] < 0.3
    assert simulation.control["shuffled_explanation"] < 0.3


def test_an_unknown_feature_says_the_range(laboratory: Laboratory) -> None:
    with pytest.raises(FeatureError, match=f"no feature 64: give a number from 0 to {laboratory.dictionary.size - 1}"):
        study_feature(laboratory, 64)


def test_an_unknown_scientist_lists_the_valid_ones(laboratory: Laboratory) -> None:
    with pytest.raises(PluginError, match=r"'nobody': there are .*offline"):
        study_feature(laboratory, FEATURE, scientist="nobody")


class Asking:
    """A scientist who learns nothing and asks the gate about programs."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = programs
        self.answers: list[float | None] = []

    def explain(self, bench: Workbench, gate: Gate) -> Report:
        self.answers = [gate(program) for program in self.programs]
        return Report(explanation_of(None))


def asked(laboratory: Laboratory, *programs: Program) -> list[float | None]:
    scientist = Asking(programs)
    with Predictor() as predictor:
        explain(laboratory, laboratory.feature(DOUBLE), scientist, predictor)
    return scientist.answers


def recalling(laboratory: Laboratory, *views: SplitView) -> Program:
    """Knows the activations of DOUBLE in these splits by heart, and says nothing elsewhere."""
    strings, values = laboratory.subject.strings, laboratory.dictionary._values[:, DOUBLE].tolist()
    known: dict[str, list[float]] = {}
    for view in views:
        for ids, length in zip(view.tokens.tolist(), view.lengths.tolist(), strict=True):
            if any(values[i] for i in ids[1:length]):
                known["".join(strings[i] for i in ids[1:length])] = [values[i] for i in ids[1:length]]
    source = (
        f"KNOWN = {known!r}\n\ndef predict(tokens):\n    return KNOWN.get(''.join(tokens), [0.0 for t in tokens])\n"
    )
    return Program(source=source)


def test_the_gate_reads_refine_and_nothing_else(known: Laboratory) -> None:
    index = known.index
    refine = recalling(known, index.refine)
    others = recalling(known, index.train, index.test)
    right, wrong = asked(known, refine, others)
    assert right == pytest.approx(1.0, abs=1e-6)
    assert wrong is None


def test_scores_are_of_the_test_split_and_nothing_else(known: Laboratory) -> None:
    index = known.index
    with Predictor() as predictor:
        bench, _ = explain(known, known.feature(DOUBLE), Asking([]), predictor)

    def simulated(*views: SplitView) -> Score | Unscored:
        report = Report(explanation_of(recalling(known, *views)))
        return grade_report(known, bench, report, SINGLE, None, metrics=["simulation"])[0].result

    by_heart = simulated(index.test)
    assert isinstance(by_heart, Score)
    assert by_heart.value == pytest.approx(1.0, abs=1e-6)
    assert isinstance(simulated(index.train, index.refine), Unscored)


def test_the_gate_answers_the_same_each_time(known: Laboratory) -> None:
    program = Program(source="def predict(tokens):\n    return [1.0 * len(t) for t in tokens]\n")
    first, second = asked(known, program, program)
    assert first is not None
    assert first == second
    assert abs(first) < 0.9


@pytest.mark.parametrize(
    "body", ["[0.0 for t in tokens]", "[1 / 0 for t in tokens]", "[]", "[1e300 * len(t) for t in tokens]", "None"]
)
def test_the_gate_has_no_number_for_what_predicts_nothing(known: Laboratory, body: str) -> None:
    assert asked(known, Program(source=f"def predict(tokens):\n    return {body}\n")) == [None]


def test_the_matched_feature_is_live_alike_and_another(laboratory: Laboratory) -> None:
    active = laboratory.index.active
    for feature in (0, 13, 40, 62):
        matched = matched_feature(laboratory, feature)
        assert matched != feature
        assert active[matched] > 0
        assert matched == matched_feature(laboratory, feature)
        distance = np.abs(np.log(np.maximum(active, 1)) - np.log(active[feature]))
        distance[[feature, *np.flatnonzero(active == 0)]] = np.inf
        assert (distance < distance[matched]).sum() < 20
    assert len({matched_feature(replace(laboratory, seed=seed), 40) for seed in range(10)}) > 1


def test_the_matched_feature_is_live_even_where_few_are(known: Laboratory) -> None:
    # Fewer than twenty features are live here, and one is dead.
    found = {matched_feature(replace(known, seed=seed), SINGLE) for seed in range(60)}
    assert found == set(range(known.dictionary.size)) - {SINGLE, DEAD}


def test_a_program_that_fails_is_told_and_the_rest_is_kept(known: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = explanation_of(Program(source="def predict(tokens):\n    return [1 / 0 for t in tokens]\n"))

    class Careless:
        def explain(self, bench: Workbench, gate: Gate) -> Report:
            effects = RuleScientist().explain(bench, gate).explanation.effects
            return Report(broken.model_copy(update={"effects": effects}))

        def predictor(self, bench: Workbench) -> Program | None:
            return broken.predictor

    monkeypatch.setattr("autointerp.study._study.load_one", lambda group, name: Careless)
    record = study_feature(known, SINGLE)
    accuracy, simulation, substitution = record.scores
    assert isinstance(accuracy, Score)
    for score in (simulation, substitution):
        assert isinstance(score, Unscored)
        assert score.reason.startswith("the program failed: ZeroDivisionError")
    assert record.examples
    assert all(example.predicted is None for example in record.examples)


def test_grading_can_be_asked_for_by_name(known: Laboratory) -> None:
    with Predictor() as predictor:
        bench, report = explain(known, known.feature(SINGLE), RuleScientist(), predictor)
    graded = grade_report(known, bench, report, DOUBLE, None, metrics=["substitution"])
    assert [g.result.name for g in graded] == ["substitution"]
    assert isinstance(report.explanation, Explanation)
