"""Questions about planted features and about nulls: the truth is right, guessing is not, and nobody can tell them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autointerp.eval._answers import FeatureAnswer
from autointerp.eval._tables import table_program
from autointerp.eval.tasks import _features
from autointerp.eval.tasks._abstain import Abstain, AbstainProblem
from autointerp.eval.tasks._explain_feature import ExplainFeature, FeatureProblem
from autointerp.eval.tasks._features import World
from tests.eval.tasks.validity import SECRETS, graded_exactly

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> World:
    return World.make(3, 2)


@pytest.fixture(scope="module")
def problems(world: World) -> list[FeatureProblem]:
    return [FeatureProblem(world, latent) for latent in world.features()]


def test_truth_and_chance(problems: list[FeatureProblem]) -> None:
    graded_exactly(ExplainFeature(), problems)


def test_the_verdict_on_nulls(world: World) -> None:
    latents = world.features()[: len(world.nulls())]
    nulls = [AbstainProblem(world, number, why, None) for why, number in world.nulls()]
    planted = [AbstainProblem(world, latent.index, "", latent) for latent in latents]
    for problem in [*nulls, *planted]:
        assert problem.grade(problem.truth()).score == 1
    assert {problem.kind for problem in nulls} == {"null: noise", "null: dead", "null: shuffled"}
    claimed = nulls[0].grade(FeatureAnswer(program=table_program({"x": 1.0})))
    assert (claimed.score, claimed.false_discovery) == (0, True)
    missed = planted[0].grade(FeatureAnswer(verdict="nothing"))
    assert (missed.score, missed.false_discovery) == (0, None)
    guesses = [p.grade(p.guess(seed)).score for p in [*nulls, *planted] for seed in range(20)]
    assert abs(np.mean(guesses) - Abstain.chance) < 0.1


def test_nothing_tells_a_null_from_a_feature(
    world: World, problems: list[FeatureProblem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_features, "TEXTS", 200)
    why, number = world.nulls()[0]
    (tmp_path / "null").mkdir()
    null = AbstainProblem(world, number, why, None).write(tmp_path / "null")
    (tmp_path / "planted").mkdir()
    planted = problems[0].write(tmp_path / "planted")
    assert planted.problem == problems[0].name
    # The texts are Python and have all sorts of words; what describes network, dictionary and question tells nothing.
    told = [
        planted.model_dump_json(),
        *(p.read_text("utf-8") for p in (tmp_path / "planted" / "model").rglob("config.json")),
    ]
    told += [path.read_text("utf-8") for path in (tmp_path / "planted").rglob("cfg.json")]
    assert len(told) == 3
    assert not [word for word in ("null", "noise", "token_set", *SECRETS) for text in told if f'"{word}' in text]
    assert null.model_dump(exclude={"problem", "feature"}) == planted.model_dump(exclude={"problem", "feature"})
    names = [sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*")) for n in ("null", "planted")]
    assert names[0] == names[1]


def test_too_wide_and_too_narrow(world: World, problems: list[FeatureProblem]) -> None:
    problem = next(p for p in problems if p.kind == "token_set")
    tokens = sorted(problem.latent.function.marks)  # type: ignore[union-attr]
    true = {t: problem.latent.amounts[problem.latent.function.levels([t])[0]] for t in tokens}  # type: ignore[union-attr]
    assert problem.grade(FeatureAnswer(program=table_program(true))).parts["agreement"] == pytest.approx(1)
    some = dict(list(true.items())[::2])
    narrow = problem.grade(FeatureAnswer(program=table_program(some))).parts
    missing = sum(true[t] for text in world.fresh for t in text if t in true and t not in some)
    assert narrow["too narrow"] == pytest.approx(
        missing / sum(true[t] for text in world.fresh for t in text if t in true)
    )
    assert narrow["too wide"] == 0
    for source, why in [("def predict(tokens):\n    return [1]\n", "the program failed"), (None, "no program")]:
        grade = problem.grade(FeatureAnswer(program=source))
        assert (grade.score, (grade.failure or "").startswith(why)) == (0, True)
