"""Adversarial circuits as a kind of organism: what an entry point names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms._circuit import circuit_truth
from autointerp.eval.organisms._circuit_organism import CircuitOrganism, circuit_card
from autointerp.eval.organisms._compiled import letters
from autointerp.eval.organisms._protocol import Knob
from autointerp.eval.organisms._saving import opaque_name
from autointerp.eval.organisms.adversarial._organism import AdversarialOrganism
from autointerp.eval.organisms.adversarial._programs import PAIRS, SLEEPERS, sleeper
from autointerp.eval.organisms.adversarial._rewriting import (
    Rewritten,
    ancestors,
    computed,
    replaceable,
    with_backup,
    with_decoys,
    with_dormancy,
    with_redundancy,
)
from autointerp.eval.organisms.adversarial._truth import RESAMPLE, ZERO, AdversarialTruth, ValidCircuit
from autointerp.eval.organisms.programs import LIBRARY
from autointerp.eval.organisms.rasp import Program, Value, compile_model, expressions, lower, renamed, rotated
from autointerp.eval.organisms.transformer import written

DECOY, BACKUP, REDUNDANT, DORMANT = "decoy", "backup", "redundant", "dormant"
_SUMMARIES = {
    DECOY: "Parts that hold what parts of the circuit hold, and that nothing reads.",
    BACKUP: "A part that takes over where another writes nothing, and is silent otherwise.",
    REDUNDANT: "A step taken three times, where any two of the three are enough.",
    DORMANT: "A path without effect until a token occurs that no sample has.",
}
#: Programs to choose from where none is asked for: several steps, and room for copies.
_USUAL = ("maximum", "sort", "induction", "histogram", "two-back", "is-sorted", "second-largest", "rotate")
_DECOYS = 2


class AdversarialCircuits:
    """Compiled circuits that mislead.

    Knob: `program`, which of the library a decoy, a backup or a redundant step is built into; the seed decides otherwise.
    """

    knobs: Mapping[str, Knob | None] = {"program": None}

    def names(self) -> tuple[str, ...]:
        """The ways to mislead, and both mechanisms of every pair."""
        return (*_SUMMARIES, *PAIRS)

    def describe(self, name: str) -> str:
        """One line about an organism."""
        _known(name)
        if name in _SUMMARIES:
            return _SUMMARIES[name]
        return f"One of two mechanisms with the same behaviour: {_side(name).summary}"

    def make(self, name: str, *, seed: int, **knobs: Knob) -> AdversarialOrganism:
        """Make one. Raises OrganismError for an unknown name or program, and for a program too large to be had twice."""
        _known(name)
        asked = knobs.get("program")
        if asked is not None and name not in (DECOY, BACKUP, REDUNDANT):
            raise OrganismError(f"{name} has programs of its own: leave out the knob program, which is {asked!r}")
        if asked is not None and asked not in LIBRARY:
            raise OrganismError(f"no program {asked!r}: there are {', '.join(LIBRARY)}")
        random = np.random.default_rng([seed, 31])
        label = opaque_name("adversarial", name, seed, asked)
        if name in PAIRS:
            other = f"{name[:-1]}{'b' if name.endswith('a') else 'a'}"
            twin = _compiled(opaque_name("adversarial", other, seed, None), _side(other), _whole(_side(other)), seed)
            return _compiled(label, _side(name), _whole(_side(name)), seed, twin=twin)
        if name == DORMANT:
            asleep = sleeper(*SLEEPERS[int(random.integers(len(SLEEPERS)))])
            model = lower(asleep.program).model
            matters = ancestors(model, expressions(asleep.program.output)[asleep.usual]) | {model.output}
            return _compiled(label, asleep.program, with_dormancy(model, sorted(matters)), seed, key=asleep.key)
        program = LIBRARY[str(asked or random.choice(_USUAL))].build()
        return _compiled(label, program, _misleading(name, program, random), seed)


def _known(name: str) -> None:
    if name not in _SUMMARIES and name not in PAIRS:
        raise OrganismError(f"no adversarial circuit {name!r}: there are {', '.join((*_SUMMARIES, *PAIRS))}")


def _side(name: str) -> Program:
    pair = PAIRS[name]
    return pair.first if name.endswith("a") else pair.second


def _misleading(name: str, program: Program, random: np.random.Generator) -> Rewritten:
    model = lower(program).model
    able = replaceable(model)
    if not able:
        raise OrganismError(f"{program.name} has no step that can be had twice: choose another program")
    if name == DECOY:
        chosen = random.choice(able, size=min(_DECOYS, len(able)), replace=False)
        return with_decoys(model, sorted(map(str, chosen)))
    one = str(random.choice(able))
    return with_backup(model, one) if name == BACKUP else with_redundancy(model, one)


def _whole(program: Program) -> Rewritten:
    """A program as it is: one circuit, all of it."""
    model = lower(program).model
    return Rewritten(model, (ValidCircuit(computed(model), (RESAMPLE, ZERO)),))


def _compiled(
    label: str,
    program: Program,
    rewritten: Rewritten,
    seed: int,
    *,
    key: Value | None = None,
    twin: CircuitOrganism | None = None,
) -> AdversarialOrganism:
    random = np.random.default_rng([seed, 32])
    names = letters(program, random)
    compiled = rotated(renamed(compile_model(program.name, rewritten.model), names), random)
    plain = circuit_truth(compiled)
    truth = AdversarialTruth(
        plain.model,
        plain.nodes,
        plain.unused,
        rewritten.circuits,
        rewritten.decoys,
        rewritten.backups,
        rewritten.dormant,
    )
    keys: tuple[Value, ...] = () if key is None else (names.get(key, key),)
    figures: dict[str, Knob] = {"seed": seed}
    if key is not None:
        figures["key"] = str(keys[0])
    card = circuit_card(program, truth, figures)
    return AdversarialOrganism(
        name=label,
        card=replace(card, kind=card.kind.replace("compiled", "adversarial")),
        circuit=truth,
        module=written(compiled),
        strings=compiled.strings,
        keys=keys,
        twin=twin,
    )
