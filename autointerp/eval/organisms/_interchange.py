"""Does the network do what the causal model says? Interchange interventions, done to both and compared.

The accuracy of interchange interventions (IIA) is that of Geiger et al. (2021): run the network on a base input while one
component holds what it held on a source input; the causal model, with the variable of that component set to its value on the
source, has to predict the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from autointerp.eval.organisms._protocol import Component
from autointerp.eval.organisms.rasp import (
    BOS,
    NOTHING,
    PAD,
    SPECIAL,
    Attend,
    Bools,
    CausalModel,
    Clause,
    Forced,
    Given,
    Ints,
    Lookup,
    Standby,
    Variable,
    Vote,
)
from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site

_T = TypeVar("_T")
_ROWS = 512
#: How many candidates are drawn for each swap that is kept.
_OVERSAMPLING = 8


@dataclass(frozen=True, slots=True)
class Swaps:
    """Interchange interventions, one a row: inputs as indices [rows, tokens], which variable, at which tokens."""

    base: Ints
    source: Ints
    variable: Ints
    where: Bools
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.base)

    def part(self, rows: slice | Ints) -> Swaps:
        """Some of the rows."""
        return replace(
            self,
            base=self.base[rows],
            source=self.source[rows],
            variable=self.variable[rows],
            where=self.where[rows],
        )

    def batches(self) -> Iterator[Swaps]:
        """The rows in pieces that fit into one forward pass."""
        return (self.part(slice(start, start + _ROWS)) for start in range(0, len(self), _ROWS))


def draw_swaps(
    model: CausalModel, names: Sequence[str], inputs: Ints, count: int, random: np.random.Generator
) -> Swaps:
    """Draw interventions that set one of `names` to another value than it has, at one token or at all.

    `inputs` [any, tokens] are what base and source are drawn from. As many as possible of one half change the answer, so that a
    model in which nothing ever matters does badly. Rows whose answer would be undefined throughout are left out.
    """
    candidates = _candidates(model, tuple(names), inputs, _OVERSAMPLING * count, random)
    clean = model.solve(candidates.base)[model.output]
    moved = counterfactual(model, candidates)
    usable = (moved != NOTHING).any(axis=1)
    changes = usable & ((moved != clean) & (moved != NOTHING)).any(axis=1)
    first, second = np.flatnonzero(changes), np.flatnonzero(usable & ~changes)
    few = min(len(first), max(count // 2, count - len(second)))
    chosen = np.r_[first[:few], second[: count - few]]
    return candidates.part(np.sort(chosen))


def _candidates(
    model: CausalModel, names: tuple[str, ...], inputs: Ints, count: int, random: np.random.Generator
) -> Swaps:
    base = inputs[random.integers(len(inputs), size=count)]
    source = inputs[random.integers(len(inputs), size=count)]
    variable = random.integers(len(names), size=count)
    both = (base != NOTHING) & (source != NOTHING)
    place = (random.random(count) * both.sum(axis=1)).astype(np.int64)
    single = random.random(count) < 0.5
    # Both inputs are there up to the end of the shorter one, so the first so many tokens are the common ones.
    where = both & (~single[:, None] | (np.arange(base.shape[1])[None, :] == place[:, None]))
    before, after = model.solve(base), model.solve(source)
    differs = np.zeros(count, dtype=bool)
    for number, name in enumerate(names):
        differs |= (variable == number) & (where & (before[name] != after[name])).any(axis=1)
    swaps = Swaps(base, source, variable, where, names)
    return swaps.part(np.flatnonzero(differs))


def counterfactual(model: CausalModel, swaps: Swaps) -> Ints:
    """The index of the output's value under each intervention, [rows, tokens]."""
    after = model.solve(swaps.source)
    forced = {
        name: Forced(swaps.where & (swaps.variable == number)[:, None], after[name])
        for number, name in enumerate(swaps.names)
    }
    return model.solve(swaps.base, forced)[model.output]


class Grader:
    """Runs one network and compares its answers with those of causal models. `components` is the map that is on trial."""

    def __init__(self, subject: Subject, strings: Sequence[str], components: Mapping[str, Component]) -> None:
        self.subject, self.components = subject, dict(components)
        self._ids = {text: i for i, text in enumerate(strings)}

    def ids(self, model: CausalModel, inputs: Ints) -> Tensor:
        """Token ids, BOS first, padding behind."""
        own = np.array([*(self._ids[str(v)] for v in model.vocabulary), PAD])
        return torch.from_numpy(np.pad(own[inputs], ((0, 0), (1, 0)), constant_values=BOS))

    def wanted(self, model: CausalModel, solved: Ints) -> Ints:
        """Values of the output as token ids, NOTHING where undefined; one that the network has no token for is -2."""
        ids = [self._ids.get(str(value), -2) for value in model[model.output].values]
        return np.array([*ids, NOTHING])[solved]

    def answers(self, ids: Tensor, edits: Sequence[Edit] = ()) -> Ints:
        """The most likely token at each position but BOS, [rows, tokens]."""
        logits = self.subject.run(ids, edits=edits, logits=True).logits
        assert logits is not None
        found: Ints = logits[:, 1:, len(SPECIAL) :].argmax(dim=-1).cpu().numpy() + len(SPECIAL)
        return found

    def all_answers(self, model: CausalModel, inputs: Ints) -> Ints:
        """The most likely token at each position but BOS, for any number of inputs."""
        starts = range(0, len(inputs), 4 * _ROWS)
        return np.concatenate([self.answers(self.ids(model, inputs[start : start + 4 * _ROWS])) for start in starts])

    def accuracy(self, model: CausalModel, inputs: Ints) -> tuple[float, float]:
        """The share of tokens, and that of whole inputs, that are answered as the causal model says."""
        there = inputs != NOTHING
        correct = self.all_answers(model, inputs) == self.wanted(model, model.solve(inputs)[model.output])
        return float(correct[there].mean()), float((correct | ~there).all(axis=1).mean())

    def iia(self, model: CausalModel, swaps: Swaps) -> float:
        """The share of interventions whose whole answer is the one that the causal model predicts.

        Tokens at which the model's answer is undefined are left out; a row without any other counts as wrong.
        """
        hits = 0
        for batch in swaps.batches():
            predicted = self.wanted(model, counterfactual(model, batch))
            found = self.answers(self.ids(model, batch.base), self._edits(model, batch))
            defined = predicted != NOTHING
            hits += int((((found == predicted) | ~defined).all(axis=1) & defined.any(axis=1)).sum())
        return hits / len(swaps) if len(swaps) else float("nan")

    def strictness(self, model: CausalModel, unused: Sequence[Component], base: Ints, source: Ints) -> float:
        """The share of inputs whose answers stay right while all unused components hold what they held on another input.

        They do at the tokens that both inputs have: what a network computes on padding is nobody's concern.
        """
        hits, both = 0, (base != NOTHING) & (source != NOTHING)
        for start in range(0, len(base), _ROWS):
            rows = slice(start, start + _ROWS)
            seen = self._read(model, source[rows], [c.site for c in unused])
            edits = [
                edit
                for component in unused
                for edit in _put([(component, both[rows])], seen[component.site], component.site)
            ]
            wanted = self.wanted(model, model.solve(base[rows])[model.output])
            found = self.answers(self.ids(model, base[rows]), edits)
            hits += int(((found == wanted) | (base[rows] == NOTHING)).all(axis=1).sum())
        return hits / len(base)

    def right_without(self, model: CausalModel, silent: Sequence[Component], inputs: Ints) -> float:
        """The share of inputs whose answers stay right while these components write nothing anywhere (zero ablation)."""
        width = {c.site: self.subject.run(self.ids(model, inputs[:1]), capture={c.site}).sites[c.site] for c in silent}
        edits = []
        for site, seen in width.items():
            keep = torch.ones(seen.shape[-1], dtype=seen.dtype)
            keep[[i for c in silent if c.site == site for i in c.coordinates]] = 0
            edits.append(Edit(site, Operation.SCALE, keep))
        hits = 0
        for start in range(0, len(inputs), _ROWS):
            some = inputs[start : start + _ROWS]
            wanted = self.wanted(model, model.solve(some)[model.output])
            hits += int(((self.answers(self.ids(model, some), edits) == wanted) | (some == NOTHING)).all(axis=1).sum())
        return hits / len(inputs)

    def resampled(self, components: Sequence[Component], source: Tensor) -> list[Edit]:
        """Edits that put these components everywhere into the state that they have on `source`, token ids [rows, tokens]."""
        seen = self.subject.run(source, capture={c.site for c in components}).sites
        everywhere = np.ones((len(source), source.shape[1] - 1), dtype=np.bool_)
        return [
            edit
            for site, values in seen.items()
            for edit in _put([(c, everywhere) for c in components if c.site == site], values, site)
        ]

    def _read(self, model: CausalModel, inputs: Ints, sites: Sequence[Site]) -> dict[Site, Tensor]:
        return self.subject.run(self.ids(model, inputs), capture=set(sites)).sites

    def _edits(self, model: CausalModel, swaps: Swaps) -> list[Edit]:
        """What puts each row's component into the state that it has on the source."""
        places: dict[Site, list[tuple[Component, Bools]]] = {}
        edits = []
        for number, name in enumerate(swaps.names):
            where = swaps.where & (swaps.variable == number)[:, None]
            component = self.components[name]
            if not where.any():
                continue
            if component.codes:
                edits.append(_exchange(component, model, name, swaps, where))
            else:
                places.setdefault(component.site, []).append((component, where))
        seen = self._read(model, swaps.source, list(places))
        return [*edits, *(edit for site, put in places.items() for edit in _put(put, seen[site], site))]


def _put(places: Sequence[tuple[Component, Bools]], values: Tensor, site: Site) -> list[Edit]:
    """Edits that overwrite some coordinates at some tokens with `values`, and leave the rest as the run has it."""
    chosen = torch.zeros_like(values, dtype=torch.bool)
    for component, where in places:
        mask = torch.zeros(values.shape[-1], dtype=torch.bool)
        mask[list(component.coordinates)] = True
        tokens = torch.from_numpy(np.pad(where, ((0, 0), (1, 0))))
        chosen |= (tokens[..., None] & mask).to(chosen.device)
    keep = (~chosen).to(values.dtype)
    return [Edit(site, Operation.SCALE, keep), Edit(site, Operation.ADD, values * (1 - keep))]


def _exchange(component: Component, model: CausalModel, name: str, swaps: Swaps, where: Bools) -> Edit:
    """The edit that takes the base's value of a given variable out of the stream and puts the source's in."""
    codes = np.array([*component.codes, np.zeros(len(component.codes[0]))])
    before, after = model.solve(swaps.base)[name], model.solve(swaps.source)[name]
    difference = np.where(where[..., None], codes[after] - codes[before], 0.0)
    value = torch.from_numpy(np.pad(difference, ((0, 0), (1, 0), (0, 0)))).float()
    return Edit(component.site, Operation.ADD, value)


def scrambled(model: CausalModel, random: np.random.Generator) -> CausalModel:
    """A wrong model of the same size: the same variables, parents and values, the entries of every table in another order."""

    def scramble(variable: Variable) -> Variable:
        match variable:
            case Given() | Vote() | Standby():
                return variable
            case Lookup():
                return replace(variable, table=_permuted(variable.table, random))
            case Attend():
                clauses = tuple(Clause(c.queries, c.keys, _permuted(c.table, random)) for c in variable.clauses)
                return replace(variable, clauses=clauses)

    return replace(model, variables=tuple(scramble(variable) for variable in model.variables))


def _permuted(table: tuple[tuple[_T, ...], ...], random: np.random.Generator) -> tuple[tuple[_T, ...], ...]:
    entries = [entry for row in table for entry in row]
    order = random.permutation(len(entries))
    width = len(table[0])
    moved = [entries[i] for i in order]
    return tuple(tuple(moved[start : start + width]) for start in range(0, len(moved), width))
