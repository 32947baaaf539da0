"""Find a head of one network again in another one that computes the same in other coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from autointerp.eval._answers import Answer, ComponentsAnswer
from autointerp.eval._protocol import Grade, Question
from autointerp.eval.organisms import opaque_name, save_network
from autointerp.eval.tasks._circuits import NAMING, Circuit, circuits, write_kit
from autointerp.eval.tasks._ranking import guessed_ranking, ranking_grade

NAME = "transfer"
#: Programs in which some layer has several heads, so that a head's layer does not say which it is.
_PROGRAMS = (
    "induction",
    "sort",
    "lead",
    "local-maximum",
    "first-is-last",
    "after-first-a",
    "running-sum-mod-3",
    "second-largest",
    "once-each",
    "bracket-depth",
    "running-maximum",
)
_ASKS = (
    "Two networks compute the same, the second (`model`) in other coordinates than the first (`first`), with heads"
    " and neurons in another order and its own tokens: `words` has for each token of the first the one that stands"
    " for it in the second. `map` says what is known of the first: components, and a name for the variable that"
    " each computes. Which components of the second play the role that `component` has in the first? Give each of"
    " `components` a number from 0 to 1, the greater the surer you are. " + NAMING
)


@dataclass(frozen=True, eq=False)
class TransferProblem:
    """One head of a compiled circuit, to be found in another one: the score is the average precision."""

    first: Circuit
    second: Circuit
    variable: str

    @property
    def name(self) -> str:
        """See Problem."""
        return opaque_name(NAME, self.first.organism.name, self.second.organism.name, self.variable)

    @property
    def kind(self) -> str:
        """See Problem."""
        return self.second.program

    def write(self, folder: Path) -> Question:
        """See Problem."""
        write_kit(folder, self.second.organism, self.second.texts)
        save_network(folder / "first", self.first.organism.module, self.first.organism.tokenizer())
        one, other = (circuit.organism.circuit.model.vocabulary for circuit in (self.first, self.second))
        known: dict[str, list[str]] = {}
        for number, name in enumerate(self.first.varying(), start=1):
            for place in self.first.variables[name]:
                known.setdefault(place, []).append(f"v{number}")
        return Question(
            problem=self.name,
            task=NAME,
            asks=_ASKS,
            model="model",
            corpus="texts.jsonl",
            given={
                "components": self.second.components,
                "first": "first",
                "map": dict(sorted(known.items())),
                "component": self.first.variables[self.variable][0],
                "words": {str(a): str(b) for a, b in zip(one, other, strict=True)},
            },
        )

    def truth(self) -> ComponentsAnswer:
        """See Problem."""
        return ComponentsAnswer(components=dict.fromkeys(self._right, 1.0), confidence=1.0)

    def guess(self, seed: int) -> ComponentsAnswer:
        """See Problem."""
        return guessed_ranking(self.second.components, seed)

    def grade(self, answer: Answer) -> Grade:
        """See Problem."""
        return ranking_grade(answer, self._right, self.second.components)

    @property
    def _right(self) -> list[str]:
        return self.second.variables[self.variable]


class Transfer:
    """See Task."""

    name = NAME
    summary = "Where in a second network is what a head does in a first one? Pairs of compiled circuits."
    answer: type[Answer] = ComponentsAnswer
    chance = 0.45

    def problems(self, seed: int, count: int) -> Sequence[TransferProblem]:
        """See Task."""
        return list(islice(self._all(seed), count))

    def _all(self, seed: int) -> Iterator[TransferProblem]:
        for number, first in enumerate(circuits(seed + _APART, _PROGRAMS, levels=(0,))):
            # The second one has letters and an order of its own.
            program = first.program.partition(",")[0]
            other = Circuit.make(program, first.seed + _OTHER, level=number % 2)
            for name in crowded(first)[:2]:
                yield TransferProblem(first, other, name)


#: Networks of this task are not those of the other ones, and the two of a pair are not alike.
_APART, _OTHER = 300, 500


def crowded(circuit: Circuit) -> list[str]:
    """The variables of heads that share their layer with another head in use."""
    heads = {name: places[0] for name, places in circuit.variables.items() if places[0].startswith("a")}
    layers = [place.partition(".")[0] for place in heads.values()]
    return [name for name in circuit.varying() if name in heads and layers.count(heads[name].partition(".")[0]) > 1]
