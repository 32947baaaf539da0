"""The tiny model and its dictionary with nothing but torch hooks and the stored weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from autointerp.models import Subject

#: The block after which the tiny dictionary reads and writes.
LAYER = 1


class Plain:
    """Activations, logits and gradients, one text at a time, without any of the code under test."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        self.model: Any = subject.module
        self.tokenizer: Any = subject.tokenizer
        self.bos = subject.bos
        self.weights = load_file(folder / "sae_weights.safetensors")

    def ids(self, text: str) -> Tensor:
        return torch.tensor([[self.bos, *self.tokenizer(text, add_special_tokens=False)["input_ids"]]])

    def block(self, layer: int) -> Any:
        return self.model.model.layers[layer]

    @contextmanager
    def hooked(self, module: Any, change: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
        """Put what `change` makes of a module's output in its place; what it returns None for stays."""

        def hook(_: Any, __: Any, output: Any) -> Any:
            first = output[0] if isinstance(output, tuple) else output
            new = change(first)
            if new is None:
                return output
            return (new, *output[1:]) if isinstance(output, tuple) else new

        handle = module.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()

    def logits(self, ids: Tensor) -> Tensor:
        with torch.no_grad():
            return self.model(input_ids=ids).logits[0].float()

    def stream(self, ids: Tensor, layer: int = LAYER) -> Tensor:
        seen: list[Tensor] = []
        with self.hooked(self.block(layer), lambda x: seen.append(x[0].detach().clone())):
            self.logits(ids)
        return seen[0]

    def encode(self, x: Tensor) -> Tensor:
        """JumpReLU of the encoder, [..., latents]."""
        w = self.weights
        pre = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        return pre * (pre > w["threshold"])

    def activations(self, ids: Tensor, feature: int) -> Tensor:
        acts = self.encode(self.stream(ids))[:, feature].clone()
        acts[0] = 0.0
        return acts

    def with_added(self, ids: Tensor, feature: int, amounts: Tensor) -> Tensor:
        """Logits with amounts [tokens] of the feature's direction added to the stream."""
        direction = self.weights["W_dec"][feature]
        with self.hooked(self.block(LAYER), lambda x: x + amounts[None, :, None] * direction):
            return self.logits(ids)


def relative(before: Tensor, after: Tensor) -> Tensor:
    change = after - before
    return change - change.mean(-1, keepdim=True)


def divergence(before: Tensor, after: Tensor) -> float:
    p, q = before.softmax(-1), after.softmax(-1)
    return float((p * (p.log() - q.log())).sum())


def names(subject: Subject, ids: Sequence[int]) -> list[str]:
    return [subject.strings[i] for i in ids]
