"""Find the component that computes a variable, given what the variable is at every token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from autointerp.eval._answers import Answer, ComponentsAnswer
from autointerp.eval._protocol import Grade, Question
from autointerp.eval.organisms import opaque_name
from autointerp.eval.tasks._circuits import NAMING, Circuit, circuits, write_kit, write_lines
from autointerp.eval.tasks._ranking import guessed_ranking, ranking_grade

NAME = "localise"
#: Circuits with fewer components leave too little to find.
_LEAST = 4
_ASKS = (
    "Somewhere in this network a variable is computed whose values at every token of some texts are in"
    " variable.jsonl (BOS left out; `?` where it has none). Which components write it into the residual stream?"
    " Give each component, by its name in `components`, a number from 0 to 1, the greater the surer you are; those"
    " that tell exactly as much as this variable count as right too. " + NAMING
)


@dataclass(frozen=True, eq=False)
class LocaliseProblem:
    """One variable of a compiled circuit: the score is the average precision of the components that hold it."""

    circuit: Circuit
    variable: str

    @property
    def name(self) -> str:
        """See Problem."""
        return opaque_name(NAME, self.circuit.organism.name, self.variable)

    @property
    def kind(self) -> str:
        """See Problem."""
        return next(node.role for node in self.circuit.organism.circuit.nodes if node.name == self.variable)

    def write(self, folder: Path) -> Question:
        """See Problem."""
        circuit = self.circuit
        write_kit(folder, circuit.organism, circuit.texts)
        rows = zip(circuit.texts, circuit.values(self.variable), strict=True)
        write_lines(folder / "variable.jsonl", ({"text": text, "values": values} for text, values in rows))
        return Question(
            problem=self.name,
            task=NAME,
            asks=_ASKS,
            model="model",
            corpus="texts.jsonl",
            given={"components": circuit.components, "variable": "variable.jsonl"},
        )

    def truth(self) -> ComponentsAnswer:
        """See Problem."""
        return ComponentsAnswer(components=dict.fromkeys(sorted(self._right), 1.0), confidence=1.0)

    def guess(self, seed: int) -> ComponentsAnswer:
        """See Problem."""
        return guessed_ranking(self.circuit.components, seed)

    def grade(self, answer: Answer) -> Grade:
        """See Problem."""
        return ranking_grade(answer, self._right, self.circuit.components)

    @property
    def _right(self) -> set[str]:
        return self.circuit.holding(self.variable)


class Localise:
    """See Task."""

    name = NAME
    summary = "Which component computes a variable? Heads and MLPs of compiled circuits."
    answer: type[Answer] = ComponentsAnswer
    chance = 0.45

    def problems(self, seed: int, count: int) -> Sequence[LocaliseProblem]:
        """See Task."""
        made = (c for c in circuits(seed) if len(c.components) >= _LEAST)
        return list(islice((LocaliseProblem(c, name) for c in made for name in c.varying()[:2]), count))
