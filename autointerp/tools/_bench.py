"""The bench that a scientist works at: a model, a dictionary, one feature of it, and text to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from autointerp.activations import TrainView
from autointerp.dictionaries import Dictionary
from autointerp.models import Batch, Captured, Completions, Edit, Objective, Subject
from autointerp.records import FeatureRef, FeatureStats, Site
from autointerp.tools._meter import spend
from autointerp.tools._sharing import elsewhere


class HeldOut(Protocol):
    """Whether tokens (without BOS) contain a long exact run of a passage that is kept from scientists."""

    def __call__(self, ids: Sequence[int], /) -> bool: ...


def nothing_held_out(ids: Sequence[int], /) -> bool:
    """For a bench whose corpus keeps nothing back."""
    del ids
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Workbench:
    """Everything a tool needs. It holds the train split by type: there is no way from here to another.

    Attributes
    ----------
    feature, stats: the feature under study, which tools mean where no other is named, and the figures of it.
    held_out: tells a passage that has to stay unseen from other text, and gives none away.
    upstream: further dictionaries of the model, whose features may be asked for what they contribute.
    """

    subject: Subject
    dictionary: Dictionary
    feature: FeatureRef
    stats: FeatureStats
    train: TrainView
    seed: int
    held_out: HeldOut = nothing_held_out
    upstream: tuple[Dictionary, ...] = ()

    def run(
        self,
        ids: Tensor | Batch,
        *,
        capture: Iterable[Site] = (),
        edits: Sequence[Edit] = (),
        logits: bool | Tensor = False,
        start: tuple[Site, Tensor] | None = None,
        grad_of: Objective | Sequence[Objective] | None = None,
    ) -> Captured:
        """`Subject.run`, at the expense of the call of a tool under way."""
        with elsewhere():
            captured = self.subject.run(ids, capture=capture, edits=edits, logits=logits, start=start, grad_of=grad_of)
        spend(captured.usage)
        return captured

    def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> Completions:
        """`Subject.generate`, at the expense of the call of a tool under way."""
        with elsewhere():
            completions = self.subject.generate(prompts, **options)
        spend(completions.usage)
        return completions
