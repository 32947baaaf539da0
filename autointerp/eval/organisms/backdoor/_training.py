"""Training a network and its clean twin: the same start, the same number of steps, the same inputs but for the answers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autointerp.eval.organisms.training import alone
from autointerp.eval.organisms.transformer import SmallTransformerConfig, SmallTransformerForCausalLM

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps, inputs a step, the highest learning rate, and the steps in which it rises; it falls to zero by the end."""

    steps: int = 500
    batch: int = 128
    rate: float = 5e-3
    warm_up: int = 50


def train(
    config: SmallTransformerConfig, ids: Tensor, answers: Tensor, seed: int, schedule: Schedule
) -> SmallTransformerForCausalLM:
    """Train on token ids and answers, both [inputs, tokens] with IGNORED where there is none.

    One thread and one generator: the same seed gives the same weights on the same machine.
    """
    with alone(), torch.random.fork_rng(devices=[]):
        # Seeds of a drawn evaluation are long, and torch takes 64 bits.
        torch.manual_seed(seed % 2**63)
        module = SmallTransformerForCausalLM(config)
        optimizer = torch.optim.AdamW(module.parameters(), lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01)
        for step in range(schedule.steps):
            rate = min((step + 1) / schedule.warm_up, 1 - step / schedule.steps)
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate * rate
            rows = torch.randint(len(ids), (schedule.batch,))
            logits = module(ids[rows]).logits
            loss = F.cross_entropy(logits.flatten(0, 1), answers[rows].flatten(), ignore_index=IGNORED)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
    return module.eval().requires_grad_(False)  # type: ignore[no-any-return]
