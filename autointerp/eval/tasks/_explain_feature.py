"""Explain a feature whose truth is known: a planted latent among those of an ordinary dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from autointerp.eval._answers import Answer, FeatureAnswer
from autointerp.eval._protocol import Grade, Question
from autointerp.eval.organisms.planted import PlantedLatent
from autointerp.eval.tasks._features import World, against, exact, guess, worlds

#: From which score on an explanation counts as right.
ENOUGH = 0.8
#: Of one feature of every kind, so many latents are planted at least.
_EACH, _NULLS = 14, 2
NAME = "explain_feature"


@dataclass(frozen=True, eq=False)
class FeatureProblem:
    """One planted latent: the score is the agreement with its function, or with its effect where it has no function."""

    world: World
    latent: PlantedLatent

    @property
    def name(self) -> str:
        """See Problem."""
        return self.world.name(self.latent.index)

    @property
    def kind(self) -> str:
        """See Problem."""
        return self.latent.kind

    def write(self, folder: Path) -> Question:
        """See Problem."""
        self.world.link(folder)
        return self.world.question(NAME, self.latent.index)

    def truth(self) -> FeatureAnswer:
        """See Problem."""
        return exact(self.world, self.latent)

    def guess(self, seed: int) -> FeatureAnswer:
        """See Problem."""
        return guess(self.world, seed)

    def grade(self, answer: Answer) -> Grade:
        """See Problem."""
        assert isinstance(answer, FeatureAnswer)
        if answer.verdict == "nothing":
            return Grade(score=0.0, success=False, confidence=answer.confidence)
        parts, failure = against(self.world, self.latent, answer)
        score = parts.get("agreement", parts["output"])
        return Grade(score=score, success=score >= ENOUGH, parts=parts, confidence=answer.confidence, failure=failure)


class ExplainFeature:
    """See Task."""

    name = NAME
    summary = "What does a feature respond to, and what does it do? Planted latents of every kind."
    answer: type[Answer] = FeatureAnswer
    chance = 0.05

    def problems(self, seed: int, count: int) -> Sequence[FeatureProblem]:
        """See Task."""
        made = worlds(seed, count, _NULLS, _EACH)
        return list(islice((FeatureProblem(world, latent) for world in made for latent in world.features()), count))
