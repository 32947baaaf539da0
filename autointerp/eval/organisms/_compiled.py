"""Compiled circuits: transformers that compute a known program, plainly, in disguise, or as if trained."""

from __future__ import annotations

import string
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms._circuit import circuit_truth
from autointerp.eval.organisms._circuit_organism import CircuitOrganism, circuit_card
from autointerp.eval.organisms._protocol import Knob
from autointerp.eval.organisms._saving import opaque_name
from autointerp.eval.organisms._trained import trained
from autointerp.eval.organisms.programs import LIBRARY, random_program
from autointerp.eval.organisms.rasp import (
    Compiled,
    Disguise,
    Program,
    Value,
    compile_program,
    disguised,
    renamed,
    shuffled,
)
from autointerp.eval.organisms.transformer import written

RANDOM = "random"
#: Of the attention: so that nothing leaks, and so that noise in what is compared is not blown up.
_SHARP, _BLUNT = 30.0, 20.0
#: Inputs and interventions that a disguise is tried on, at twice its noise and then at once.
_FEW, _MANY = 300, 1500
#: Disguises from the strongest to the weakest; a program is put into the first that it bears.
_DISGUISES = tuple(
    Disguise(squeeze=squeeze, noise=noise)
    for squeeze, noise in (
        (0.85, 0.02),
        (0.9, 0.02),
        (0.95, 0.01),
        (1.0, 0.02),
        (1.0, 0.01),
        (1.0, 0.005),
        (1.0, 0.002),
        (1.0, 0.001),
        (1.0, 0.0005),
        (1.0, 0.0002),
        (1.0, 0.0001),
        (1.0, 0.00005),
        (1.0, 0.00002),
        (1.0, 0.00001),
    )
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The knobs of a compiled circuit; see `CompiledCircuits`."""

    level: int
    length: int | None
    depth: int
    width: int


class CompiledCircuits:
    """The programs of the library, and random ones.

    Knobs: `level` of realism (0 compiled, 1 in other coordinates with noise and shared dimensions, 2 trained to the program),
    `length` of the inputs, and for random programs `depth` and `width`.
    """

    knobs: Mapping[str, Knob | None] = {"level": 0, "length": None, "depth": 2, "width": 2}

    def names(self) -> tuple[str, ...]:
        """The programs of the library, and `random`."""
        return (*LIBRARY, RANDOM)

    def describe(self, name: str) -> str:
        """The family of a program and what it computes."""
        if name == RANDOM:
            return "random: A program drawn by the seed, as deep and as wide as the knobs say."
        _known(name)
        return f"{LIBRARY[name].family}: {LIBRARY[name].summary}"

    def make(self, name: str, *, seed: int, **knobs: Knob) -> CircuitOrganism:
        """Compile a program. Tokens that are letters are other letters for each seed.

        Raises OrganismError for an unknown program, a knob out of range, a program that is too large at this length, and
        where a network of level 2 did not learn its program.
        """
        settings = _settings({**self.knobs, **knobs})
        program = _program(name, seed, settings)
        random = np.random.default_rng([seed, settings.level])
        sharpness = _BLUNT if settings.level == 1 else _SHARP
        compiled = renamed(compile_program(program, sharpness=sharpness), letters(program, random))
        label = opaque_name("compiled", name, seed, settings)
        if settings.level == 0:
            return _organism(label, program, shuffled(compiled, random), {"level": 0, "seed": seed})
        if settings.level == 1:
            return _disguise(label, program, compiled, seed)
        return trained(label, program, compiled, seed)


def _known(name: str) -> None:
    if name not in LIBRARY:
        raise OrganismError(f"no program {name!r}: there are {', '.join(LIBRARY)} and {RANDOM}")


def _settings(knobs: Mapping[str, Knob | None]) -> Settings:
    reasons = []
    for name, allowed in (
        ("level", range(3)),
        ("length", range(1, 65)),
        ("depth", range(1, 9)),
        ("width", range(1, 9)),
    ):
        value = knobs[name]
        if value is not None and (not isinstance(value, int) or value not in allowed):
            reasons.append(f"{name} is {value}, and has to be a whole number from {allowed[0]} to {allowed[-1]}")
    if reasons:
        raise OrganismError(f"no circuit with these knobs: {'; '.join(reasons)}")
    return Settings(**knobs)  # type: ignore[arg-type]


def _program(name: str, seed: int, settings: Settings) -> Program:
    if name == RANDOM:
        return random_program(seed, depth=settings.depth, width=settings.width, length=settings.length or 5)
    _known(name)
    return LIBRARY[name].build(settings.length)


def letters(program: Program, random: np.random.Generator) -> dict[Value, Value]:
    """Other letters for those of the vocabulary, so that two seeds do not read alike."""
    own = [value for value in program.vocabulary if value in set(string.ascii_lowercase)]
    others = random.choice(list(string.ascii_lowercase), size=len(own), replace=False)
    return dict(zip(own, map(str, others), strict=True))


def _disguise(label: str, program: Program, compiled: Compiled, seed: int) -> CircuitOrganism:
    """Realism level 1: the strongest disguise under which the circuit still does what it should."""

    def wearing(disguise: Disguise, factor: int = 1) -> CircuitOrganism:
        made = disguised(compiled, replace(disguise, noise=factor * disguise.noise), np.random.default_rng([seed, 1]))
        figures: dict[str, Knob] = {"level": 1, "seed": seed, "squeeze": disguise.squeeze, "noise": disguise.noise}
        return _organism(label, program, made, figures)

    # What holds on a sample under twice the noise holds on rarer inputs under once the noise.
    first = bisect_left(_DISGUISES, True, key=lambda disguise: wearing(disguise, 2).bears_out(_FEW))
    for disguise in _DISGUISES[first:]:
        if (organism := wearing(disguise)).bears_out(_MANY):
            return organism
    raise OrganismError(
        f"{program.name} does not bear the weakest disguise at length {program.length}: make it shorter"
    )


def _organism(label: str, program: Program, compiled: Compiled, figures: dict[str, Knob]) -> CircuitOrganism:
    truth = circuit_truth(compiled)
    return CircuitOrganism(
        name=label,
        card=circuit_card(program, truth, figures),
        circuit=truth,
        module=written(compiled),
        strings=compiled.strings,
    )
