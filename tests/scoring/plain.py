"""The same measurements with nothing but torch hooks, to compare with."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.dictionaries import Dictionary
from autointerp.models import Subject


def logits(subject: Subject, dictionary: Dictionary, ids: Tensor, added: Tensor | None = None) -> Tensor:
    """Next-token logits with `added` [texts, tokens, width] put on top of what the dictionary's block writes."""
    block = subject.module.model.layers[dictionary.output_site.layer]

    def hook(module: object, arguments: object, output: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        if added is None:
            return output
        return (output[0] + added, *output[1:]) if isinstance(output, tuple) else output + added

    handle = block.register_forward_hook(hook)
    try:
        with torch.no_grad():
            return subject.module(input_ids=ids).logits.float()
    finally:
        handle.remove()


def change_at(
    subject: Subject, dictionary: Dictionary, ids: Tensor, places: Tensor, amount: Tensor, direction: Tensor
) -> Tensor:
    """Logit change at one place of each text when `amount` times `direction` is added there, less its mean."""
    rows = torch.arange(len(ids))
    added = torch.zeros(*ids.shape, len(direction))
    added[rows, places] = amount[:, None] * direction
    changed = logits(subject, dictionary, ids, added)[rows, places] - logits(subject, dictionary, ids)[rows, places]
    return changed - changed.mean(1, keepdim=True)


def divergence(subject: Subject, dictionary: Dictionary, ids: Tensor, length: int, added: Tensor) -> float:
    """KL(clean ‖ edited) of one text in nats a place, over the places after BOS; ids [tokens], added [tokens, width]."""
    clean = logits(subject, dictionary, ids[None])[0, 1:length].log_softmax(-1)
    edited = logits(subject, dictionary, ids[None], added[None])[0, 1:length].log_softmax(-1)
    return float(torch.nn.functional.kl_div(edited, clean, log_target=True, reduction="sum")) / (length - 1)
