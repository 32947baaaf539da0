"""From compiled weights to a transformers model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from autointerp.eval.organisms.rasp import BOS, PAD, Compiled, Floats
from autointerp.eval.organisms.transformer._model import SmallTransformerConfig, SmallTransformerForCausalLM


def written(compiled: Compiled) -> SmallTransformerForCausalLM:
    """The module with these weights, in float32 and in evaluation mode."""
    weights = compiled.weights
    head = weights.heads[0][0]
    config = SmallTransformerConfig(
        vocab_size=len(compiled.strings),
        hidden_size=weights.stream,
        intermediate_size=len(weights.neurons[0].bias),
        num_hidden_layers=len(weights.neurons),
        num_attention_heads=len(weights.heads[0]),
        head_dim=len(head.q),
        max_position_embeddings=len(weights.positions),
        use_bidirectional_attention=not compiled.model.causal,
        bos_token_id=BOS,
        pad_token_id=PAD,
    )
    # Random weights would be drawn only to be overwritten.
    with torch.device("meta"):
        module = SmallTransformerForCausalLM(config)
    module.load_state_dict({name: _tensor(x) for name, x in _state(compiled).items()}, assign=True)
    return module.eval().requires_grad_(False)  # type: ignore[no-any-return]


def _state(compiled: Compiled) -> dict[str, Floats]:
    weights = compiled.weights
    nothing = np.zeros(weights.stream)
    state = {
        "model.embeddings.tokens.weight": weights.tokens,
        "model.embeddings.positions.weight": weights.positions,
        "lm_head.weight": weights.unembedding,
    }
    for number, (heads, units) in enumerate(zip(weights.heads, weights.neurons, strict=True)):
        attention, mlp = f"model.layers.{number}.attention", f"model.layers.{number}.mlp"
        for name in ("q", "k", "v"):
            state[f"{attention}.{name}_proj.weight"] = np.concatenate([getattr(h, name) for h in heads])
            state[f"{attention}.{name}_proj.bias"] = np.concatenate([getattr(h, f"{name}_bias") for h in heads])
        state[f"{attention}.o_proj.weight"] = np.concatenate([h.o for h in heads], axis=1)
        state[f"{attention}.o_proj.bias"] = nothing
        state[f"{mlp}.up_proj.weight"], state[f"{mlp}.up_proj.bias"] = units.up, units.bias
        state[f"{mlp}.down_proj.weight"], state[f"{mlp}.down_proj.bias"] = units.down, nothing
    return state


def _tensor(x: Floats) -> Tensor:
    return torch.from_numpy(np.array(x, dtype=np.float32))
