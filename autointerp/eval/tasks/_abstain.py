"""Know when there is nothing to explain: latents that mean nothing, among as many that do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from autointerp.eval._answers import Answer, FeatureAnswer
from autointerp.eval._protocol import Grade, Question
from autointerp.eval.organisms.planted import PlantedLatent
from autointerp.eval.tasks import _explain_feature
from autointerp.eval.tasks._features import World, exact, guess, worlds

#: Three kinds of null, so many of each in a world, and as many planted latents beside them.
_NULLS = 2
_EACH = 2 * 3 * _NULLS
#: Worlds of this task are not those of the other one, though the questions are worded alike.
_APART = 500


@dataclass(frozen=True, eq=False)
class AbstainProblem:
    """A latent that means something, or does not: the verdict alone is graded."""

    world: World
    index: int
    why: str
    latent: PlantedLatent | None

    @property
    def name(self) -> str:
        """See Problem."""
        return self.world.name(self.index)

    @property
    def kind(self) -> str:
        """See Problem."""
        return f"null: {self.why}" if self.latent is None else self.latent.kind

    def write(self, folder: Path) -> Question:
        """See Problem. Nothing tells it from a question about a planted feature."""
        self.world.link(folder)
        return self.world.question(_explain_feature.NAME, self.index)

    def truth(self) -> FeatureAnswer:
        """See Problem."""
        return (
            FeatureAnswer(verdict="nothing", confidence=1.0) if self.latent is None else exact(self.world, self.latent)
        )

    def guess(self, seed: int) -> FeatureAnswer:
        """See Problem."""
        heads = np.random.default_rng(seed).random() < 0.5
        return FeatureAnswer(verdict="nothing") if heads else guess(self.world, seed)

    def grade(self, answer: Answer) -> Grade:
        """See Problem."""
        assert isinstance(answer, FeatureAnswer)
        abstained = answer.verdict == "nothing"
        right = abstained == (self.latent is None)
        false = None if self.latent is not None else not abstained
        return Grade(score=float(right), success=right, false_discovery=false, confidence=answer.confidence)


class Abstain:
    """See Task."""

    name = "abstain"
    summary = "Does a feature mean anything? Noise, dead and shuffled latents, among as many planted ones."
    answer: type[Answer] = FeatureAnswer
    chance = 0.5

    def problems(self, seed: int, count: int) -> Sequence[AbstainProblem]:
        """See Task."""
        return list(islice(self._all(seed, count), count))

    def _all(self, seed: int, count: int) -> Iterator[AbstainProblem]:
        for world in worlds(seed + _APART, count, _NULLS, _EACH):
            for (why, number), latent in zip(world.nulls(), world.features(), strict=False):
                yield AbstainProblem(world, number, why, None)
                yield AbstainProblem(world, latent.index, "", latent)
