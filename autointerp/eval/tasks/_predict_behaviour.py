"""Predict what a network does with inputs that nobody has shown it: a program is handed in, and run on fresh ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from autointerp.errors import ProgramError
from autointerp.eval._answers import MOST_SOURCE, Answer, BehaviourAnswer
from autointerp.eval._protocol import Grade, Question
from autointerp.eval._surroundings import Sampled, learned
from autointerp.eval._tables import constant_source
from autointerp.eval.organisms import opaque_name
from autointerp.eval.organisms.rasp import CausalModel
from autointerp.eval.tasks._circuits import UNDEFINED, Circuit, shown, write_kit, write_lines
from autointerp.eval.tasks._sources import source_of
from autointerp.sandbox import Limits, Sandbox

NAME = "predict_behaviour"
#: Fresh inputs that an answer is graded on.
INPUTS = 90
#: From which score on an answer counts as right.
ENOUGH = 0.8
#: What a learner gets right from the samples alone has to leave this much to be understood.
_LEFT = 0.05
#: Of the library, those whose answers depend on more than the neighbours; and as many drawn at random.
PROGRAMS = (
    "induction",
    "sort",
    "inversions",
    "copy-after-bar",
    "median",
    "sort-by-frequency",
    "once-each",
    "running-sum-mod-3",
    "sum-mod-3",
    "after-first-a",
    "parity",
    "running-parity",
    "mode",
    "same-as-mirror",
    "lead",
    "rank",
)
#: Tokens of an input at most: so many inputs there are that nobody can try them all.
_LENGTH = 10
_LIMITS = Limits(seconds=20.0)
_ASKS = (
    "This network answers every token of an input. What it answers to 400 texts is in behaviour.jsonl (BOS left out). Find out"
    " how it works, and hand in as `source` Python with a function `answer(tokens)`: `tokens` is an input as a list of texts"
    " out of `words`, and it returns a list with the network's answer at each token, texts out of `outputs`. It is run in a"
    " sandbox (no imports, no network) on inputs that are not in the file, and compared with what one can learn from the file"
    " alone; so look into the network for what the texts do not show."
)


@dataclass(frozen=True, eq=False)
class BehaviourProblem:
    """A compiled network: the score is the accuracy on fresh inputs, above that of a learner that has the samples alone."""

    circuit: Circuit

    @property
    def name(self) -> str:
        """See Problem."""
        return opaque_name(NAME, self.circuit.organism.name)

    @property
    def kind(self) -> str:
        """See Problem."""
        return self.circuit.program

    def write(self, folder: Path) -> Question:
        """See Problem."""
        write_kit(folder, self.circuit.organism, self.circuit.texts)
        rows = zip(self.circuit.texts, self._sampled.answers, strict=True)
        write_lines(folder / "behaviour.jsonl", [{"text": text, "answers": answers} for text, answers in rows])
        given = {"words": list(self._words), "outputs": self._outputs, "behaviour": "behaviour.jsonl"}
        return Question(problem=self.name, task=NAME, asks=_ASKS, model="model", corpus="texts.jsonl", given=given)

    def truth(self) -> BehaviourAnswer:
        """See Problem."""
        return BehaviourAnswer(source=source_of(self.circuit.organism.circuit.model), confidence=1.0)

    def guess(self, seed: int) -> BehaviourAnswer:
        """See Problem."""
        return BehaviourAnswer(source=constant_source(self._outputs, seed))

    def grade(self, answer: Answer) -> Grade:
        """See Problem. Success: at least 0.8 of what the samples leave open."""
        assert isinstance(answer, BehaviourAnswer)
        parts = {"samples alone": self.baseline}
        if answer.source is None:
            return Grade(score=0.0, success=False, parts=parts, confidence=answer.confidence)
        try:
            given = answers_of(answer.source, [text.split() for text in self._fresh])
        except ProgramError as error:
            failure = f"the program failed: {error}"
            return Grade(score=0.0, success=False, parts=parts, confidence=answer.confidence, failure=failure)
        accuracy = _agreement([one for row in given for one in row], self._truths)
        score = max(0.0, (accuracy - self.baseline) / (1 - self.baseline))
        parts["accuracy"] = accuracy
        return Grade(score=score, success=score >= ENOUGH, parts=parts, confidence=answer.confidence)

    @property
    def sound(self) -> bool:
        """Whether there are enough fresh inputs, and the samples leave something open."""
        return len(self._fresh) == INPUTS and self.baseline <= 1 - _LEFT

    @cached_property
    def baseline(self) -> float:
        """The accuracy on the fresh inputs of what is learned from the samples."""
        return _agreement(learned(self._sampled, [text.split() for text in self._fresh]), self._truths)

    @cached_property
    def _sampled(self) -> Sampled:
        texts = self.circuit.texts
        return Sampled(self._words, [text.split() for text in texts], self._answers(texts))

    @cached_property
    def _fresh(self) -> list[str]:
        """Fresh inputs, none of them twice, where there are as many."""
        drawn = self.circuit.organism.sample(10 * INPUTS, seed=self.circuit.seed, fresh=True)
        return list(dict.fromkeys(drawn))[:INPUTS]

    @cached_property
    def _truths(self) -> list[str]:
        return [one for row in self._answers(self._fresh) for one in row]

    @property
    def _words(self) -> tuple[str, ...]:
        return tuple(map(str, self._model.vocabulary))

    @property
    def _outputs(self) -> list[str]:
        return sorted({str(value) for value in self._model[self._model.output].values})

    @property
    def _model(self) -> CausalModel:
        return self.circuit.organism.circuit.model

    def _answers(self, texts: Sequence[str]) -> list[list[str]]:
        return shown(
            self._model[self._model.output], self._model.solve(self.circuit.indices(texts))[self._model.output]
        )


class PredictBehaviour:
    """See Task."""

    name = NAME
    summary = "What does a network do with inputs it was not seen on? A program, against what samples alone teach."
    answer: type[Answer] = BehaviourAnswer
    chance = 0.0

    def problems(self, seed: int, count: int) -> Sequence[BehaviourProblem]:
        """See Task."""
        return list(islice(self._all(seed), count))

    def _all(self, seed: int) -> Iterator[BehaviourProblem]:
        number = 0
        while True:
            random = np.random.default_rng([seed, number, 39])
            for place in random.permutation(len(PROGRAMS)):
                for program in (PROGRAMS[place], "random"):
                    problem = BehaviourProblem(Circuit.make(program, 1000 * seed + number, 0, _LENGTH))
                    number += 1
                    if problem.sound:
                        yield problem


def answers_of(source: str, texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """What a program answers at each token of some inputs.

    Raises ProgramError where it fails, passes its limits, or returns anything but a list with a text for each token.
    """
    if len(source) > MOST_SOURCE:
        raise ProgramError(f"the source has {len(source)} characters; at most {MOST_SOURCE} are run")
    code = f"{source}\n[answer(text) for text in texts_]"
    with Sandbox(_LIMITS) as sandbox:
        found = sandbox.execute(code, inputs={"texts_": [list(text) for text in texts]}).value
    if not isinstance(found, list) or len(found) != len(texts):
        raise ProgramError("the source does more than define answer: it hides the call that comes after it")
    for text, row in zip(texts, found, strict=True):
        if not isinstance(row, list | tuple) or len(row) != len(text):
            what = f"{len(row)} values" if isinstance(row, list | tuple) else type(row).__name__
            raise ProgramError(
                f"answer returned {what} for an input of {len(text)} tokens; it must return one for each"
            )
    # Between words there are spaces, which tools show as parts of tokens.
    return [[str(one).strip() for one in row] for row in found]


def _agreement(given: Sequence[str], truths: Sequence[str]) -> float:
    """The share of tokens answered alike, of those for which there is an answer."""
    alike = [one == other for one, other in zip(given, truths, strict=True) if other != UNDEFINED]
    return float(np.mean(alike))
