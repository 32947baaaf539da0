"""Circuits as problems: the names of components, the files of a kit, and what holds which variable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from autointerp.eval.organisms import CircuitOrganism, Component, make_organism, save_network
from autointerp.eval.organisms.rasp import Given, Ints, Variable
from autointerp.records import Site, SiteKind

#: Texts for development in a kit.
TEXTS = 400
INPUT, LOGITS = "input", "logits"
#: What stands for a value that is not there.
UNDEFINED = "?"
#: Programs of several steps, in which components have something to do for each other.
PROGRAMS = (
    "induction",
    "sort",
    "is-sorted",
    "lead",
    "count-bigram",
    "rotate",
    "local-maximum",
    "swap-pairs",
    "first-is-last",
    "after-first-a",
    "running-sum-mod-3",
    "second-largest",
    "mode",
    "once-each",
    "maximum",
    "same-as-mirror",
)
#: What components are called, for whoever is asked.
NAMING = (
    "Components are called aL.hH (head H of layer L, counted from 0) and mL (the MLP of layer L); `input` are the embeddings of"
    " tokens and positions."
)


@dataclass(frozen=True, eq=False)
class Circuit:
    """A compiled circuit under the names that a question uses."""

    organism: CircuitOrganism
    program: str
    seed: int

    @classmethod
    def make(cls, program: str, seed: int, level: int, length: int | None = None) -> Circuit:
        """Compile a program, plainly (level 0) or in disguise (1), for inputs of its usual length or of another."""
        knobs = {} if length is None else {"length": length}
        organism = make_organism(f"compiled/{program}", seed=seed, level=level, **knobs)
        assert isinstance(organism, CircuitOrganism)
        return cls(organism, f"{program}, level {level}", seed)

    @cached_property
    def components(self) -> list[str]:
        """Heads and MLPs, layer by layer."""
        return components_of(self.organism)

    @cached_property
    def variables(self) -> dict[str, list[str]]:
        """The components of each variable that components compute."""
        nodes, model = self.organism.circuit.nodes, self.organism.circuit.model
        width = self.organism.module.config.head_dim
        return {n.name: named(n.component, width) for n in nodes if not isinstance(model[n.name], Given)}

    @cached_property
    def texts(self) -> list[str]:
        """Texts for development."""
        return self.organism.sample(TEXTS, seed=self.seed)

    def indices(self, texts: Sequence[str]) -> Ints:
        """Texts as the causal model takes them."""
        circuit = self.organism.circuit
        return circuit.model.indices([circuit.read(text) for text in texts])

    def values(self, name: str) -> list[list[str]]:
        """The values of a variable at the tokens of the texts for development."""
        circuit = self.organism.circuit
        return shown(circuit.model[name], circuit.model.solve(self.indices(self.texts))[name])

    @cached_property
    def alike(self) -> dict[str, set[str]]:
        """With each variable those that tell the same about every text for development, itself among them."""
        solved = self.organism.circuit.model.solve(self.indices(self.texts))
        patterns = {name: _pattern(solved[name]) for name in self.variables}
        return {name: {other for other, p in patterns.items() if p == own} for name, own in patterns.items()}

    def holding(self, name: str) -> set[str]:
        """The components whose variables tell the same as this one."""
        return {component for other in self.alike[name] for component in self.variables[other]}

    def varying(self) -> list[str]:
        """The variables that do not have one value throughout, in an order that says nothing."""
        solved = self.organism.circuit.model.solve(self.indices(self.texts))
        names = [name for name in self.variables if len(np.unique(solved[name][solved[name] >= 0])) > 1]
        return [names[i] for i in np.random.default_rng([self.seed, 33]).permutation(len(names))]


def circuits(seed: int, programs: Sequence[str] = PROGRAMS, levels: Sequence[int] = (0, 1)) -> Iterator[Circuit]:
    """Circuits without end: every program in an order that says nothing, the levels in turn, then all once more."""
    number = 0
    while True:
        random = np.random.default_rng([seed, number, 34])
        for place in random.permutation(len(programs)):
            yield Circuit.make(programs[place], 1000 * seed + number, levels[number % len(levels)])
            number += 1


def components_of(organism: CircuitOrganism) -> list[str]:
    """The names of an organism's heads and MLPs, layer by layer."""
    config = organism.module.config
    return [
        name
        for layer in range(config.num_hidden_layers)
        for name in (*(f"a{layer}.h{head}" for head in range(config.num_attention_heads)), f"m{layer}")
    ]


def named(component: Component, head_width: int) -> list[str]:
    """The names of a part of a network: one MLP, or one head or more."""
    layer = component.site.layer
    if component.site.kind is not SiteKind.HEAD_OUT:
        return [f"m{layer}"]
    return [f"a{layer}.h{head}" for head in sorted({i // head_width for i in component.coordinates})]


def part(name: str, organism: CircuitOrganism, *, hidden: bool) -> Component:
    """A head or a whole MLP by its name, as coordinates; of an MLP those of its `hidden` units, or of what it writes."""
    config = organism.module.config
    layer, _, head = name[1:].partition(".h")
    if name.startswith("a"):
        start = int(head) * config.head_dim
        return Component(Site(layer=int(layer), kind=SiteKind.HEAD_OUT), tuple(range(start, start + config.head_dim)))
    kind, size = (SiteKind.MLP_HIDDEN, config.intermediate_size) if hidden else (SiteKind.MLP_OUT, config.hidden_size)
    return Component(Site(layer=int(layer), kind=kind), tuple(range(size)))


def write_kit(folder: Path, organism: CircuitOrganism, texts: Sequence[str], model: str = "model") -> None:
    """The network and the texts for development."""
    save_network(folder / model, organism.module, organism.tokenizer())
    write_lines(folder / "texts.jsonl", ({"text": text} for text in texts))


def write_lines(path: Path, rows: Iterator[Mapping[str, Any]] | Sequence[Mapping[str, Any]]) -> None:
    """A file with one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def shown(variable: Variable, solved: Ints) -> list[list[str]]:
    """Values as texts, none beyond an input's end; `?` where a value is undefined."""
    ends = [int(np.flatnonzero(row >= 0).max(initial=-1)) + 1 for row in solved]
    return [
        [str(variable.values[i]) if i >= 0 else UNDEFINED for i in islice(row, end)]
        for row, end in zip(solved.tolist(), ends, strict=True)
    ]


def _pattern(solved: Ints) -> bytes:
    """The same for two variables exactly if each can be told from the other: values numbered as they come."""
    flat = solved.ravel()
    _, first, inverse = np.unique(flat, return_index=True, return_inverse=True)
    return bytes(np.argsort(np.argsort(first))[inverse].astype(np.int32).tobytes())
