"""Twins of a model that computed nothing of what it learned: what an explanation predicts in them was never learned."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from torch import nn

from autointerp.errors import ModelError
from autointerp.models import Subject


def untrained(subject: Subject, *, seed: int) -> Subject:
    """The same model with the entries of every weight in random order: as large as before, and without what was learned."""
    module = deepcopy(subject.module)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
            weight.copy_(weight.flatten()[order].reshape(weight.shape))
    return _wrapped(subject, module, "untrained")


def layer_shuffled(subject: Subject, *, seed: int) -> Subject:
    """The same blocks in another order. Raises ModelError for a model of one layer, or whose blocks are not in one list."""
    module = deepcopy(subject.module)
    lists = [part for part in module.modules() if isinstance(part, nn.ModuleList) and len(part) == subject.layers]
    if subject.layers < 2 or not lists:
        raise ModelError(f"{subject.name} has no list of two or more blocks that could change places")
    random = np.random.default_rng([seed, 13])
    order = random.permutation(subject.layers)
    while (order == np.arange(subject.layers)).all():
        order = random.permutation(subject.layers)
    blocks = list(lists[0])
    for place, old in enumerate(order.tolist()):
        lists[0][place] = blocks[old]
    return _wrapped(subject, module, "layers shuffled")


def _wrapped(subject: Subject, module: nn.Module, how: str) -> Subject:
    return Subject.wrap(
        module,
        tokenizer=subject.tokenizer,
        name=f"{subject.name}, {how}",
        causal=subject.causal,
        context=subject.context,
    )
