"""Runs: what is asked of a forward pass, and how several requests share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models._apply import Block, Frame, Placed, changes
from autointerp.models._batch import Batch
from autointerp.models._cache import inputs_of, resumes
from autointerp.models._edits import Edit
from autointerp.models._forward import Pass, Read, forward
from autointerp.models._gradients import Objective, gradients
from autointerp.models._layout import Layout
from autointerp.models._positions import Text
from autointerp.models._usage import Usage
from autointerp.records import Site, SiteKind


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One run, as data. The fields are the arguments of `Subject.run`."""

    batch: Batch
    capture: frozenset[Site] = frozenset()
    edits: tuple[Edit, ...] = ()
    logits: bool | Tensor = False
    start: tuple[Site, Tensor] | None = None
    grad_of: Objective | tuple[Objective, ...] | None = None

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Of what gradients are taken."""
        return (self.grad_of,) if isinstance(self.grad_of, Objective) else self.grad_of or ()

    @property
    def reads_logits(self) -> bool:
        """Whether its logits are wanted, at all places or at some."""
        return self.logits is not False

    @property
    def places(self) -> Tensor | None:
        """After which column of each text alone its logits are wanted."""
        return self.logits if isinstance(self.logits, Tensor) else None

    @property
    def columns(self) -> int:
        """How many tokens its longest text has, padding included."""
        return self.batch.ids.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """What a run read.

    Attributes
    ----------
    sites: activations [batch, tokens, width] by site, [batch, heads, tokens, tokens] at a `pattern`.
    logits: [batch, tokens, vocabulary], if asked for; [batch, vocabulary], if asked for after one column of each text.
    grads: by captured site, the gradient of the objective, of the shape of the site; of several objectives, with one more axis
        [objectives, …] in front.
    objective: the objective's value for each text, [batch] or [objectives, batch].
    usage: what the run cost by itself; a pass that it shared counts as one.
    """

    sites: dict[Site, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None
    grads: dict[Site, Tensor] = field(default_factory=dict)
    objective: Tensor | None = None
    usage: Usage = field(default_factory=Usage)


def run(layout: Layout, requests: Sequence[Request]) -> list[Captured]:
    """All requests in one forward pass; each gets what it would have got alone.

    Requests with a `start` share a pass only with requests of the same start site, and such as take gradients only with such.
    """
    device = layout.device
    requests = [_moved(request, device) for request in requests]
    joint = joined_batch([request.batch for request in requests])
    frame = Frame(joint.mask)
    blocks, row = [], 0
    for request in requests:
        batch = request.batch
        blocks.append(Block(Text(batch.ids, batch.mask, batch.ids.shape[1]), row))
        row += len(batch)
    read_by_objectives = {o.site for request in requests for o in request.objectives if o.site is not None}
    follow = bool(requests[0].objectives)
    placed = [Placed(edit, block) for request, block in zip(requests, blocks, strict=True) for edit in request.edits]
    task = Pass(
        inputs_of(layout, joint.ids, joint.mask),
        frozenset[Site]().union(read_by_objectives, *(request.capture for request in requests)),
        changes(placed, frame),
        any(request.reads_logits or any(o.site is None for o in request.objectives) for request in requests),
        _joined_start(requests, joint.ids.shape[1]),
        follow,
        resumes(layout) and _joined_places(requests),
    )
    read = forward(layout, task)
    grads, values = _differentiate(requests, blocks, frame, read) if follow else ({}, [None] * len(requests))
    return [
        _share(request, block, read, grads, value, alone=len(requests) == 1)
        for request, block, value in zip(requests, blocks, values, strict=True)
    ]


def joined_batch(batches: Sequence[Batch], *, left: bool = False) -> Batch:
    """Batches below each other, with more padding (id 0) on one side where they are shorter than the longest."""
    if len(batches) == 1:
        return batches[0]
    longest = max(batch.ids.shape[1] for batch in batches)

    def widened(x: Tensor) -> Tensor:
        fill = longest - x.shape[1]
        return nn.functional.pad(x, (fill, 0) if left else (0, fill))

    return Batch(
        torch.cat([widened(batch.ids) for batch in batches]), torch.cat([widened(batch.mask) for batch in batches])
    )


def _moved(request: Request, device: torch.device) -> Request:
    batch = request.batch
    if batch.ids.device == device and batch.mask.device == device:
        return request
    return replace(request, batch=Batch(batch.ids.to(device), batch.mask.to(device)))


def _joined_places(requests: Sequence[Request]) -> bool | Tensor:
    """The one column of each text of the pass whose logits are read; False where one request reads more."""
    reading = [request for request in requests if request.reads_logits]
    if not reading or any(request.places is None for request in reading) or any(r.objectives for r in requests):
        return False
    return torch.cat(
        [torch.zeros(len(r.batch), dtype=torch.int64) if r.places is None else r.places.cpu() for r in requests]
    )


def _joined_start(requests: Sequence[Request], columns: int) -> tuple[Site, Tensor] | None:
    if requests[0].start is None:
        return None
    site = requests[0].start[0]
    for request in requests:
        found = None if request.start is None else request.start[1].shape
        if found is None or found[:2] != request.batch.ids.shape:
            texts = tuple(request.batch.ids.shape)
            raise ModelError(f"a run of texts {texts} cannot resume from activations {found and tuple(found)}")
    parts = [request.start[1] for request in requests if request.start is not None]
    if len(parts) == 1:
        return site, parts[0]
    return site, torch.cat([nn.functional.pad(x, (0, 0, 0, columns - x.shape[1])) for x in parts])


def _differentiate(
    requests: Sequence[Request], blocks: Sequence[Block], frame: Frame, read: Read
) -> tuple[dict[Site, Tensor], list[Tensor | None]]:
    """Gradients by site, [objectives, batch of the pass, …], and each request's objectives, [objectives, batch]."""
    values: list[list[Tensor]] = []
    for request, block in zip(requests, blocks, strict=True):
        values.append([])
        for objective in request.objectives:
            source = read.logits if objective.site is None else read.sites[objective.site]
            assert source is not None
            values[-1].append(objective.of(source, block, frame))
    # Texts are independent, so the n-th objectives of all requests are one sum.
    depth = max(map(len, values))
    sums = [torch.stack([own[n].sum() for own in values if n < len(own)]).sum() for n in range(depth)]
    captured = frozenset[Site]().union(*(request.capture for request in requests))
    grads = gradients(sums, {site: read.sites[site] for site in captured})
    return grads, [torch.stack(own).detach() for own in values]


def _share(
    request: Request,
    block: Block,
    read: Read,
    grads: dict[Site, Tensor],
    objective: Tensor | None,
    *,
    alone: bool,
) -> Captured:
    """A request's part of what was read."""
    columns = slice(0, request.columns)

    def own(x: Tensor, site: Site | None, leading: int = 0) -> Tensor:
        x = x.detach()
        if alone:
            return x
        x = x[(*[slice(None)] * leading, block.rows)]
        if site is not None and site.kind is SiteKind.PATTERN:
            x = x[..., columns, columns]
        elif x.ndim > leading + 2:
            x = x[..., columns, :]
        # A view would keep the activations of all the others alive.
        return x.clone()

    logits = own(read.logits, None) if request.reads_logits and read.logits is not None else None
    if logits is not None and logits.ndim == 3 and (places := request.places) is not None:
        logits = logits[:, 0] if logits.shape[1] == 1 else logits[torch.arange(len(logits)), places]
    several = not isinstance(request.grad_of, Objective)
    count = len(request.objectives)
    gradient = {site: own(grads[site], site, 1)[:count] for site in request.capture} if count else {}
    return Captured(
        {site: own(read.sites[site], site) for site in request.capture},
        logits,
        gradient if several else {site: grad[0] for site, grad in gradient.items()},
        objective if several or objective is None else objective[0],
        Usage(1, request.batch.ids.numel()),
    )
