"""The truth of a circuit that can be found in more than one way: every set of parts that is enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from autointerp.errors import OrganismError
from autointerp.eval.organisms._circuit import CircuitTruth

#: What can be done to the components outside of a circuit: put there what another input has, or nothing.
RESAMPLE, ZERO = "resample", "zero"


@dataclass(frozen=True, slots=True)
class ValidCircuit:
    """Variables that are enough, and none of which can be left out; the given ones (tokens, indices) are not listed.

    `ablations` are those that may be done to all other components, all at once, without changing an answer.
    """

    variables: tuple[str, ...]
    ablations: tuple[str, ...]


@dataclass(frozen=True)
class AdversarialTruth(CircuitTruth):
    """See `CircuitTruth`.

    Attributes
    ----------
    circuits: all the minimal ones; whoever finds one of them has found the circuit.
    decoys: variables that nothing reads, by name, with the variable whose values they hold.
    backups: variables that take over, by name, with the one whose silence they wait for.
    dormant: variables without effect on the inputs of `sample`.
    """

    circuits: tuple[ValidCircuit, ...] = ()
    decoys: Mapping[str, str] = field(default_factory=dict)
    backups: Mapping[str, str] = field(default_factory=dict)
    dormant: tuple[str, ...] = ()

    def valid(self, found: Collection[str], ablation: str = RESAMPLE) -> bool:
        """Whether these variables contain a circuit, if all others are ablated so. Raises OrganismError as `closest` does."""
        return any(set(circuit.variables) <= set(found) for circuit in self._under(ablation))

    def closest(self, found: Collection[str], ablation: str = RESAMPLE) -> ValidCircuit:
        """The circuit to hold a finding against: the one that shares most with it (Jaccard's index), the first of equals.

        Raises OrganismError for an unknown ablation, and for one under which no circuit is stated.
        """
        mine = set(found)

        def shared(circuit: ValidCircuit) -> float:
            own = set(circuit.variables)
            return len(own & mine) / len(own | mine)

        return max(self._under(ablation), key=shared)

    def record(self) -> dict[str, Any]:
        """The whole truth as plain data; `from_record` reads it."""
        return super().record() | {
            "circuits": [asdict(circuit) for circuit in self.circuits],
            "decoys": dict(self.decoys),
            "backups": dict(self.backups),
            "dormant": list(self.dormant),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> AdversarialTruth:
        """What `record` wrote."""
        plain = CircuitTruth.from_record(record)
        circuits = tuple(ValidCircuit(tuple(c["variables"]), tuple(c["ablations"])) for c in record["circuits"])
        return cls(
            plain.model,
            plain.nodes,
            plain.unused,
            circuits,
            record["decoys"],
            record["backups"],
            tuple(record["dormant"]),
        )

    def steps(self) -> tuple[str, ...]:
        """A line for each variable, and for what misleads."""
        lines = list(super().steps())
        lines += [
            f"`{name}` is a decoy: it holds what `{like}` holds, and nothing reads it"
            for name, like in self.decoys.items()
        ]
        lines += [f"`{name}` is a backup: silent unless `{main}` writes nothing" for name, main in self.backups.items()]
        if self.dormant:
            lines.append(f"dormant, without effect on ordinary inputs: {_quoted(self.dormant)}")
        lines += [
            f"enough under {' and '.join(c.ablations)} ablation of the rest: {_quoted(c.variables)}"
            for c in self.circuits
        ]
        return tuple(lines)

    def _under(self, ablation: str) -> list[ValidCircuit]:
        if ablation not in (RESAMPLE, ZERO):
            raise OrganismError(f"no ablation {ablation!r}: there are {RESAMPLE} and {ZERO}")
        if not (found := [circuit for circuit in self.circuits if ablation in circuit.ablations]):
            raise OrganismError(f"no circuit of this organism is stated under {ablation} ablation: take the other one")
        return found


def _quoted(names: Collection[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
