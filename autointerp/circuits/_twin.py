"""A model's untrained twin: the same in everything but what it learned."""

from __future__ import annotations

from copy import deepcopy

import torch

from autointerp.models import Subject

#: Of the matrices of a model that does not say how it was initialised.
_STD = 0.02


def untrained_twin(subject: Subject, *, seed: int) -> Subject:
    """A model of the same shape and tokenizer whose matrices are drawn anew, as before training, biases zero, norms one."""
    module = deepcopy(subject.module)
    std = float(getattr(getattr(module, "config", None), "initializer_range", None) or _STD)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if weight.ndim > 1:
                weight.copy_(std * torch.randn(weight.shape, generator=generator).to(weight))
            else:
                weight.fill_(0.0 if name.endswith("bias") else 1.0)
    return Subject.wrap(
        module,
        tokenizer=subject.tokenizer,
        name=f"{subject.name} untrained",
        bos=subject.bos,
        padding=subject.padding,
        context=subject.context,
    )
