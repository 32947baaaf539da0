"""Roles of a head that a scientist makes up: a program says for every token which earlier one is attended to."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autointerp.circuits import Mechanism
from autointerp.errors import ProgramError
from autointerp.records import Program
from autointerp.sandbox import Sandbox

_CALL = "[attended(tokens_) for tokens_ in texts_]"


def custom_mechanism(name: str, says: str, program: Program) -> Mechanism:
    """A mechanism whose places a program names. It is run in the sandbox; `attended` raises ProgramError where it fails."""

    def attended(ids: Tensor, strings: Sequence[str]) -> Tensor:
        texts = [[strings[i] for i in row[1:]] for row in ids.tolist()]
        found = torch.full_like(ids, -1)
        for row, places in enumerate(attended_places(program, texts)):
            for place, where in enumerate(places, start=1):
                if where is not None:
                    found[row, place] = where + 1
        return found

    return Mechanism(name, says, attended)


def attended_places(program: Program, texts: Sequence[Sequence[str]]) -> list[list[int | None]]:
    """What the program names, for every token of every text, BOS left out. Raises ProgramError for anything else."""
    with Sandbox() as sandbox:
        values = sandbox.execute(f"{program.source}\n{_CALL}", inputs={"texts_": [list(text) for text in texts]}).value
    if not isinstance(values, list) or len(values) != len(texts):
        raise ProgramError("the program does more than define attended(tokens)")
    for text, places in zip(texts, values, strict=True):
        if not isinstance(places, list) or len(places) != len(text):
            raise ProgramError(
                f"attended(tokens) gives a list of {len(text)} places for {len(text)} tokens, not {places!r:.60}"
            )
        for place, where in enumerate(places):
            if where is not None and (type(where) is not int or not 0 <= where <= place):
                raise ProgramError(
                    f"attended(tokens) gives {where!r:.40} for token {place}: a number from 0 to {place}, or None"
                )
    return values
