"""Running a model of which only some edges are left: every target reads its own stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autointerp.circuits._ablation import Ablation, Reference
from autointerp.circuits._anatomised import Parts
from autointerp.circuits._graph import Circuit
from autointerp.circuits._pairs import Prompts, chunks, prompts_of
from autointerp.circuits._task import Task
from autointerp.errors import InputError
from autointerp.models import Captured, Edit, Operation
from autointerp.records import Site, SiteKind


def metric_of_circuits(
    parts: Parts,
    task: Task,
    circuits: Sequence[Circuit],
    *,
    ablation: Ablation = Ablation.COUNTERFACTUAL,
    seed: int = 0,
) -> Tensor:
    """The metric of each pair with only the edges of a circuit left, [circuits, pairs].

    An edge that is not in the circuit carries what the ablation puts there; one that is carries what its source writes in
    this very run. Several circuits share a pass.

    Raises InputError for a circuit of another model, and for an ablation that these prompts do not allow.
    """
    for circuit in circuits:
        if circuit.graph.model != parts.graph.model or circuit.graph.shape != parts.graph.shape:
            raise InputError(
                f"a circuit of the model {circuit.graph.model}, and the model here is {parts.graph.model}: "
                "find it again in this one"
            )
    reference = Reference(parts, task, ablation, seed=seed)
    found = torch.zeros(len(circuits), len(task))
    edges = torch.stack([circuit.edges for circuit in circuits]) if circuits else torch.zeros(0)
    for group in prompts_of(parts.subject, task.pairs):
        fits = parts.rows(group.clean.shape[1], 3)
        for prompts in chunks([group], fits):
            instead, clean = reference.written(prompts), parts.logits(prompts.clean)
            for start in range(0, len(circuits), max(1, fits // len(prompts))):
                some = slice(start, start + max(1, fits // len(prompts)))
                logits = run_circuits(parts, prompts, edges[some], instead)
                for row, here in enumerate(logits):
                    found[start + row, prompts.rows] = task.metric.values(here, prompts, clean).float().cpu()
    return found


def run_circuits(parts: Parts, prompts: Prompts, edges: Tensor, instead: Tensor) -> Tensor:
    """The logits after each prompt, [circuits, prompts, vocabulary].

    Parameters
    ----------
    edges: bool [circuits, targets, sources], those that are left.
    instead: what the others carry, [prompts, sources, tokens, width].
    """
    count, many = len(edges), len(prompts)
    ids = prompts.clean.repeat(count, 1)
    with torch.no_grad():
        run = _Cut(parts, ids, edges.repeat_interleave(many, 0), instead)
        for layer in range(parts.graph.layers):
            run.attend(layer)
            run.think(layer)
        logits = run.conclude()
    found: Tensor = logits.unflatten(0, (count, many))
    return found


class _Cut:
    """One pass, a layer at a time; rows are circuits × prompts."""

    def __init__(self, parts: Parts, ids: Tensor, edges: Tensor, instead: Tensor) -> None:
        self.parts, self.ids, self.instead = parts, ids, instead
        self.cut = (~edges & parts.graph.allowed).to(instead)
        start = parts.site(0, SiteKind.RESID_PRE)
        self.stream = parts.subject.run(ids, capture=[start]).sites[start]
        self.before = self.stream
        #: How what each source writes differs from what a cut edge carries.
        self.excess = self.stream.new_zeros(len(ids), len(parts.graph.sources), *self.stream.shape[1:])
        self._wrote(slice(0, 1), self.stream[:, None])

    def attend(self, layer: int) -> None:
        """Queries, keys and values from the streams that they read, and what the heads make of them."""
        graph, own = self.parts.graph, self.parts.layers[layer]
        heads, sources = graph.attention_targets(layer), graph.attention_sources(layer)
        projected = own.projected(self._read(heads, sources.start))
        edits = [Edit(self.parts.site(layer, kind), Operation.SET, values) for kind, values in projected.items()]
        wanted = [self.parts.site(layer, SiteKind.HEAD_OUT), self.parts.site(layer, SiteKind.ATTN_OUT)]
        seen = self._run(layer, wanted, edits).sites
        self._wrote(sources, self.parts.write(layer, seen[wanted[0]], seen[wanted[1]]))
        self.before = self.stream
        self.stream = self.stream + seen[wanted[1]]

    def think(self, layer: int) -> None:
        """The MLP from the stream that it reads."""
        graph, own = self.parts.graph, self.parts.layers[layer]
        target = graph.attention_targets(layer).stop
        stream = self.before if own.parallel else self.stream
        read = self._read(slice(target, target + 1), graph.before_mlp(layer), stream)[:, 0]
        out = self.parts.site(layer, SiteKind.MLP_OUT)
        edit = Edit(self.parts.site(layer, SiteKind.MLP_IN), Operation.SET, own.mlp_norm(read))
        written = self._run(layer, [out], [edit]).sites[out]
        number = graph.attention_sources(layer).stop
        self._wrote(slice(number, number + 1), written[:, None])
        self.stream = self.stream + written

    def conclude(self) -> Tensor:
        """The logits after the last token."""
        last = len(self.parts.graph.targets) - 1
        read = self.parts.final(self._read(slice(last, last + 1), len(self.parts.graph.sources))[:, 0])
        edit = Edit(Site(layer=0, kind=SiteKind.FINAL), Operation.SET, read)
        logits = self._run(self.parts.graph.layers, [], [edit]).logits
        assert logits is not None
        return logits[:, -1]

    def _read(self, targets: slice, sources: int, stream: Tensor | None = None) -> Tensor:
        """What some targets read, [rows, targets, tokens, width]: the stream, with what is cut exchanged."""
        excess = self.excess[:, :sources].flatten(2)
        removed = (self.cut[:, targets, :sources] @ excess).unflatten(2, self.stream.shape[1:])
        found: Tensor = (self.stream if stream is None else stream)[:, None] - removed
        return found

    def _wrote(self, sources: slice, written: Tensor) -> None:
        copies = len(self.ids) // len(self.instead)
        self.excess[:, sources] = written - self.instead[:, sources].repeat(copies, 1, 1, 1)

    def _run(self, layer: int, capture: list[Site], edits: list[Edit]) -> Captured:
        """From the stream that enters a layer; what the layer reads of it is edited anyway."""
        entry = self.stream if not capture or capture[0].kind is not SiteKind.MLP_OUT else self.before
        if layer == 0:
            edits = [Edit(self.parts.site(0, SiteKind.RESID_PRE), Operation.SET, entry), *edits]
            return self.parts.subject.run(self.ids, capture=capture, edits=edits)
        start = (self.parts.site(layer - 1, SiteKind.RESID_POST), entry)
        return self.parts.subject.run(self.ids, capture=capture, edits=edits, logits=not capture, start=start)
