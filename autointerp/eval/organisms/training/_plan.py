"""Which components of a network to be trained shall carry which variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms._circuit import coordinates_of
from autointerp.eval.organisms._protocol import Component
from autointerp.eval.organisms.rasp import BOS, PAD, CausalModel, Lookup, lay_out
from autointerp.eval.organisms.transformer import SmallTransformerConfig

_HEAD_WIDTH = 16
#: Neurons a variable at least, and at most, for its table; and neurons a layer that belong to none.
_FEWEST, _MOST, _SPARE = 24, 64, 16


@dataclass(frozen=True, slots=True)
class Plan:
    """A network's sizes, and the place of each variable that a component has to compute.

    `heads` gives layer and number of the head of each `Attend` variable; `unused` are the components left over.
    """

    model: CausalModel
    config: SmallTransformerConfig
    components: dict[str, Component]
    heads: dict[str, tuple[int, int]]
    unused: tuple[Component, ...]


def draw_plan(model: CausalModel, vocabulary: int, random: np.random.Generator) -> Plan:
    """As deep as the compiled model, with a head and some neurons a layer to spare; which is which, is drawn.

    `vocabulary` is the number of token ids.
    """
    layout = lay_out(model)
    sizes = {v.name: _neurons(v) for v in model.variables if isinstance(v, Lookup)}
    heads = 1 + max(len(layout.heads(layer)) for layer in range(layout.depth))
    neurons = _SPARE + max(sum(sizes[v.name] for v in layout.lookups(layer)) for layer in range(layout.depth))
    components: dict[str, Component] = {}
    places: dict[str, tuple[int, int]] = {}
    unused = []
    for layer in range(layout.depth):
        slots = [int(slot) for slot in random.permutation(heads)]
        for variable in layout.heads(layer):
            places[variable.name] = (layer, slots.pop())
            components[variable.name] = coordinates_of(layer, "head", places[variable.name][1:], _HEAD_WIDTH)
        unused.append(coordinates_of(layer, "head", tuple(sorted(slots)), _HEAD_WIDTH))
        units = [int(unit) for unit in random.permutation(neurons)]
        for lookup in layout.lookups(layer):
            own, units = units[: sizes[lookup.name]], units[sizes[lookup.name] :]
            components[lookup.name] = coordinates_of(layer, "mlp", tuple(sorted(own)), _HEAD_WIDTH)
        unused.append(coordinates_of(layer, "mlp", tuple(sorted(units)), _HEAD_WIDTH))
    config = SmallTransformerConfig(
        vocab_size=vocabulary,
        hidden_size=max(32, min(96, 8 * -(-layout.width // 8))),
        intermediate_size=neurons,
        num_hidden_layers=layout.depth,
        num_attention_heads=heads,
        head_dim=_HEAD_WIDTH,
        max_position_embeddings=model.length + 1,
        use_bidirectional_attention=not model.causal,
        norm="layer",
        activation="gelu",
        bos_token_id=BOS,
        pad_token_id=PAD,
    )
    return Plan(model, config, components, places, tuple(unused))


def _neurons(variable: Lookup) -> int:
    entries = len(variable.table) * len(variable.table[0])
    return min(_MOST, max(_FEWEST, 2 * entries))
