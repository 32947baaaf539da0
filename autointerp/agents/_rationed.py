"""A bench whose forward passes are counted before each of them: how many a tool will need nobody knows beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from autointerp.agents._limits import Meter
from autointerp.models import Batch, Captured, Completions, Edit, Objective
from autointerp.records import Site
from autointerp.tools import Workbench

#: Passes that continuing texts takes at the most where the caller does not say.
_WRITTEN = 64


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RationedBench(Workbench):
    """A bench on which no forward pass begins that the limits do not allow. `run` and `generate` raise BudgetError."""

    meter: Meter

    @classmethod
    def of(cls, bench: Workbench, meter: Meter) -> RationedBench:
        """The same bench, counted by a meter."""
        return cls(**{field.name: getattr(bench, field.name) for field in fields(bench)}, meter=meter)

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
        """See `Workbench.run`."""
        self.meter.reserve("tool", forward_passes=1)
        return Workbench.run(self, ids, capture=capture, edits=edits, logits=logits, start=start, grad_of=grad_of)

    def generate(self, prompts: Sequence[Sequence[int]], **options: Any) -> Completions:
        """See `Workbench.generate`."""
        most = int(options.get("max_new_tokens", _WRITTEN)) + 1
        self.meter.reserve("tool", forward_passes=most)
        completions = Workbench.generate(self, prompts, **options)
        self.meter.give_back("tool", forward_passes=max(0, most - completions.usage.forward_passes))
        return completions
