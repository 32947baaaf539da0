"""Circuits that are known by construction, as cases for a scientist."""

from __future__ import annotations

import itertools
import random
from typing import Any

from autointerp.agents import Limits, Meter, Notebook
from autointerp.agents.circuits import CircuitCase, RuleCircuitScientist
from autointerp.circuits import Pair, Parts, Task, node_patching, untrained_twin
from autointerp.eval.organisms import CircuitOrganism, make_organism

PREVIOUS = """\
def before(tokens):
    return tokens[-2]

def answer(before):
    return before
"""
PAIRS = 12


def previous_organism(seed: int = 3) -> CircuitOrganism:
    """It says at every token which one came before: by one head, which attends there."""
    made = make_organism("compiled/previous", seed=seed)
    assert isinstance(made, CircuitOrganism)
    return made


def previous_task(organism: CircuitOrganism) -> Task:
    """Prompts of four tokens whose last but one is another in the counterfactual."""
    ids = {text: number for number, text in enumerate(organism.strings)}
    words, bos = [str(value) for value in organism.circuit.model.vocabulary], organism.subject().bos
    numbers = [ids[word] for word in words]
    pairs = [
        Pair((bos, a, b, first, last), (bos, a, b, other, last), (first,), (other,))
        for first, other in itertools.permutations(numbers, 2)
        for a, b, last in itertools.permutations(numbers, 3)
    ]
    return Task("previous", tuple(random.Random(0).sample(pairs, 3 * PAIRS)))


def case_of(organism: CircuitOrganism, task: Task, **changed: Any) -> CircuitCase:
    """A case in which every component but the embedding is in the circuit; 12 pairs to see, 12 to try things on."""
    parts = Parts(organism.subject())
    seen, trials = (Task(task.name, task.pairs[start : start + PAIRS]) for start in (0, PAIRS))
    effects = node_patching(parts, seen).mean(0).tolist()
    names = [source.name for source in parts.graph.sources]
    notebook = Notebook()
    given: dict[str, Any] = {
        "parts": parts,
        "twin": Parts(untrained_twin(parts.subject, seed=0)),
        "asks": "which token came before",
        "seen": seen,
        "trials": trials,
        "effects": {name: value for name, value in zip(names, effects, strict=True) if name != "input"},
        "scientist": RuleCircuitScientist(),
        "notebook": notebook,
        "meter": Meter(notebook, Limits.parse(changed.pop("budget", ""))),
    }
    return CircuitCase(**{**given, **changed})
