"""What a network is taught: inputs, answers, and answers under interventions, drawn from a causal model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from autointerp.eval.organisms._protocol import Component
from autointerp.eval.organisms.rasp import BOS, NOTHING, PAD, Attend, Bools, Forced, Ints
from autointerp.eval.organisms.training._plan import Plan
from autointerp.records import Site

Row: TypeAlias = npt.NDArray[np.float64]

#: The target of a position that is not graded; what `cross_entropy` leaves out.
IGNORED = -100
#: Of the inputs in a batch, the parts on which no variable is exchanged, and on which two are; the others have one.
_NONE, _TWO = 0.15, 0.25
#: The part of the inputs of a batch in which the unused components hold what they hold on another input.
_IDLE = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch.

    Attributes
    ----------
    source, base: token ids [inputs, tokens], BOS first.
    answers: token ids wanted on `source`, IGNORED elsewhere.
    changed: token ids wanted on `base` while the components in `masks` hold what they hold on `source`.
    masks: bool [inputs, tokens, width] by site.
    values: index of each computed variable's value on `source`, IGNORED where there is none, [inputs, tokens].
    patterns: what each head should attend to on `source`, [inputs, queries, keys], zero rows where it does not matter.
    """

    source: Tensor
    base: Tensor
    answers: Tensor
    changed: Tensor
    masks: dict[Site, Tensor]
    values: dict[str, Tensor]
    patterns: dict[str, Tensor]


class Lessons:
    """Draws batches. `own` and `answers` are the token ids of the vocabulary and of the output's values."""

    def __init__(self, plan: Plan, inputs: Ints, own: Ints, answers: Ints, random: np.random.Generator) -> None:
        self.plan, self.inputs, self.random = plan, inputs, random
        # There are few short inputs, and an organism has to be right on them too: lengths are drawn as it samples them.
        lengths = (inputs != NOTHING).sum(axis=1)
        shares = np.bincount(lengths, minlength=plan.model.length + 1)
        self._chances = np.cumsum((2.0 * lengths - 1.0) / shares[lengths])
        self._chances /= self._chances[-1] * (1 + 1e-12)
        self._own, self._answers = np.r_[own, PAD], np.r_[answers, IGNORED]
        self._widths = {
            component.site: plan.config.num_attention_heads * plan.config.head_dim
            if component.site.kind == "head_out"
            else plan.config.intermediate_size
            for component in (*plan.components.values(), *plan.unused)
        }

    def draw(self, size: int) -> Lesson:
        """A batch of `size` inputs for each of base and source."""
        model, random = self.plan.model, self.random
        source, base = (self.inputs[np.searchsorted(self._chances, random.random(size))] for _ in range(2))
        solved = model.solve(source)
        where = self._where(base, source)
        forced = {name: Forced(rows, solved[name]) for name, rows in where.items()}
        idle = (random.random(size) < _IDLE)[:, None] & (base != NOTHING) & (source != NOTHING)
        return Lesson(
            source=self._ids(source),
            base=self._ids(base),
            answers=_behind_bos(self._answers[solved[model.output]]),
            changed=_behind_bos(self._answers[model.solve(base, forced)[model.output]]),
            masks=self._masks(where, idle),
            values={
                name: _behind_bos(np.where(solved[name] == NOTHING, IGNORED, solved[name]))
                for name in self.plan.components
            },
            patterns={name: self._pattern(name, source, solved) for name in self.plan.heads},
        )

    def _where(self, base: Ints, source: Ints) -> dict[str, Bools]:
        """At which tokens of which inputs each variable is exchanged."""
        names, random, size = list(self.plan.components), self.random, len(base)
        both = (base != NOTHING) & (source != NOTHING)
        draws = random.random(size)
        first, second = (random.integers(len(names), size=size) for _ in range(2))
        place = (random.random(size) * both.sum(axis=1)).astype(np.int64)
        single = random.random(size) < 0.5
        here = both & (~single[:, None] | (np.arange(both.shape[1])[None, :] == place[:, None]))
        one, two = draws >= _NONE, draws >= 1 - _TWO
        return {
            name: here & ((one & (first == number)) | (two & (second == number)))[:, None]
            for number, name in enumerate(names)
        }

    def _masks(self, where: Mapping[str, Bools], idle: Bools) -> dict[Site, Tensor]:
        masks = {
            site: torch.zeros(len(idle), idle.shape[1] + 1, width, dtype=torch.bool)
            for site, width in self._widths.items()
        }

        def mark(component: Component, tokens: Bools) -> None:
            own = torch.zeros(self._widths[component.site], dtype=torch.bool)
            own[list(component.coordinates)] = True
            masks[component.site] |= torch.from_numpy(np.pad(tokens, ((0, 0), (1, 0))))[..., None] & own

        for name, tokens in where.items():
            mark(self.plan.components[name], tokens)
        for component in self.plan.unused:
            mark(component, idle)
        return masks

    def _pattern(self, name: str, source: Ints, solved: Mapping[str, Ints]) -> Tensor:
        """Equal weight on every selected token; on BOS where there is none, and always if the head counts."""
        variable = self.plan.model[name]
        assert isinstance(variable, Attend)
        there = source != NOTHING
        holds = there[:, :, None] & there[:, None, :]
        if self.plan.model.causal:
            holds &= np.tri(source.shape[1], dtype=bool)
        for clause in variable.clauses:
            table = np.pad(np.array(clause.table), ((0, 1), (0, 1)))
            holds &= table[solved[clause.queries][:, :, None], solved[clause.keys][:, None, :]]
        bos = there & ((variable.source is None) | ~holds.any(axis=2))
        weights: Row = np.concatenate([bos[:, :, None], holds], axis=2).astype(np.float64)
        weights /= np.maximum(weights.sum(axis=2, keepdims=True), 1)
        return torch.from_numpy(np.pad(weights, ((0, 0), (1, 0), (0, 0)))).float()

    def _ids(self, inputs: Ints) -> Tensor:
        return torch.from_numpy(np.pad(self._own[inputs], ((0, 0), (1, 0)), constant_values=BOS))


def _behind_bos(targets: Ints) -> Tensor:
    return torch.from_numpy(np.pad(targets, ((0, 0), (1, 0)), constant_values=IGNORED))
