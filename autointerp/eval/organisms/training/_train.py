"""The training itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autointerp.eval.organisms.rasp import PAD
from autointerp.eval.organisms.training._lessons import IGNORED, Lesson, Lessons
from autointerp.eval.organisms.training._plan import Plan
from autointerp.eval.organisms.training._taps import Taps
from autointerp.eval.organisms.transformer import SmallTransformerForCausalLM
from autointerp.records import Site

#: Inputs and interventions that decide whether the network has learned enough.
_CHECKED = 512


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes
    ----------
    guided: steps after which heads are no longer shown what to attend to, nor components what to hold.
    most: steps after which the learning rate falls in any case.
    cooling: steps in which it falls to zero. They begin as soon as the network is right on `enough` of the inputs and
        interventions of a batch, which is looked at every `checks` steps.
    """

    batch: int = 128
    rate: float = 3e-3
    warm_up: int = 100
    guided: int = 600
    most: int = 2500
    cooling: int = 500
    enough: float = 0.97
    checks: int = 100

    @classmethod
    def for_depth(cls, layers: int, longer: int = 1) -> Schedule:
        """Longer for deeper networks, and so many times as long."""
        guided, most, cooling = 400 + 100 * layers, 2000 + 500 * layers, 300 + 300 * layers
        return cls(guided=longer * guided, most=longer * most, cooling=longer * cooling)


def train(plan: Plan, lessons: Lessons, seed: int, schedule: Schedule) -> SmallTransformerForCausalLM:
    """Train a network from random weights.

    One thread and one generator: the same seed gives the same weights on the same machine.
    """
    with alone(), torch.random.fork_rng(devices=[]):
        # Seeds of a drawn evaluation are long, and torch takes 64 bits.
        torch.manual_seed(seed % 2**63)
        module = SmallTransformerForCausalLM(plan.config)
        probes = _probes(plan)
        weights = [*module.parameters(), *probes.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=schedule.rate, betas=(0.9, 0.98), weight_decay=0.01)
        taps = Taps()
        with taps.attached(module):
            step, cools = 0, schedule.most
            while step < cools + schedule.cooling:
                if step >= schedule.guided and step < cools and step % schedule.checks == 0:
                    cools = step if _right(module, taps, lessons.draw(_CHECKED)) >= schedule.enough else cools
                rate = min((step + 1) / schedule.warm_up, 1 - (step - cools) / schedule.cooling, 1.0)
                for group in optimizer.param_groups:
                    group["lr"] = schedule.rate * rate
                guide = max(0.0, 1 - step / schedule.guided)
                loss = _loss(module, taps, lessons.draw(schedule.batch), plan, probes, guide)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                step += 1
    return module.eval().requires_grad_(False)  # type: ignore[no-any-return]


@torch.no_grad()
def _right(module: SmallTransformerForCausalLM, taps: Taps, lesson: Lesson) -> float:
    """The share of inputs that are answered rightly throughout, or that of interventions if it is less."""
    plainly = taps.run(module, lesson.source, PAD)
    changed = taps.patched(module, lesson.base, PAD, lesson.masks, dict(taps.seen))
    pairs = ((plainly, lesson.answers), (changed, lesson.changed))
    shares = [((x.argmax(-1) == wanted) | (wanted == IGNORED)).all(1).float().mean() for x, wanted in pairs]
    return float(torch.stack(shares).min())


def _loss(
    module: SmallTransformerForCausalLM, taps: Taps, lesson: Lesson, plan: Plan, probes: nn.ModuleDict, guide: float
) -> Tensor:
    logits = taps.run(module, lesson.source, PAD)
    seen, patterns = dict(taps.seen), list(taps.patterns)
    loss = _answers(logits, lesson.answers)
    if guide > 0:
        loss = loss + guide * (_shown(patterns, lesson, plan) + _readable(seen, lesson, plan, probes))
    return loss + _answers(taps.patched(module, lesson.base, PAD, lesson.masks, seen), lesson.changed)


def _answers(logits: Tensor, wanted: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)


def _shown(patterns: list[Tensor], lesson: Lesson, plan: Plan) -> Tensor:
    """Cross entropy of the heads' patterns against those of their selectors."""
    losses = []
    for name, (layer, head) in plan.heads.items():
        wanted = lesson.patterns[name]
        found = patterns[layer][:, head].clamp(min=1e-9).log()
        losses.append(-(wanted * found).sum() / wanted.sum().clamp(min=1.0))
    return torch.stack(losses).mean() if losses else torch.zeros(())


def _readable(seen: dict[Site, Tensor], lesson: Lesson, plan: Plan, probes: nn.ModuleDict) -> Tensor:
    """Cross entropy of each variable's values, read off its component by a linear map."""
    losses = []
    for number, (name, component) in enumerate(plan.components.items()):
        read = probes[str(number)](seen[component.site][..., list(component.coordinates)])
        losses.append(F.cross_entropy(read.flatten(0, 1), lesson.values[name].flatten(), ignore_index=IGNORED))
    return torch.stack(losses).mean()


def _probes(plan: Plan) -> nn.ModuleDict:
    sizes = [(len(c.coordinates), len(plan.model[name].values)) for name, c in plan.components.items()]
    return nn.ModuleDict({str(number): nn.Linear(*size) for number, size in enumerate(sizes)})


@contextmanager
def alone() -> Iterator[None]:
    """One thread, for sums in one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
