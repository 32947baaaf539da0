"""Making an experiment on a circuit: counted before it begins, and one number with its controls at the end."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from torch import Tensor

from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._custom import custom_mechanism
from autointerp.agents.circuits._standings import CircuitBook
from autointerp.circuits import (
    ANSWER_WRITER,
    NAME_MOVER,
    NEGATIVE_MOVER,
    TOKEN_LOOKUP,
    CausalModel,
    Mechanism,
    Parts,
    PatternTrials,
    Places,
    Replaced,
    Source,
    Variable,
    answer_attention,
    answer_places,
    copying_scores,
    direct_effect,
    iia,
    mechanism_named,
    node_patching,
    output_replaced,
    places_of,
    signatures,
    swap_distances,
    swap_silhouettes,
)
from autointerp.errors import InputError
from autointerp.records import CircuitExperiment, CircuitHypothesis, CircuitTest, Score

#: Components outside of the circuit that are exchanged with besides those of other roles.
_STRANGERS = 3
#: Prompts on which components are exchanged, each with each: enough for a mean over all pairs of components.
_SWAPPED = 10

#: The control of a signature; the record of a role names it too.
_OTHER_HEADS = "mean of the other heads"

MOVERS = (NAME_MOVER, NEGATIVE_MOVER)


@dataclass(frozen=True, slots=True)
class Measured:
    """One number, and the same of controls; `each` has it by component where it is a mean of these."""

    value: float
    controls: Mapping[str, float]
    sentence: str
    each: tuple[float, ...] = ()


@dataclass(eq=False)
class Instruments:
    """What measures. Runs that several experiments share are kept. Raises InputError or ProgramError for what cannot be."""

    case: CircuitCase
    _signed: dict[tuple[int, str, int], list[Tensor]] = field(default_factory=dict)
    _agreed: dict[str, tuple[Replaced, float]] = field(default_factory=dict)
    _went: dict[tuple[int, str], tuple[float, float | None]] = field(default_factory=dict)
    _swapped: dict[tuple[str, ...], Tensor] = field(default_factory=dict)

    def measure(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        """One experiment of the menu."""
        by_test: Mapping[CircuitTest, Callable[[CircuitExperiment, CircuitHypothesis], Measured]] = {
            CircuitTest.SIGNATURE: self._signature,
            CircuitTest.COPYING: self._copying,
            CircuitTest.ABLATION: self._ablation,
            CircuitTest.REPLACEMENT: self._replacement,
            CircuitTest.DIRECT: self._direct,
            CircuitTest.SWAP: self._swap,
            CircuitTest.INTERCHANGE: self._interchange,
        }
        return by_test[experiment.test](experiment, target)

    def source(self, name: str) -> Source:
        """A component by its name."""
        graph = self.case.parts.graph
        return graph.sources[graph.source_numbers[name]]

    def _signature(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        source = self.source(experiment.components[0])
        if target.role == ANSWER_WRITER:
            value, usual = (self._direct_of(parts, source)[0] for parts in (self.case.parts, self.case.twin))
            return Measured(value, {"untrained twin": usual}, f"the answer ranks {value:.2f} (from -1 to 1)")
        if target.role == TOKEN_LOOKUP:
            _, value = self._elsewhere(source)
            return Measured(value, {}, f"{value:.2f} of what it writes follows from the token")
        table, twin = self._shares(experiment, target)
        others = [value for name, value in table.items() if name != source.name]
        controls = {"untrained twin": twin[source.name]}
        controls |= {_OTHER_HEADS: statistics.fmean(others)} if others else {}
        value = table[source.name]
        return Measured(value, controls, f"{value:.0%} of its attention goes there")

    def _shares(
        self, experiment: CircuitExperiment, target: CircuitHypothesis
    ) -> tuple[dict[str, float], dict[str, float]]:
        """The share of attention that goes where a role says, of every head here and in the twin."""
        networks = (self.case.parts, self.case.twin)
        heads = [one for one in self.case.parts.graph.sources if one.kind == "head"]
        if target.role in MOVERS:
            pairs = self.case.trials.pairs
            here, there = (answer_attention(parts, pairs, [one.name for one in heads]) for parts in networks)
            return here, there
        mechanism = self.mechanism(target)
        # Every round has prompts of its own, so that nothing proposed after a look at some is tried on the same.
        seed = self.case.seed + 1 + experiment.round
        tables = [self._signatures(parts, mechanism, seed) for parts in networks]
        here, there = ({one.name: float(table[one.layer][one.head or 0]) for one in heads} for table in tables)
        return here, there

    def _copying(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        name = experiment.components[0]
        sign = -1 if target.role == NEGATIVE_MOVER else 1
        value, twin = (
            sign * copying_scores(parts, [name], seed=self.case.seed)[name]
            for parts in (self.case.parts, self.case.twin)
        )
        way = "lowered" if sign < 0 else "raised"
        return Measured(
            value, {"untrained twin": twin}, f"what it reads is {way}, to a rank of {value:.2f} (from -1 to 1)"
        )

    def _ablation(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        del target
        name = experiment.components[0]
        effect, kind = self.effects[name], self.source(name).kind
        sign = 1 if self.case.effects[name] >= 0 else -1
        # A component outside of the circuit is what a wrong one would be.
        outside = [
            abs(value)
            for other, value in self.effects.items()
            if other not in self.case.effects and self.source(other).kind == kind
        ]
        controls = {f"median {kind} outside of the circuit": statistics.median(outside)} if outside else {}
        return Measured(sign * effect, controls, f"the metric moves by {effect:+.2f}")

    def _replacement(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        source = self.source(experiment.components[0])
        if target.role == TOKEN_LOOKUP:
            found, _ = self._elsewhere(source)
        else:
            found = self._patterns.replaced(source, self.places(target))
        if found.held is None:
            raise InputError(
                f"a meaningless replacement moves the metric by {found.effect:+.3f} alone: there is nothing to undo"
            )
        controls = {} if found.beside is None else {"as sharp, one token beside": found.beside}
        sentence = (
            f"a meaningless replacement moves the metric by {found.effect:+.2f}, the ideal undoes {found.held:.0%}"
        )
        return Measured(found.held, controls, sentence)

    def _direct(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        del target
        _, share = self._direct_of(self.case.parts, self.source(experiment.components[0]))
        if share is None:
            raise InputError("patching it has no effect on the metric: there is no share of it")
        return Measured(share, {}, f"{share:.0%} of its effect goes straight to the logits")

    def _swap(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        """Against the components of other roles that survived and are of the same kind, and some outside of the circuit."""
        del target
        case, names = self.case, experiment.components
        kind = self.source(names[0]).kind
        roles = {n: h.role for n, h in CircuitBook.of(case).survived.items() if self.source(n).kind == kind}
        outside = [s.name for s in case.parts.graph.sources if s.kind == kind and s.name not in case.effects]
        strangers = random.Random(f"strangers {case.seed}").sample(outside, min(_STRANGERS, len(outside)))
        everyone = (*roles, *strangers)
        if everyone not in self._swapped:
            some = replace(case.trials, pairs=case.trials.pairs[:_SWAPPED])
            self._swapped[everyone] = swap_distances(case.parts, some, everyone)
        numbers = {role: number for number, role in enumerate(dict.fromkeys(roles.values()))}
        groups = [numbers[roles[name]] if name in roles else len(numbers) for name in everyone]
        if len(set(groups)) < 2:
            raise InputError(
                "there is no other component of its kind to exchange with: nothing says how much is little"
            )
        found = dict(zip(everyone, swap_silhouettes(self._swapped[everyone], groups), strict=True))
        each = tuple(found[name] for name in names)
        shown = ", ".join(f"{name} {value:.2f}" for name, value in zip(names, each, strict=True))
        return Measured(statistics.fmean(each), {}, f"silhouettes {shown}; strangers {', '.join(strangers)}", each)

    def _interchange(self, experiment: CircuitExperiment, target: CircuitHypothesis) -> Measured:
        del experiment
        assert target.causal is not None
        variables = tuple(Variable(v.name, v.components, v.last) for v in target.causal.variables)
        model = CausalModel(target.causal.source, variables)
        found = iia(self.case.parts, model, self.case.trials, seed=self.case.seed)
        if not isinstance(found, Score):
            raise InputError(found.reason)
        sentence = f"program and network answer alike in {found.value:.0%} of the exchanges"
        return Measured(found.value, dict(found.control), sentence)

    def mechanism(self, target: CircuitHypothesis) -> Mechanism:
        """The pattern of attention that a role says, of the library or of the hypothesis's own program."""
        if target.program is not None:
            return custom_mechanism(f"{target.role} of {target.id}", target.says, target.program)
        found = mechanism_named(target.role)
        if found is None:
            raise InputError(
                f"no pattern of attention is known for {target.role!r}: give a program, or a role of the library"
            )
        return found

    def places(self, target: CircuitHypothesis) -> Places:
        """Where a role of a head attends to on the prompts of a task."""
        return answer_places if target.role in MOVERS else places_of(self.case.parts, self.mechanism(target))

    @cached_property
    def effects(self) -> dict[str, float]:
        """The change of the metric on the trial pairs when each component is patched; the embedding left out."""
        found = node_patching(self.case.parts, self.case.trials).mean(0).tolist()
        names = [source.name for source in self.case.parts.graph.sources]
        return {name: value for name, value in zip(names, found, strict=True) if name != "input"}

    @cached_property
    def _patterns(self) -> PatternTrials:
        return PatternTrials(self.case.parts, self.case.trials)

    def _signatures(self, parts: Parts, mechanism: Mechanism, seed: int) -> list[Tensor]:
        key = (id(parts), mechanism.name, seed)
        if key not in self._signed:
            self._signed[key] = signatures(parts, mechanism, seed=seed)
        return self._signed[key]

    def _elsewhere(self, source: Source) -> tuple[Replaced, float]:
        if source.name not in self._agreed:
            found = output_replaced(self.case.parts, self.case.trials, source, seed=self.case.seed)
            self._agreed[source.name] = found
        return self._agreed[source.name]

    def _direct_of(self, parts: Parts, source: Source) -> tuple[float, float | None]:
        key = (id(parts), source.name)
        if key not in self._went:
            self._went[key] = direct_effect(parts, self.case.trials, source)
        return self._went[key]
