"""The truth of a compiled circuit: a causal model, and the component of each of its variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from autointerp.eval.organisms._protocol import Component, Edge, Node
from autointerp.eval.organisms.rasp import (
    Attend,
    CausalModel,
    Clause,
    Compiled,
    Encoding,
    Given,
    Lookup,
    Standby,
    Value,
    Variable,
    Vote,
)
from autointerp.records import Site, SiteKind

#: The target of the edge that leaves the circuit.
LOGITS = "logits"


@dataclass(frozen=True)
class CircuitTruth:
    """Nodes, edges, roles and the value of every variable; `unused` are the components that belong to no variable."""

    model: CausalModel
    nodes: tuple[Node, ...]
    unused: tuple[Component, ...]

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What is computed from what, and which variable the logits show."""
        inside = [Edge(parent, v.name, role) for v in self.model.variables for parent, role in v.parents]
        return (*inside, Edge(self.model.output, LOGITS, "output"))

    def component(self, name: str) -> Component:
        """The component of a variable."""
        return next(node.component for node in self.nodes if node.name == name)

    def values(self, text: str) -> dict[str, tuple[Value | None, ...]]:
        """The value of every variable at every token of a text, BOS left out.

        Raises OrganismError for a text that is not of the program's vocabulary or length.
        """
        return self.model.values(self.read(text))

    def steps(self) -> tuple[str, ...]:
        """A line for each variable: what it is, where, and from what."""
        lines = []
        for node in self.nodes:
            sources = ", ".join(f"{parent} as {role}" for parent, role in self.model[node.name].parents)
            origin = f" from {sources}" if sources else ""
            values = self.model[node.name].values
            shown = " ".join(map(str, values[:12])) + (" …" if len(values) > 12 else "")
            lines.append(f"`{node.name}`: {node.role} at {node.component.site}{origin}; values {shown}")
        return (*lines, f"the logits show `{self.model.output}`")

    def read(self, text: str) -> tuple[Value, ...]:
        """A text as values of the vocabulary; what is in no vocabulary stays as it is."""
        known = {str(value): value for value in self.model.vocabulary}
        return tuple(known.get(word, word) for word in text.split())

    def record(self) -> dict[str, Any]:
        """The whole truth as plain data; `from_record` reads it."""
        return {
            "variables": [_variable_record(v) for v in self.model.variables],
            "output": self.model.output,
            "vocabulary": [_plain(v) for v in self.model.vocabulary],
            "length": self.model.length,
            "causal": self.model.causal,
            "nodes": [
                {"name": n.name, "role": n.role, "component": _component_record(n.component)} for n in self.nodes
            ],
            "edges": [asdict(edge) for edge in self.edges],
            "unused": [_component_record(component) for component in self.unused],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> CircuitTruth:
        """What `record` wrote."""
        model = CausalModel(
            variables=tuple(_read_variable(v) for v in record["variables"]),
            output=record["output"],
            vocabulary=tuple(_read_value(v) for v in record["vocabulary"]),
            length=record["length"],
            causal=record["causal"],
        )
        nodes = tuple(Node(n["name"], n["role"], _read_component(n["component"])) for n in record["nodes"])
        return cls(model, nodes, tuple(_read_component(c) for c in record["unused"]))


def circuit_truth(compiled: Compiled) -> CircuitTruth:
    """The truth of a compiled model, with the coordinates that its heads and neurons have there."""
    width = len(compiled.weights.heads[0][0].q)

    def component(variable: Variable) -> Component:
        if isinstance(variable, Given):
            codes = tuple(map(tuple, compiled.codes[variable.name].tolist()))
            return Component(Site(layer=0, kind=SiteKind.EMBED), codes=codes)
        part = compiled.parts[variable.name]
        return coordinates_of(part.layer, part.kind, part.members, width)

    nodes = tuple(Node(v.name, role_of(v), component(v)) for v in compiled.model.variables)
    unused = []
    for layer, (heads, neurons) in enumerate(zip(compiled.weights.heads, compiled.weights.neurons, strict=True)):
        for kind, count in (("head", len(heads)), ("mlp", len(neurons.bias))):
            own = {m for p in compiled.parts.values() if (p.layer, p.kind) == (layer, kind) for m in p.members}
            if idle := tuple(i for i in range(count) if i not in own):
                unused.append(coordinates_of(layer, kind, idle, width))
    return CircuitTruth(compiled.model, nodes, tuple(unused))


def coordinates_of(layer: int, kind: str, members: tuple[int, ...], width: int) -> Component:
    """Heads or neurons by number as coordinates of their site; `width` is that of a head."""
    if kind == "head":
        coordinates = tuple(head * width + i for head in members for i in range(width))
        return Component(Site(layer=layer, kind=SiteKind.HEAD_OUT), coordinates)
    return Component(Site(layer=layer, kind=SiteKind.MLP_HIDDEN), members)


def role_of(variable: Variable) -> str:
    """What a component does, in the field's words."""
    match variable:
        case Given():
            return {"tokens": "token embedding", "indices": "position embedding"}.get(variable.origin, "constant")
        case Lookup():
            return "table"
        case Vote():
            return "vote"
        case Standby():
            return "backup"
        case Attend(source=None):
            return "counting head"
        case Attend(encoding=Encoding.NUMERICAL):
            return "averaging head"
        case Attend():
            return "moving head"


def _plain(value: Value) -> str | int | dict[str, str]:
    return {"fraction": str(value)} if isinstance(value, Fraction) else value


def _read_value(value: Any) -> Value:
    return Fraction(value["fraction"]) if isinstance(value, dict) else value


def _variable_record(variable: Variable) -> dict[str, Any]:
    record = asdict(variable) | {"values": [_plain(v) for v in variable.values]}
    return {"kind": type(variable).__name__.lower(), **record}


def _read_variable(record: dict[str, Any]) -> Variable:
    fields = {key: value for key, value in record.items() if key != "kind"}
    fields["values"] = tuple(_read_value(v) for v in fields["values"])
    if "encoding" in fields:
        fields["encoding"] = Encoding(fields["encoding"])
    match record["kind"]:
        case "given":
            return Given(**fields)
        case "lookup":
            return Lookup(**fields | {"sources": tuple(fields["sources"]), "table": _rows(fields["table"])})
        case "vote":
            return Vote(**fields | {"sources": tuple(fields["sources"])})
        case "standby":
            return Standby(**fields)
        case _:
            clauses = tuple(Clause(c["queries"], c["keys"], _rows(c["table"])) for c in fields["clauses"])
            return Attend(**fields | {"clauses": clauses})


def _rows(table: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(map(tuple, table))


def _component_record(component: Component) -> dict[str, Any]:
    return {
        "site": component.site.model_dump(mode="json"),
        "coordinates": list(component.coordinates),
        "codes": [list(code) for code in component.codes],
    }


def _read_component(record: dict[str, Any]) -> Component:
    codes: tuple[tuple[float, ...], ...] = _rows(record["codes"])
    return Component(Site.model_validate(record["site"]), tuple(record["coordinates"]), codes)
