"""Running compiled networks plainly, with torch alone: what the room's own machinery is checked against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from autointerp.eval.organisms.rasp import NOTHING, CausalModel, Compiled, Ints, Program, Value, compile_program
from autointerp.eval.organisms.transformer import written

BOS, PAD, SPECIALS = 0, 1, 3


def token_ids(compiled: Compiled, inputs: Sequence[Sequence[Value]]) -> Tensor:
    """BOS, the tokens, padding."""
    longest = max(map(len, inputs))
    rows = []
    for tokens in inputs:
        ids = [compiled.strings.index(str(token), SPECIALS) for token in tokens]
        rows.append([BOS, *ids, *[PAD] * (longest - len(ids))])
    return torch.tensor(rows)


def answers(module: Any, compiled: Compiled, inputs: Sequence[Sequence[Value]]) -> list[list[str]]:
    """The most likely token at each place of each input, as text."""
    ids = token_ids(compiled, inputs)
    with torch.no_grad():
        found = module(ids, attention_mask=ids != PAD).logits.argmax(-1)
    return [
        [compiled.strings[i] for i in row[1 : 1 + len(tokens)]]
        for row, tokens in zip(found.tolist(), inputs, strict=True)
    ]


def run_program(program: Program, inputs: Sequence[Sequence[Value]]) -> list[list[str]]:
    """What the compiled network answers."""
    compiled = compile_program(program)
    return answers(written(compiled), compiled, inputs)


def values_of(model: CausalModel, inputs: Ints) -> list[list[Value]]:
    """Inputs from indices."""
    return [[model.vocabulary[i] for i in row if i != NOTHING] for row in inputs]


def patched(module: Any, layer: int, kind: str, change: Callable[[Tensor], Tensor], ids: Tensor) -> Tensor:
    """Logits while the input of an output projection (`kind` attention or mlp) goes through `change`."""
    block = module.model.layers[layer]
    place = block.attention.o_proj if kind == "attention" else block.mlp.down_proj
    handle = place.register_forward_pre_hook(lambda _, args: (change(args[0]),))
    try:
        with torch.no_grad():
            logits: Tensor = module(ids, attention_mask=ids != PAD).logits
    finally:
        handle.remove()
    return logits
