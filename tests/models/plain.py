"""The same readings and edits with torch's own hooks: what every site and every edit is checked against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from autointerp.records import Site, SiteKind

Change = Callable[[Tensor], Tensor]


def _place(module: nn.Module, site: Site) -> tuple[nn.Module, bool]:
    """The module of a site in a Llama, and whether it is the module's input."""
    block = module.model.layers[site.layer]
    places = {
        SiteKind.EMBED: (module.model.embed_tokens, False),
        SiteKind.FINAL: (module.model.norm, False),
        SiteKind.RESID_PRE: (block, True),
        SiteKind.RESID_POST: (block, False),
        SiteKind.ATTN_OUT: (block.self_attn, False),
        SiteKind.HEAD_OUT: (block.self_attn.o_proj, True),
        SiteKind.MLP_IN: (block.mlp, True),
        SiteKind.MLP_HIDDEN: (block.mlp.down_proj, True),
        SiteKind.MLP_OUT: (block.mlp, False),
    }
    return places[site.kind]


def _hook(module: nn.Module, site: Site, visit: Change) -> Any:
    place, is_input = _place(module, site)
    if is_input:

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (visit(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": visit(kwargs["hidden_states"])}

        return place.register_forward_pre_hook(before, with_kwargs=True)

    def after(_: nn.Module, __: Any, output: Any) -> Any:
        return (visit(output[0]), *output[1:]) if isinstance(output, tuple) else visit(output)

    return place.register_forward_hook(after)


def plain_run(
    module: nn.Module, ids: Tensor, *, capture: Sequence[Site] = (), edits: Sequence[tuple[Site, Change]] = ()
) -> tuple[dict[Site, Tensor], Tensor]:
    """Readings by site, taken after the edits there, and logits."""
    seen: dict[Site, Tensor] = {}

    def reader(site: Site) -> Change:
        def visit(x: Tensor) -> Tensor:
            seen[site] = x.clone()
            return x

        return visit

    handles = [_hook(module, site, change) for site, change in edits]
    handles += [_hook(module, site, reader(site)) for site in capture]
    try:
        with torch.no_grad():
            logits = module(ids).logits
    finally:
        for handle in handles:
            handle.remove()
    return seen, logits
