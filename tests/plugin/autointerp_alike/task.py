"""A task about those networks: what do they answer to inputs that nobody has seen?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from autointerp.eval import Answer, Grade, PredictionsAnswer, Question, make_organism
from autointerp.eval.organisms import Organism, save_network

TASK, INPUTS = "predict_alike", 30


@dataclass(frozen=True, eq=False)
class AlikeProblem:
    """One network; the score is the share of tokens that are answered right, and one mistake is one too many."""

    seed: int

    @cached_property
    def organism(self) -> Organism:
        return make_organism("alike/alike", seed=self.seed)

    @cached_property
    def texts(self) -> list[str]:
        return self.organism.sample(INPUTS, seed=self.seed, fresh=True)

    @property
    def name(self) -> str:
        return self.organism.name

    @property
    def kind(self) -> str:
        return "neighbours"

    def write(self, folder: Path) -> Question:
        save_network(folder / "model", self.organism.module, self.organism.tokenizer())
        asks = "Give the network's answer to every token of every input (BOS left out)."
        return Question(
            problem=self.name, task=TASK, asks=asks, model="model", given={"inputs": self.texts, "outputs": ["0", "1"]}
        )

    def truth(self) -> PredictionsAnswer:
        """Worked out from the texts, without the network and without the program it is compiled from."""
        rows = [text.split() for text in self.texts]
        same = [["01"[i > 0 and row[i] == row[i - 1]] for i in range(len(row))] for row in rows]
        return PredictionsAnswer(outputs=tuple(map(tuple, same)), confidence=1.0)

    def guess(self, seed: int) -> PredictionsAnswer:
        random = np.random.default_rng(seed)
        return PredictionsAnswer(outputs=tuple(tuple(random.choice(["0", "1"], len(t.split()))) for t in self.texts))

    def grade(self, answer: Answer) -> Grade:
        assert isinstance(answer, PredictionsAnswer)
        right = [
            place < len(given) and given[place] == token
            for number, true in enumerate(self.truth().outputs)
            for given in [answer.outputs[number] if number < len(answer.outputs) else ()]
            for place, token in enumerate(true)
        ]
        return Grade(score=float(np.mean(right)), success=all(right), confidence=answer.confidence)


class PredictAlike:
    """See `Task`."""

    name = TASK
    summary = "What does a network that compares neighbours answer?"
    answer: type[Answer] = PredictionsAnswer
    chance = 0.5

    def problems(self, seed: int, count: int) -> Sequence[AlikeProblem]:
        return [AlikeProblem(1000 * seed + number) for number in range(count)]
