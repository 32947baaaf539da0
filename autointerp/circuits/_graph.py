"""The computational graph of a transformer: what writes to the residual stream, what reads it, and which reads which.

Sources are the embedding (`input`), every head (`a1.h3`) and every MLP (`m1`). Targets are the queries, keys and values of
every head (`a1.h3<q>`), every MLP's input and the `logits`. Heads that share keys and values (grouped-query attention) share
the targets too: `a1.g0<k>` is what the first group reads as keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import torch
from torch import Tensor

from autointerp.errors import InputError

INPUT, LOGITS = "input", "logits"


class Reading(StrEnum):
    """What a target reads the stream as."""

    Q = "q"
    K = "k"
    V = "v"
    MLP = "mlp"
    LOGITS = "logits"


@dataclass(frozen=True, slots=True)
class Source:
    """What writes to the stream: the embedding (layer -1), a head, all heads of a layer, or an MLP."""

    layer: int
    head: int | None = None
    kind: str = "input"

    @property
    def name(self) -> str:
        """As in the module's docstring; `a1` are all heads of a layer whose sum goes through a norm."""
        match self.kind:
            case "head":
                return f"a{self.layer}.h{self.head}"
            case "attention":
                return f"a{self.layer}"
            case "mlp":
                return f"m{self.layer}"
        return INPUT


@dataclass(frozen=True, slots=True)
class Target:
    """What reads the stream; `head` counts queries' heads, or groups of heads for keys and values."""

    layer: int
    reading: Reading
    head: int | None = None
    grouped: bool = False

    @property
    def name(self) -> str:
        """As in the module's docstring."""
        if self.reading is Reading.LOGITS:
            return LOGITS
        if self.reading is Reading.MLP:
            return f"m{self.layer}"
        letter = "g" if self.grouped and self.reading is not Reading.Q else "h"
        return f"a{self.layer}.{letter}{self.head}<{self.reading}>"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a graph is made from.

    Attributes
    ----------
    heads, shared: by layer, how many heads there are, and how many keys and values they share.
    separate: whether what a single head writes can be told apart: not where a norm comes after their sum.
    parallel: whether attention and MLP of a layer read the same stream, so that the MLP reads no head of its own layer.
    """

    heads: tuple[int, ...]
    shared: tuple[int, ...]
    separate: bool = True
    parallel: bool = False


@dataclass(frozen=True)
class Graph:
    """All sources and targets of one model, in the order of its forward pass; `model` is the fingerprint of its weights."""

    model: str
    shape: Shape

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return len(self.shape.heads)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """What writes."""
        found = [Source(-1)]
        for layer, count in enumerate(self.shape.heads):
            if self.shape.separate:
                found += [Source(layer, head, "head") for head in range(count)]
            else:
                found.append(Source(layer, None, "attention"))
            found.append(Source(layer, None, "mlp"))
        return tuple(found)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What reads: of each layer the queries, the keys, the values, then the MLP; last the logits."""
        found = []
        for layer, (count, shared) in enumerate(zip(self.shape.heads, self.shape.shared, strict=True)):
            grouped = shared != count
            for reading, many in ((Reading.Q, count), (Reading.K, shared), (Reading.V, shared)):
                found += [Target(layer, reading, head, grouped) for head in range(many)]
            found.append(Target(layer, Reading.MLP))
        return (*found, Target(self.layers, Reading.LOGITS))

    @cached_property
    def source_numbers(self) -> dict[str, int]:
        """Sources by name."""
        return {source.name: number for number, source in enumerate(self.sources)}

    @cached_property
    def target_numbers(self) -> dict[str, int]:
        """Targets by name."""
        return {target.name: number for number, target in enumerate(self.targets)}

    def attention_targets(self, layer: int) -> slice:
        """The targets of the heads of a layer."""
        start = sum(h + 2 * s + 1 for h, s in zip(self.shape.heads[:layer], self.shape.shared[:layer], strict=True))
        return slice(start, start + self.shape.heads[layer] + 2 * self.shape.shared[layer])

    def attention_sources(self, layer: int) -> slice:
        """The sources that the heads of a layer are."""
        wide = [count if self.shape.separate else 1 for count in self.shape.heads]
        start = 1 + sum(wide[:layer]) + layer
        return slice(start, start + wide[layer])

    def before_mlp(self, layer: int) -> int:
        """How many sources the MLP of a layer reads."""
        heads = self.attention_sources(layer)
        return int(heads.start if self.shape.parallel else heads.stop)

    @cached_property
    def allowed(self) -> Tensor:
        """Which target reads which source: bool [targets, sources]."""
        table = torch.zeros(len(self.targets), len(self.sources), dtype=torch.bool)
        for layer in range(self.layers):
            heads = self.attention_targets(layer)
            table[heads, : self.attention_sources(layer).start] = True
            table[heads.stop, : self.before_mlp(layer)] = True
        table[-1, :] = True
        return table

    @property
    def size(self) -> int:
        """How many edges there are."""
        return int(self.allowed.sum())

    def reader_of(self, target: Target) -> int | None:
        """The number of the source that a target belongs to; the first head of its group; None for the logits."""
        if target.reading is Reading.LOGITS:
            return None
        heads = self.attention_sources(target.layer)
        if target.reading is Reading.MLP:
            return int(heads.stop)
        return int(heads.start) + (self.heads_of(target)[0] if self.shape.separate else 0)

    def heads_of(self, target: Target) -> range:
        """The heads whose queries, keys or values a target is."""
        assert target.head is not None
        if target.reading is Reading.Q:
            return range(target.head, target.head + 1)
        size = self.shape.heads[target.layer] // self.shape.shared[target.layer]
        return range(target.head * size, (target.head + 1) * size)

    def inputs_of(self, source: int) -> list[int]:
        """The targets through which a source is computed."""
        one = self.sources[source]
        if one.kind == "input":
            return []
        heads = self.attention_targets(one.layer)
        if one.kind == "mlp":
            return [heads.stop]
        numbers = range(heads.start, heads.stop)
        return [n for n in numbers if one.head is None or one.head in self.heads_of(self.targets[n])]


@dataclass(frozen=True, eq=False)
class Circuit:
    """Some edges of a graph: `edges` is bool [targets, sources]."""

    graph: Graph
    edges: Tensor

    def __post_init__(self) -> None:
        if self.edges.dtype != torch.bool or self.edges.shape != self.graph.allowed.shape:
            found, wanted = tuple(self.edges.shape), tuple(self.graph.allowed.shape)
            raise InputError(f"the edges of a circuit are bool {wanted}, not {self.edges.dtype} {found}")
        if bool((self.edges & ~self.graph.allowed).any()):
            target, source = torch.argwhere(self.edges & ~self.graph.allowed)[0].tolist()
            names = f"{self.graph.sources[source].name}->{self.graph.targets[target].name}"
            raise InputError(f"a circuit with the edge {names}: the model has none there")

    def __len__(self) -> int:
        return int(self.edges.sum())

    @classmethod
    def whole(cls, graph: Graph) -> Circuit:
        """Every edge."""
        return cls(graph, graph.allowed.clone())

    @classmethod
    def empty(cls, graph: Graph) -> Circuit:
        """No edge."""
        return cls(graph, torch.zeros_like(graph.allowed))

    @classmethod
    def named(cls, graph: Graph, edges: Iterable[tuple[str, str]]) -> Circuit:
        """The edges from source to target of these names. Raises InputError for one that is not there."""
        table = torch.zeros_like(graph.allowed)
        for source, target in edges:
            known = source in graph.source_numbers and target in graph.target_numbers
            if not known:
                name = source if source not in graph.source_numbers else target
                near = "input, a0.h0, m0 as sources; a0.h0<q>, m0, logits as targets"
                raise InputError(
                    f"the circuit names {name!r}, which this model does not have: there are such as {near}"
                )
            table[graph.target_numbers[target], graph.source_numbers[source]] = True
        return cls(graph, table)

    def names(self) -> list[tuple[str, str]]:
        """Source and target of every edge."""
        return [
            (self.graph.sources[s].name, self.graph.targets[t].name) for t, s in torch.argwhere(self.edges).tolist()
        ]

    def nodes(self) -> list[int]:
        """The numbers of the sources that an edge leaves or that are read through one."""
        present = self.edges.any(0)
        for target in torch.argwhere(self.edges.any(1)).flatten().tolist():
            for source in self._read_through(target):
                present[source] = True
        return [int(n) for n in torch.argwhere(present).flatten()]

    def readers(self, target: int) -> list[str]:
        """The names of the sources that are computed through a target; none for the logits."""
        return [self.graph.sources[number].name for number in self._read_through(target)]

    def pruned(self) -> Circuit:
        """Without the edges that lie on no path from the embedding to the logits."""
        edges = self.edges.clone()
        while True:
            before = int(edges.sum())
            for number, source in enumerate(self.graph.sources):
                inputs = self.graph.inputs_of(number)
                if source.kind != "input" and not bool(edges[inputs].any()):
                    edges[:, number] = False
            for number, target in enumerate(self.graph.targets):
                readers = self._read_through(number)
                if target.reading is not Reading.LOGITS and not bool(edges[:, readers].any()):
                    edges[number, :] = False
            if int(edges.sum()) == before:
                return Circuit(self.graph, edges)

    def without(self, nodes: Sequence[int]) -> Circuit:
        """Without the edges that leave some sources or enter them."""
        edges = self.edges.clone()
        edges[:, list(nodes)] = False
        for node in nodes:
            for target in self.graph.inputs_of(node):
                if set(self._read_through(target)) <= set(nodes):
                    edges[target, :] = False
        return Circuit(self.graph, edges)

    def _read_through(self, target: int) -> list[int]:
        one = self.graph.targets[target]
        if one.reading is Reading.LOGITS:
            return []
        heads = self.graph.attention_sources(one.layer)
        if one.reading is Reading.MLP:
            return [heads.stop]
        if not self.graph.shape.separate:
            return [heads.start]
        return [heads.start + head for head in self.graph.heads_of(one)]


def top_edges(graph: Graph, scores: Tensor, count: int) -> Circuit:
    """The `count` edges of the largest scores [targets, sources] in absolute value.

    Raises InputError for more edges than there are, and for scores that are no numbers.
    """
    if not 0 <= count <= graph.size:
        raise InputError(f"a circuit of {count} edges: the graph of this model has {graph.size}")
    sizes = scores.detach().abs().float().cpu()
    if not bool(torch.isfinite(sizes[graph.allowed]).all()):
        raise InputError("the scores of the edges are not all numbers: look at the metric on these prompts")
    ranked = torch.where(graph.allowed, sizes, -torch.ones(())).flatten().argsort(descending=True, stable=True)
    edges = torch.zeros(graph.allowed.numel(), dtype=torch.bool)
    edges[ranked[:count]] = True
    return Circuit(graph, edges.reshape(graph.allowed.shape))
