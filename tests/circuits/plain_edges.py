"""Edges of a Llama with torch's own hooks: what attribution and patching of edges are checked against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from autointerp.circuits import Graph

Feed = Callable[[Tensor], Tensor]


def written(module: Any, graph: Graph, ids: Tensor) -> list[Tensor]:
    """What every source writes, [prompts, tokens, width] each, in the order of the graph."""
    seen: dict[str, Tensor] = {}
    places = {"input": module.model.embed_tokens}
    for layer, block in enumerate(module.model.layers):
        places |= {f"o{layer}": block.self_attn.o_proj, f"m{layer}": block.mlp}
    handles = [
        place.register_forward_hook(lambda _, args, out, name=name: seen.update({name: out, f"{name} read": args[0]}))
        for name, place in places.items()
    ]
    with torch.no_grad():
        module(ids)
    for handle in handles:
        handle.remove()
    outputs = []
    for source in graph.sources:
        if source.kind != "head":
            outputs.append(seen[source.name])
            continue
        weight = module.model.layers[source.layer].self_attn.o_proj.weight
        size = weight.shape[1] // graph.shape.heads[source.layer]
        part = slice(source.head * size, (source.head + 1) * size)
        outputs.append(seen[f"o{source.layer} read"][..., part] @ weight[:, part].T)
    return outputs


@contextmanager
def feeding(module: Any, graph: Graph, target: int, feed: Feed) -> Iterator[None]:
    """The model while one target reads `feed(stream)` in the place of the stream."""
    one = graph.targets[target]
    if one.reading == "logits":
        handle = module.model.norm.register_forward_pre_hook(lambda _, args: (feed(args[0]),))
    elif one.reading == "mlp":
        norm = module.model.layers[one.layer].post_attention_layernorm
        handle = norm.register_forward_pre_hook(lambda _, args: (feed(args[0]),))
    else:
        block = module.model.layers[one.layer]
        projection = getattr(block.self_attn, f"{one.reading}_proj")
        stream: list[Tensor] = []

        def after(_: Any, __: Any, out: Tensor) -> Tensor:
            size = out.shape[-1] // (graph.shape.heads if one.reading == "q" else graph.shape.shared)[one.layer]
            part = slice(one.head * size, (one.head + 1) * size)
            fed = block.input_layernorm(feed(stream[0])) @ projection.weight[part].T
            return torch.cat([out[..., : part.start], fed, out[..., part.stop :]], -1)

        first = block.input_layernorm.register_forward_pre_hook(lambda _, args: stream.append(args[0]))
        second = projection.register_forward_hook(after)
        try:
            yield
        finally:
            first.remove()
            second.remove()
        return
    try:
        yield
    finally:
        handle.remove()
