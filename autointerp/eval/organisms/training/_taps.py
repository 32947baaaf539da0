"""Reading and overwriting components in a forward pass that gradients flow through, with torch's own hooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from autointerp.records import Site, SiteKind


class Taps:
    """What the last forward pass had at each `head_out` and `mlp_hidden`, and its attention patterns by layer."""

    def __init__(self) -> None:
        self.seen: dict[Site, Tensor] = {}
        self.patterns: list[Tensor] = []
        self.masks: Mapping[Site, Tensor] = {}
        self.values: Mapping[Site, Tensor] = {}

    def run(self, module: nn.Module, ids: Tensor, padding: int) -> Tensor:
        """Logits [batch, tokens, vocabulary] of a plain forward pass."""
        return self.patched(module, ids, padding, {}, {})

    def patched(
        self, module: nn.Module, ids: Tensor, padding: int, masks: Mapping[Site, Tensor], values: Mapping[Site, Tensor]
    ) -> Tensor:
        """Logits with `values` in the place of the activations wherever the mask (bool, of their shape) of a site is True."""
        self.seen, self.patterns, self.masks, self.values = {}, [], masks, values
        try:
            logits: Tensor = module(ids, attention_mask=ids != padding).logits
        finally:
            # Whoever else runs the module meanwhile shall find it as it is.
            self.masks, self.values = {}, {}
        return logits

    @contextmanager
    def attached(self, module: Any) -> Iterator[None]:
        """Hooks on the module for as long as the context lasts."""
        handles = []
        for number, block in enumerate(module.model.layers):
            for kind, layer in (
                (SiteKind.HEAD_OUT, block.attention.o_proj),
                (SiteKind.MLP_HIDDEN, block.mlp.down_proj),
            ):
                handles.append(layer.register_forward_pre_hook(self._at(Site(layer=number, kind=kind))))
            handles.append(block.attention.pattern.register_forward_hook(self._pattern))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _at(self, site: Site) -> Any:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = args[0]
            if site in self.masks:
                x = torch.where(self.masks[site], self.values[site], x)
            self.seen[site] = x
            return (x, *args[1:])

        return hook

    def _pattern(self, _: nn.Module, __: Any, output: Tensor) -> None:
        self.patterns.append(output)
