"""A kind of organism with one program of its own: which tokens are the same as the one before."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms import CircuitOrganism, Knob, circuit_card, circuit_truth, opaque_name
from autointerp.eval.organisms.rasp import (
    Aggregate,
    Indices,
    Program,
    Select,
    SequenceMap,
    Tokens,
    compile_program,
    shuffled,
)
from autointerp.eval.organisms.transformer import written

NAME = "alike"


class Alike:
    """See `OrganismKind`. The knob `length` is that of the longest input."""

    knobs: Mapping[str, Knob | None] = {"length": 5}

    def names(self) -> tuple[str, ...]:
        return (NAME,)

    def describe(self, name: str) -> str:
        _known(name)
        return "neighbours: Which tokens are the same as the one before."

    def make(self, name: str, *, seed: int, **knobs: Knob) -> CircuitOrganism:
        _known(name)
        length = knobs.get("length", self.knobs["length"])
        if not isinstance(length, int) or length not in range(2, 17):
            raise OrganismError(f"length is {length}, and has to be a whole number from 2 to 16")
        program = _program(length)
        compiled = shuffled(compile_program(program), np.random.default_rng(seed))
        truth = circuit_truth(compiled)
        return CircuitOrganism(
            name=opaque_name(NAME, seed, length),
            card=circuit_card(program, truth, {"seed": seed}),
            circuit=truth,
            module=written(compiled),
            strings=compiled.strings,
        )


def _known(name: str) -> None:
    if name != NAME:
        raise OrganismError(f"no organism {name!r} of the kind {NAME}: there is {NAME}")


def _program(length: int) -> Program:
    tokens, places = Tokens(name="tokens"), Indices(name="indices")
    before = Select(places, places, lambda key, query: int(key) == int(query) - 1)
    previous = Aggregate(before, tokens, default="", name="previous")
    return Program(
        name=NAME,
        family="neighbours",
        summary="Which tokens are the same as the one before.",
        output=SequenceMap(lambda now, last: int(now == last), tokens, previous, name="same"),
        vocabulary=("a", "b", "c"),
        length=length,
        examples=((("a", "a", "b"), (0, 1, 0)),),
    )
