"""Where the sites of each model family are: one row a family, looked up by the class that transformers gives the model."""

from __future__ import annotations

from dataclasses import dataclass

from autointerp.models._points import Point
from autointerp.records import SiteKind


@dataclass(frozen=True, slots=True)
class Adapter:
    """The map from sites to modules of one family.

    `points` is in the order of the forward pass: a trace has to visit modules in that order.
    """

    blocks: str
    points: dict[SiteKind, Point]
    embed: Point
    final: Point
    unembed: str


_LLAMA = Adapter(
    blocks="model.layers",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.HEAD_OUT: Point("self_attn.o_proj", "input"),
        SiteKind.ATTN_OUT: Point("self_attn", "output", 0),
        SiteKind.MLP_IN: Point("mlp", "input"),
        SiteKind.MLP_HIDDEN: Point("mlp.down_proj", "input"),
        SiteKind.MLP_OUT: Point("mlp", "output"),
        SiteKind.RESID_POST: Point("", "output"),
    },
    embed=Point("model.embed_tokens", "output"),
    final=Point("model.norm", "output"),
    unembed="lm_head",
)

#: By the name of the model's class in transformers.
ADAPTERS: dict[str, Adapter] = {"LlamaForCausalLM": _LLAMA}
