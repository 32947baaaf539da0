"""One traced forward pass: sites are read and edited on the way, and it goes no further than it has to."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models._apply import Change
from autointerp.models._layout import Layout
from autointerp.models._points import Point
from autointerp.records import Site, SiteKind

# nnsight keeps state for the process, so that two threads may not trace at once, not even two models.
_TRACING = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What one forward pass is to do.

    Attributes
    ----------
    inputs: keywords of the model.
    capture: sites to read, after the changes there.
    edits: what is done at each site.
    logits: whether to go on to the logits.
    start: a resid_post site and the activations to resume from there.
    follow: whether gradients are to be taken of what is read, with respect to what is captured.
    ending: whether of the logits those of the last column alone are wanted, or of which column of each text, int64 [batch]. For
        models that go on from a cache, whose head and MLP therefore work token by token.
    """

    inputs: dict[str, Any]
    capture: Set[Site] = frozenset()
    edits: Mapping[Site, Change] = field(default_factory=dict)
    logits: bool = False
    start: tuple[Site, Tensor] | None = None
    follow: bool = False
    ending: bool | Tensor = False


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What a forward pass read: activations by site, and logits; with their graph where it was followed.

    Of a pass with an `ending` the logits are those of one column, [batch, 1, vocabulary].
    """

    sites: dict[Site, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None


def forward(layout: Layout, task: Pass) -> Read:
    """Carry out a pass. Raises ModelError for unknown sites, edits that do not fit, and a start behind what is read."""
    if layout.remote:
        # Imported here, as it is about passes too.
        from autointerp.models import _remote

        with _TRACING:
            return _remote.forward(layout, task)
    edits = task.edits
    sites = layout.order(task.capture | edits.keys())
    if task.start is not None:
        _check_start(layout, task.start[0], sites)
    head = layout.head
    if task.logits and head is None:
        raise ModelError(f"{layout.name} has no head and so no logits: read a site instead")
    stops = [(site, *layout.find(site)) for site in sites]
    # Filled in place: of the names that the traced body binds, none survives its early stop.
    read: dict[Site, Tensor] = {}
    last: list[Tensor] = []
    skipped = layout.blocks[: task.start[0].layer + 1] if task.start is not None else []
    resumed = task.start[1] if task.start is not None else None
    brief = task.ending is not False
    mlp = _last_mlp(layout, sites) if brief and len(skipped) < layout.layers else None
    unembed = layout.unembed if brief else None
    with (
        _TRACING,
        layout.computing(sites),
        torch.set_grad_enabled(task.follow),
        layout.traced.trace(task.inputs) as tracer,
    ):
        for block in skipped:
            block.skip(resumed)
        for site, module, point in stops:
            # Typed as nnsight sees it: a tensor with a `save`.
            value: Any = point.read(module)
            if site in edits:
                value = edits[site](value)
            if task.follow and site in task.capture:
                # Written back even where it is as it was read: what a point reads may be a view that nothing depends on. And
                # under a name of its own: what a module takes in may go past it as well, as the stream does without a norm.
                value = value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
            if site in edits or (task.follow and site in task.capture):
                point.write(module, value)
            if site in task.capture:
                read[site] = value.save()
        if mlp is not None:
            tokens = mlp.input
            ending = mlp(_picked(tokens, task.ending))
            if isinstance(ending, Tensor):
                mlp.skip(_put_back(ending, tokens.shape[1], task.ending))
        if unembed is not None:
            unembed.input = _picked(unembed.input, task.ending)
        if task.logits and head is not None:
            last.append(head.output.save())
        else:
            tracer.stop()
    return Read(read, _ending_of(last[0] if last else None, task.ending))


def _ending_of(logits: Tensor | None, ending: bool | Tensor) -> Tensor | None:
    """The logits of the columns that are wanted, also where the head computed them all; a classifier's as they are."""
    if logits is None or ending is False or logits.ndim < 3 or logits.shape[1] == 1:
        return logits
    return _picked(logits, ending)


def _picked(x: Tensor, ending: bool | Tensor) -> Tensor:
    """One column of each text, [batch, 1, …]; what has no columns as it is."""
    if x.ndim < 3:
        return x
    if isinstance(ending, Tensor):
        return x[torch.arange(len(x), device=x.device), ending.to(x.device)][:, None]
    # A copy: on a slice with gaps torch multiplies text by text.
    return x[:, -1:].contiguous()


def _put_back(part: Tensor, columns: int, ending: bool | Tensor) -> Tensor:
    """One column of each text where it was, and zeros in the others, which nothing reads."""
    if not isinstance(ending, Tensor):
        return nn.functional.pad(part, (0, 0, columns - 1, 0))
    whole = part.new_zeros(len(part), columns, part.shape[-1])
    whole[torch.arange(len(part), device=part.device), ending.to(part.device)] = part[:, 0]
    return whole


def _last_mlp(layout: Layout, sites: Sequence[Site]) -> Any:
    """The traced MLP of the last layer, which works token by token: for the logits of one token it has to see one only.

    None where a site in the last layer or behind it is read or edited, or where the MLP is no module of one input.
    """
    before, mlp_in = (Site(layer=layout.layers - 1, kind=kind) for kind in (SiteKind.RESID_PRE, SiteKind.MLP_IN))
    if not {before, mlp_in} <= set(layout.sites) or layout.order([*sites, before])[-1] != before:
        return None
    mlp, point = layout.find(mlp_in)
    # Of the class: on the instance nnsight has put a forward of its own.
    takes = [p for p in inspect.signature(type(mlp._module).forward).parameters.values() if p.default is p.empty]
    return mlp if point == Point(point.module, "input") and len(takes) == len(("self", "hidden_states")) else None


def _check_start(layout: Layout, start: Site, sites: Sequence[Site]) -> None:
    """See that a run can resume from `start`, and that it still comes by every one of `sites`."""
    if start.kind is not SiteKind.RESID_POST:
        raise ModelError(f"a run resumes from a resid_post, not from {start}")
    first = layout.order([*sites, start])[0]
    if first != start:
        raise ModelError(f"a run that resumes from {start} does not come by {first}: start it earlier")
