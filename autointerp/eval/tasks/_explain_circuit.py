"""Explain a whole circuit: which components there are, what they read from each other, and which variable each computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np

from autointerp.eval._answers import Answer, CircuitAnswer
from autointerp.eval._protocol import Grade, Question
from autointerp.eval.organisms import opaque_name
from autointerp.eval.organisms._interchange import Grader, Swaps, draw_swaps
from autointerp.eval.tasks._circuits import INPUT, LOGITS, NAMING, Circuit, circuits, part, write_kit, write_lines
from autointerp.eval.tasks._ranking import area

NAME = "explain_circuit"
#: From which score on a circuit counts as explained.
ENOUGH = 0.9
UNUSED = "unused"
ROLES = ("averaging head", "counting head", "moving head", "table", UNUSED)
#: Fresh inputs, and interchange interventions of each variable.
_INPUTS, _SWAPS = 400, 100
_ASKS = (
    "Explain the circuit of this network. (1) `edges`: give edges SOURCE->TARGET between components, out of those"
    " listed, a number, the greater the surer you are that the target uses what the source computes (`logits`: that"
    " the answer is read from it). (2) `roles`: give each head and MLP one of the roles listed; a head that moves"
    " what the tokens attended to hold is a moving head, one whose output is a mean of what they hold an averaging"
    " head, one whose output says how many there are a counting head; an MLP in use is a table; what the answer"
    " never depends on is unused. (3) `variables`: variables.jsonl has the values of variables of the network's"
    " algorithm at every token of some texts, under labels of no meaning (BOS left out; `?` where there is none);"
    " say which component computes each. It is graded by interchange interventions on that component. " + NAMING
)


@dataclass(frozen=True, eq=False)
class CircuitProblem:
    """A compiled circuit: the score is the mean of edge AUROC, role accuracy and the IIA of the map of variables."""

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
        circuit = self.circuit
        write_kit(folder, circuit.organism, circuit.texts)
        columns = {label: _opaque(circuit.values(name), circuit.seed, label) for label, name in self.labels.items()}
        rows = (
            {"text": text, "values": {label: values[row] for label, values in columns.items()}}
            for row, text in enumerate(circuit.texts)
        )
        write_lines(folder / "variables.jsonl", rows)
        return Question(
            problem=self.name,
            task=NAME,
            asks=_ASKS,
            model="model",
            corpus="texts.jsonl",
            given={
                "components": circuit.components,
                "roles": ROLES,
                "edges": self.pairs,
                "variables": tuple(self.labels),
                "values": "variables.jsonl",
            },
        )

    def truth(self) -> CircuitAnswer:
        """See Problem."""
        return CircuitAnswer(
            edges=dict.fromkeys(sorted(self._edges), 1.0),
            roles=self._roles,
            variables={label: self.circuit.variables[name][0] for label, name in self.labels.items()},
            confidence=1.0,
        )

    def guess(self, seed: int) -> CircuitAnswer:
        """See Problem."""
        random = np.random.default_rng(seed)
        components = self.circuit.components
        return CircuitAnswer(
            edges={pair: float(random.random()) for pair in self.pairs},
            roles={name: str(random.choice(ROLES)) for name in components},
            variables={label: str(random.choice(components)) for label in self.labels},
        )

    def grade(self, answer: Answer) -> Grade:
        """See Problem. Every role that occurs counts the same, however many components have it."""
        assert isinstance(answer, CircuitAnswer)
        parts = {
            "edge AUROC": area(answer.edges, self._edges, self.pairs),
            "role accuracy": _balanced(answer.roles, self._roles),
            "IIA": float(
                np.mean([self._iia(name, answer.variables.get(label)) for label, name in self.labels.items()])
            ),
        }
        score = float(np.mean(list(parts.values())))
        return Grade(score=score, success=score >= ENOUGH, parts=parts, confidence=answer.confidence)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The variables that have one component all to themselves, under other names and in an order that says nothing."""
        held = [place for places in self.circuit.variables.values() for place in places]
        alone = {name for name, places in self.circuit.variables.items() if len(places) == 1 == held.count(places[0])}
        chosen = [name for name in self.circuit.varying() if name in alone]
        return {f"v{number}": name for number, name in enumerate(chosen, start=1) if self._swaps(name) is not None}

    @cached_property
    def pairs(self) -> tuple[str, ...]:
        """All edges that there could be, from upstream to downstream; an MLP comes after the heads of its layer."""
        names = [INPUT, *self.circuit.components, LOGITS]
        return tuple(f"{a}->{b}" for a in names for b in names if _when(a) < _when(b))

    @cached_property
    def _edges(self) -> set[str]:
        known = self.circuit.variables
        return {
            f"{source}->{target}"
            for edge in self.circuit.organism.circuit.edges
            for source in known.get(edge.source, [INPUT])
            for target in known.get(edge.target, [LOGITS])
        }

    @cached_property
    def _roles(self) -> dict[str, str]:
        roles = dict.fromkeys(self.circuit.components, UNUSED)
        for node in self.circuit.organism.circuit.nodes:
            for place in self.circuit.variables.get(node.name, ()):
                roles[place] = node.role
        return roles

    @cached_property
    def _drawn(self) -> dict[str, Swaps | None]:
        return {}

    def _swaps(self, name: str) -> Swaps | None:
        """Interventions on a variable, on fresh inputs; None where none of them changes the answer."""
        if name not in self._drawn:
            organism, seed = self.circuit.organism, self.circuit.seed
            inputs = self.circuit.indices(organism.sample(_INPUTS, seed=seed, fresh=True))
            random = np.random.default_rng([seed, 35])
            swaps = draw_swaps(organism.circuit.model, [name], inputs, _SWAPS, random)
            self._drawn[name] = swaps if len(swaps) else None
        return self._drawn[name]

    def _iia(self, name: str, component: str | None) -> float:
        """The accuracy of interchange interventions on a component, if it is taken for that of a variable."""
        organism, swaps = self.circuit.organism, self._swaps(name)
        if component not in self.circuit.components or swaps is None:
            return 0.0
        place = part(component, organism, hidden=True)
        return Grader(organism.subject(), organism.strings, {name: place}).iia(organism.circuit.model, swaps)


class ExplainCircuit:
    """See Task."""

    name = NAME
    summary = (
        "What is the whole circuit of a network? Edges, roles, and the component of each variable of compiled programs."
    )
    answer: type[Answer] = CircuitAnswer
    chance = 0.45

    def problems(self, seed: int, count: int) -> Sequence[CircuitProblem]:
        """See Task."""
        made = (CircuitProblem(circuit) for circuit in circuits(seed + _APART))
        return list(islice((problem for problem in made if problem.labels), count))


#: Networks of this task are not those of the other ones.
_APART = 100


def _when(name: str) -> int:
    """The sublayer of a component: attention is even, MLPs are odd."""
    if name in (INPUT, LOGITS):
        return -1 if name == INPUT else 1 << 30
    layer = int(name[1:].partition(".")[0])
    return 2 * layer + name.startswith("m")


def _balanced(given: Mapping[str, str], true: Mapping[str, str]) -> float:
    """The mean over the roles that there are of the share of their components that are given it."""
    hits = {role: [given.get(name) == role for name in true if true[name] == role] for role in set(true.values())}
    return float(np.mean([np.mean(found) for found in hits.values()]))


def _opaque(values: Sequence[Sequence[str]], seed: int, label: str) -> list[list[str]]:
    """The values under labels that say nothing; what is not there stays so."""
    known = sorted({value for row in values for value in row} - {"?"})
    order = np.random.default_rng([seed, 36, int(label[1:])]).permutation(len(known))
    labels = {value: f"{label}.{place}" for value, place in zip(known, order.tolist(), strict=True)} | {"?": "?"}
    return [[labels[value] for value in row] for row in values]
