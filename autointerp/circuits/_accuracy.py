"""Whether a model does a task at all."""

from __future__ import annotations

import torch

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._pairs import chunks, prompts_of
from autointerp.circuits._task import Task


def accuracy(parts: Parts, task: Task) -> float:
    """The share of prompts, clean and corrupted, after which the likeliest of all answers of the pair is the prompt's own."""
    hits = 0
    for group in prompts_of(parts.subject, task.pairs):
        for prompts in chunks([group], parts.rows(group.clean.shape[1])):
            for ids, own, other in (
                (prompts.clean, prompts.right, prompts.wrong),
                (prompts.corrupted, prompts.wrong, prompts.right),
            ):
                logits = parts.logits(ids).float().cpu()
                best = [torch.where(answers > 0, logits, -torch.inf).amax(1) for answers in (own, other)]
                hits += int((best[0] > best[1]).sum())
    return hits / (2 * len(task))
