"""What a circuit is for, as a number of the logits after the prompt: one for each pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from autointerp.circuits._pairs import Prompts
from autointerp.errors import InputError


class Metric(Protocol):
    """A number for each pair, larger where the model answers the clean prompt.

    Attributes
    ----------
    name: how it is called.
    linear: whether it is a weighted sum of logits, so that its gradient is the same everywhere.
    smooth: whether it has a gradient that says anything.
    """

    @property
    def name(self) -> str: ...

    @property
    def linear(self) -> bool: ...

    @property
    def smooth(self) -> bool: ...

    def values(self, logits: Tensor, prompts: Prompts, clean: Tensor) -> Tensor:
        """The number of each pair, [pairs].

        `logits` and `clean` [pairs, vocabulary] are what follows the last token in the run that is judged, and in the run of
        the clean prompt.
        """
        ...


@dataclass(frozen=True, slots=True)
class LogitDifference:
    """The mean logit of the right answers minus that of the wrong ones."""

    name: str = "logit_difference"
    linear: bool = True
    smooth: bool = True

    def values(self, logits: Tensor, prompts: Prompts, clean: Tensor) -> Tensor:
        """See `Metric.values`."""
        del clean
        return (logits * (prompts.right - prompts.wrong).to(logits)).sum(1)


@dataclass(frozen=True, slots=True)
class Probability:
    """The probability of the right answers together."""

    name: str = "probability"
    linear: bool = False
    smooth: bool = True

    def values(self, logits: Tensor, prompts: Prompts, clean: Tensor) -> Tensor:
        """See `Metric.values`."""
        del clean
        return (logits.softmax(1) * (prompts.right > 0).to(logits)).sum(1)


@dataclass(frozen=True, slots=True)
class Divergence:
    """Minus KL(clean ‖ this run) of the next-token distributions, in nats: 0 is the clean run's own."""

    name: str = "kl"
    linear: bool = False
    smooth: bool = True

    def values(self, logits: Tensor, prompts: Prompts, clean: Tensor) -> Tensor:
        """See `Metric.values`."""
        del prompts
        wanted = clean.log_softmax(1)
        return -(wanted.exp() * (wanted - logits.log_softmax(1))).sum(1)


@dataclass(frozen=True, slots=True)
class Classification:
    """1 where the likeliest of all answers, right and wrong, is a right one, else 0."""

    name: str = "classification"
    linear: bool = False
    smooth: bool = False

    def values(self, logits: Tensor, prompts: Prompts, clean: Tensor) -> Tensor:
        """See `Metric.values`."""
        del clean
        lowest = torch.full_like(logits, -torch.inf)
        right, wrong = (
            torch.where((answers > 0).to(logits.device), logits, lowest).amax(1)
            for answers in (prompts.right, prompts.wrong)
        )
        return (right > wrong).to(logits.dtype)


LOGIT_DIFFERENCE: Metric = LogitDifference()
_KNOWN: tuple[Metric, ...] = (LOGIT_DIFFERENCE, Probability(), Divergence(), Classification())
METRICS: dict[str, Metric] = {metric.name: metric for metric in _KNOWN}


def metric_named(name: str) -> Metric:
    """A metric by its name. Raises InputError, which lists those there are."""
    if name not in METRICS:
        raise InputError(f"no metric {name!r}: there are {', '.join(METRICS)}")
    return METRICS[name]


def slope(metric: Metric, logits: Tensor, prompts: Prompts, clean: Tensor) -> Tensor:
    """The gradient of each pair's number with respect to its logits, [pairs, vocabulary].

    Raises InputError for a metric without one.
    """
    if not metric.smooth:
        smooth = ", ".join(name for name, other in METRICS.items() if other.smooth)
        raise InputError(f"the metric {metric.name} has no gradient for attribution: use {smooth}, or patching")
    with torch.enable_grad():
        point = logits.detach().clone().requires_grad_()
        (found,) = torch.autograd.grad(metric.values(point, prompts, clean).sum(), point)
    return found
