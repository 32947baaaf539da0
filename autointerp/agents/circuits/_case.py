"""Everything that the investigation of one circuit works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from autointerp.agents._case import Listener, unheard
from autointerp.agents._limits import Limits, Meter
from autointerp.agents._notebook import Notebook
from autointerp.agents.circuits._protocol import CircuitScientist, Component, Example
from autointerp.circuits import Pair, Parts, Task, task_attention

#: Components of a circuit that are investigated, those of the largest effects; the others are said to be unexplained.
MOST = 16
_EXAMPLES = 8


@dataclass(frozen=True, eq=False)
class CircuitCase:
    """One circuit under investigation.

    Attributes
    ----------
    twin: the same model untrained: what it passes as well is no evidence.
    asks: what the task asks, in words.
    seen: the pairs that the scientist sees and maps are fitted on.
    trials: other pairs, which experiments are made on.
    effects: the change of the metric on `seen` when a component is patched, by name; of all of the circuit but the embedding.
    rounds: how often roles are revised at the most.
    """

    parts: Parts
    twin: Parts
    asks: str
    seen: Task
    trials: Task
    effects: Mapping[str, float]
    scientist: CircuitScientist
    notebook: Notebook
    meter: Meter
    rounds: int = 2
    seed: int = 0
    tell: Listener = field(default=unheard)

    @property
    def limits(self) -> Limits:
        """What may be used."""
        return self.meter.limits

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """What is investigated, the largest effects first. Costs a forward pass for each length of prompt."""
        graph = self.parts.graph
        names = sorted(self.effects, key=lambda name: -abs(self.effects[name]))[:MOST]
        sources = {name: graph.sources[graph.source_numbers[name]] for name in names}
        heads = [name for name, source in sources.items() if source.kind == "head"]
        shares = task_attention(self.parts, self.seen.pairs, heads)
        return tuple(
            Component(
                name=name,
                kind=source.kind,
                layer=source.layer,
                effect=self.effects[name],
                attention={role: by_head[name] for role, by_head in shares.items()} if name in heads else {},
                final=int(graph.allowed[:, graph.source_numbers[name]].sum()) == 1,
            )
            for name, source in sources.items()
        )

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """Some of the pairs that are seen, as text."""
        return tuple(self._example(pair) for pair in self.seen.pairs[:_EXAMPLES])

    def _example(self, pair: Pair) -> Example:
        strings = self.parts.subject.strings
        clean, corrupted = (tuple(strings[i] for i in ids[1:]) for ids in (pair.clean, pair.corrupted))
        right, wrong = (tuple(strings[i] for i in ids) for ids in (pair.right, pair.wrong))
        return Example("".join(clean), "".join(corrupted), right, wrong, clean)
