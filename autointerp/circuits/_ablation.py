"""What stands in the place of what is cut: the four kinds of ablation."""

from __future__ import annotations

import random
from collections import defaultdict
from enum import StrEnum

import torch
from torch import Tensor

from autointerp.circuits._anatomised import Parts
from autointerp.circuits._pairs import Prompts, chunks, prompts_of
from autointerp.circuits._task import Task
from autointerp.errors import InputError


class Ablation(StrEnum):
    """What a cut edge carries.

    counterfactual: what its source writes on the corrupted prompt. mean: the mean of what it writes over the tokens of all
    clean prompts. zero: nothing. resample: what it writes on the clean prompt of another pair, drawn at random.
    """

    COUNTERFACTUAL = "counterfactual"
    MEAN = "mean"
    ZERO = "zero"
    RESAMPLE = "resample"


class Reference:
    """What every source writes in an ablated run, for prompts of one task. Raises InputError where that is not defined."""

    def __init__(self, parts: Parts, task: Task, kind: Ablation, *, seed: int = 0) -> None:
        self.parts, self.kind = parts, kind
        self._mean = _mean_written(parts, task) if kind is Ablation.MEAN else None
        self._partners = partners(task, seed) if kind is Ablation.RESAMPLE else {}

    def written(self, prompts: Prompts) -> Tensor:
        """[prompts, sources, tokens, width]."""
        if self.kind is Ablation.RESAMPLE:
            ids = torch.tensor([self._partners[int(row)] for row in prompts.rows])
            return self.parts.observe(ids).written
        if self.kind is Ablation.COUNTERFACTUAL:
            return self.parts.observe(prompts.corrupted).written
        shape = (len(prompts), len(self.parts.graph.sources), prompts.clean.shape[1], self.parts.subject.width)
        if self._mean is None:
            return torch.zeros(shape, device=self.parts.subject.device)
        return self._mean[None, :, None, :].expand(shape)


def _mean_written(parts: Parts, task: Task) -> Tensor:
    """Over all tokens but BOS, where every text writes the same, [sources, width]."""
    total, count = torch.zeros(()), 0
    for group in prompts_of(parts.subject, task.pairs):
        for prompts in chunks([group], parts.rows(group.clean.shape[1], 1)):
            written = parts.observe(prompts.clean).written[:, :, 1:]
            total = total.to(written) + written.sum((0, 2))
            count += len(prompts) * written.shape[2]
    return total / count


def partners(task: Task, seed: int) -> dict[int, tuple[int, ...]]:
    """For every pair the clean prompt of another one of the same length."""
    source, by_length = random.Random(seed), defaultdict[int, list[int]](list)
    for number, pair in enumerate(task.pairs):
        by_length[len(pair.clean)].append(number)
    others = {}
    for length, numbers in by_length.items():
        if len(numbers) < 2:
            raise InputError(
                f"one prompt of {length} tokens alone cannot be resampled: give two of that length, or use another ablation"
            )
        for number in numbers:
            others[number] = task.pairs[source.choice([n for n in numbers if n != number])].clean
    return others
