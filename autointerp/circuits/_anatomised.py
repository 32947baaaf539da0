"""A model cut into the parts of its graph: what each writes on given prompts, and what is made of what each reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.circuits._graph import Graph, Shape
from autointerp.circuits._scaling import Norm
from autointerp.circuits._weights import Layer, final_norm, final_scaling, read_layers
from autointerp.errors import InputError
from autointerp.models import At, Edit, Objective, Operation, Subject
from autointerp.records import Site, SiteKind

#: What one step of a computation over prompts may hold besides the model, in bytes.
MEMORY = 256 * 2**20
#: How many vectors as wide as the stream a layer keeps of a token for the pass backward, and captures: about.
_KEPT = 32
_START = Site(layer=0, kind=SiteKind.RESID_PRE)
_FINAL = Site(layer=0, kind=SiteKind.FINAL)


@dataclass(frozen=True, eq=False)
class Outputs:
    """What every source wrote, [prompts, sources, tokens, width], and what follows the last token.

    `logits`: [prompts, vocabulary].
    """

    written: Tensor
    logits: Tensor

    def halves(self) -> tuple[Outputs, Outputs]:
        """Those of the first and of the second half of the prompts."""
        count = len(self.written) // 2
        return (
            Outputs(self.written[:count], self.logits[:count]),
            Outputs(self.written[count:], self.logits[count:]),
        )


class Parts:
    """One model as a graph. `memory` bounds what is held at a time, in bytes: prompts are taken in chunks that fit."""

    def __init__(self, subject: Subject, *, memory: int = MEMORY) -> None:
        if not subject.has_logits:
            raise InputError(f"{subject.name} has no logits: a circuit is cut out of a model with a head")
        self.subject, self.memory = subject, memory
        self.layers: list[Layer] = read_layers(subject)
        self.final: Norm = final_norm(subject)
        self.final_scaling = final_scaling(subject, self.final)
        parallel = {layer.parallel for layer in self.layers}
        if len(parallel) > 1:
            raise InputError(f"{subject.name} has layers with attention and MLP in parallel and others without")
        shape = Shape(
            tuple(len(layer.q.weight) for layer in self.layers),
            tuple(len(layer.k.weight) for layer in self.layers),
            separate=all(layer.written is not None for layer in self.layers),
            parallel=parallel == {True},
        )
        self.graph = Graph(subject.fingerprint, shape)

    def site(self, layer: int, kind: SiteKind) -> Site:
        """A site of a layer."""
        return Site(layer=layer, kind=kind)

    def rows(self, tokens: int, copies: int = 1) -> int:
        """How many prompts fit into memory at a time, where each needs `copies` of all that is written."""
        widest = max(self.shape_of_layer(layer) for layer in range(self.graph.layers))
        each = 4 * tokens * self.subject.width * (copies * len(self.graph.sources) + 3 * widest)
        return max(1, self.memory // each)

    def rows_with_gradients(self, tokens: int) -> int:
        """How many prompts one pass forward and backward may take at a time."""
        return max(1, self.memory // (4 * tokens * self.subject.width * self.graph.layers * _KEPT))

    def shape_of_layer(self, layer: int) -> int:
        """How many targets the attention of a layer has."""
        heads = self.graph.attention_targets(layer)
        return int(heads.stop - heads.start)

    def write(self, layer: int, head_out: Tensor, attn_out: Tensor) -> Tensor:
        """What the heads of a layer add to the stream, [prompts, heads or 1, tokens, width]."""
        written = self.layers[layer].written
        if written is None or not self.graph.shape.separate:
            return attn_out[:, None]
        heads = head_out.unflatten(2, written.shape[:2])
        return torch.einsum("rthe,hed->rhtd", heads, written)

    def observe(self, ids: Tensor) -> Outputs:
        """Run prompts [prompts, tokens] as they are."""
        layers = range(self.graph.layers)
        kinds = (SiteKind.HEAD_OUT, SiteKind.ATTN_OUT, SiteKind.MLP_OUT)
        capture = [_START, *(self.site(layer, kind) for layer in layers for kind in kinds)]
        run = self.subject.run(ids, capture=capture, logits=True)
        assert run.logits is not None
        parts = [run.sites[_START][:, None]]
        for layer in layers:
            head_out, attn_out, mlp_out = (run.sites[self.site(layer, kind)] for kind in kinds)
            parts += [self.write(layer, head_out, attn_out), mlp_out[:, None]]
        return Outputs(torch.cat(parts, 1), run.logits[:, -1])

    def logits(self, ids: Tensor, edits: Sequence[Edit] = ()) -> Tensor:
        """What follows each prompt, [prompts, vocabulary]."""
        logits = self.subject.run(ids, edits=edits, logits=True).logits
        assert logits is not None
        return logits[:, -1]

    def slopes(self, ids: Tensor, weights: Tensor, embedded: Tensor | None = None) -> Slopes:
        """The gradient of a weighted sum of the logits after each prompt.

        Parameters
        ----------
        weights: [prompts, vocabulary].
        embedded: what to begin with instead of the prompts' embedding, [prompts, tokens, width].
        """
        layers = range(self.graph.layers)
        kinds = (SiteKind.RESID_PRE, SiteKind.Q, SiteKind.K, SiteKind.V, SiteKind.ATTN_OUT, SiteKind.MLP_IN)
        more = (SiteKind.HEAD_OUT, SiteKind.MLP_OUT)
        capture = [self.site(layer, kind) for layer in layers for kind in (*kinds, *more)]
        last = self.site(self.graph.layers - 1, SiteKind.RESID_POST)
        edits = [] if embedded is None else [Edit(_START, Operation.SET, embedded)]
        # Without a norm the MLP reads the stream itself: a copy has the gradient through the MLP alone.
        apart = [layer for layer in layers if self.layers[layer].mlp_bare]
        nothing = torch.zeros(1)
        edits += [Edit(self.site(layer, SiteKind.MLP_IN), Operation.ADD, nothing) for layer in apart]
        run = self.subject.run(
            ids,
            capture=[*capture, last, _FINAL],
            edits=edits,
            grad_of=Objective(weights[:, None, :], positions=At((-1,))),
        )
        return Slopes(self, run.sites, run.grads)


@dataclass(frozen=True, eq=False)
class Slopes:
    """Gradients of one run, by site; and what the stream was where each target read it."""

    parts: Parts
    sites: dict[Site, Tensor]
    grads: dict[Site, Tensor]

    def of_sources(self) -> Tensor:
        """At what every source writes, [prompts, sources, tokens, width]: all that follows from it together."""
        parts, found = self.parts, [self.grads[_START][:, None]]
        for layer in range(parts.graph.layers):
            heads = parts.graph.attention_sources(layer)
            attention = self.grads[parts.site(layer, SiteKind.ATTN_OUT)][:, None]
            found.append(attention.expand(-1, heads.stop - heads.start, -1, -1))
            found.append(self.grads[parts.site(layer, SiteKind.MLP_OUT)][:, None])
        return torch.cat(found, 1)

    def at_the_end(self) -> tuple[Tensor, Tensor]:
        """The stream that the head's norm reads and the gradient behind that norm, both [prompts, tokens, width]."""
        return self.sites[self.parts.site(self.parts.graph.layers - 1, SiteKind.RESID_POST)], self.grads[_FINAL]


def through(norm: Norm, stream: Tensor, gradient: Tensor) -> Tensor:
    """Gradients [prompts, any, tokens, width] behind a norm, taken back to before it, where it read `stream`."""
    with torch.enable_grad():
        point = stream[:, None].expand_as(gradient).detach().clone().requires_grad_()
        normed = norm(point)
        if normed is point:
            return gradient
        (found,) = torch.autograd.grad(normed, point, gradient)
    return found
