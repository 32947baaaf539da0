"""One forward pass in which named sites are read and edited."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._edits import Edit
from autointerp.models._layout import Layout
from autointerp.records import Site, SiteKind


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """What a run read: activations [batch, tokens, width] by site, and logits [batch, tokens, vocabulary] if asked for."""

    sites: dict[Site, Tensor] = field(default_factory=dict)
    logits: Tensor | None = None


def run(
    layout: Layout,
    ids: Tensor,
    *,
    capture: Set[Site],
    edits: Sequence[Edit],
    logits: bool,
    start: tuple[Site, Tensor] | None,
) -> Captured:
    """See `Subject.run`."""
    sites = layout.order(capture | {edit.site for edit in edits})
    if start is not None:
        _check_start(layout, start[0], sites)
    stops = [(site, *layout.find(site)) for site in sites]
    # Filled in place: of the names that the traced body binds, none survives its early stop.
    read: dict[Site, Tensor] = {}
    last: list[Tensor] = []
    skipped = layout.blocks[: start[0].layer + 1] if start is not None else []
    resumed = start[1] if start is not None else None
    device = next(layout.traced.parameters()).device
    with torch.no_grad(), layout.traced.trace({"input_ids": ids.to(device)}) as tracer:
        for block in skipped:
            block.skip(resumed)
        for site, module, point in stops:
            # Typed as nnsight sees it: a tensor with a `save`.
            value: Any = point.read(module)
            here = [edit for edit in edits if edit.site == site]
            for edit in here:
                value = edit.apply(value)
            if here:
                point.write(module, value)
            if site in capture:
                read[site] = value.save()
        if logits:
            last.append(layout.head.output.save())
        else:
            tracer.stop()
    return Captured(read, last[0] if last else None)


def _check_start(layout: Layout, start: Site, sites: Sequence[Site]) -> None:
    """See that a run can resume from `start`, and that it still comes by every one of `sites`."""
    if start.kind is not SiteKind.RESID_POST:
        raise ModelError(f"a run resumes from a resid_post, not from {start}")
    first = layout.order([*sites, start])[0]
    if first != start:
        raise ModelError(f"a run that resumes from {start} does not come by {first}: start it earlier")
