"""An autoencoder of the tiny model as plain matrices, and the model's layers as plain hooks: what latents are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor


class Plain:
    """The jump-ReLU autoencoder of a folder, in double precision."""

    def __init__(self, folder: Path) -> None:
        weights = {key: value.double() for key, value in load_file(folder / "sae_weights.safetensors").items()}
        self.encoder, self.rows = weights["W_enc"], weights["W_dec"]
        self.b_enc, self.b_dec, self.threshold = weights["b_enc"], weights["b_dec"], weights["threshold"]

    def acts(self, x: Tensor) -> Tensor:
        """[tokens, latents] for x [tokens, width]."""
        pre = (x.double() - self.b_dec) @ self.encoder + self.b_enc
        return pre * (pre > self.threshold)

    def rest(self, x: Tensor) -> Tensor:
        """What the latents leave over."""
        return x.double() - self.acts(x) @ self.rows


@contextmanager
def changed(place: Any, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """A module's output [batch, tokens, width] changed while the context lasts."""

    def hook(_module: Any, _inputs: Any, out: Any) -> Any:
        if isinstance(out, tuple):
            return (change(out[0]), *out[1:])
        return change(out)

    handle = place.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def entering(place: Any, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """What a module takes in, changed."""
    handle = place.register_forward_pre_hook(lambda _module, inputs: (change(inputs[0]), *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


def adding(shift: Tensor) -> Callable[[Tensor], Tensor]:
    """A change that adds."""
    return lambda x: x + shift


def seen(module: Any, place: Any, ids: Tensor, *, entry: bool = False) -> Tensor:
    """What a module gives, or takes in, on one prompt [1, tokens]: [tokens, width]."""
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.append(x.detach().clone())
        return x

    with torch.no_grad(), (entering if entry else changed)(place, keep):
        module(ids)
    return found[0][0]


def metric(logits: Tensor) -> Tensor:
    """That of the task made up for these tests."""
    return logits[:, -1, [10, 11]].mean(1) - logits[:, -1, 20]


def plain_metric(module: Any, ids: Tensor) -> float:
    """The same of one prompt."""
    with torch.no_grad():
        return float(metric(module(ids).logits))
