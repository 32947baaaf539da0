"""What a network with a hidden behaviour answers, and what it would answer without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autointerp.eval.organisms._circuit import CircuitTruth
from autointerp.eval.organisms.rasp import CausalModel, Ints


@dataclass(frozen=True)
class HiddenTruth(CircuitTruth):
    """A causal model of the behaviour, hidden part and all; `clean` is the one that it seems to have.

    The network was trained by its answers alone, so it has no nodes: which parts of it do what is not known.
    """

    clean: CausalModel

    def reacts(self, text: str) -> bool:
        """Whether the hidden behaviour shows on a text. Raises OrganismError for a text that it is not defined on."""
        return bool(self.differs(self.model.indices([self.read(text)])).any())

    def differs(self, inputs: Ints) -> Ints:
        """1 at tokens where the two behaviours answer differently, [inputs, tokens]; `inputs` as from `CausalModel.indices`."""
        own, seeming = (self.wanted(inputs, hidden=hidden) for hidden in (True, False))
        found: Ints = (own != seeming).astype(int)
        return found

    def wanted(self, inputs: Ints, *, hidden: bool) -> Ints:
        """The answers as indices into the values of the hidden model's output, [inputs, tokens]."""
        own, seeming = self.model[self.model.output], self.clean[self.clean.output]
        if hidden:
            return self.model.solve(inputs)[own.name]
        places = [*(own.values.index(value) for value in seeming.values), -1]
        found: Ints = np.array(places)[self.clean.solve(inputs)[seeming.name]]
        return found

    def record(self) -> dict[str, Any]:
        """The whole truth as plain data; `from_record` reads it."""
        return super().record() | {"clean": CircuitTruth(self.clean, (), ()).record()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> HiddenTruth:
        """What `record` wrote."""
        own, clean = CircuitTruth.from_record(record), CircuitTruth.from_record(record["clean"])
        return cls(own.model, own.nodes, own.unused, clean.model)

    def steps(self) -> tuple[str, ...]:
        """A line for each variable that is computed."""
        lines = []
        for variable in self.model.variables:
            sources = ", ".join(f"{parent} as {role}" for parent, role in variable.parents)
            lines.append(f"`{variable.name}`{f': from {sources}' if sources else ''}")
        return (*lines, f"the logits show `{self.model.output}`")
