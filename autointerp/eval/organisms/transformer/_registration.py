"""How the architecture becomes known: to transformers by its model type, to `Subject` by where its sites are."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import AutoConfig, AutoModelForCausalLM

from autointerp.eval.organisms.transformer._model import SmallTransformerConfig, SmallTransformerForCausalLM
from autointerp.models import Adapter, Point
from autointerp.records import SiteKind

_ADAPTER = Adapter(
    stem="model",
    blocks="layers",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.Q: Point("attention.q_proj"),
        SiteKind.K: Point("attention.k_proj"),
        SiteKind.V: Point("attention.v_proj"),
        SiteKind.PATTERN: Point("attention.pattern"),
        SiteKind.HEAD_OUT: Point("attention.o_proj", "input"),
        SiteKind.ATTN_OUT: Point("attention.o_proj"),
        SiteKind.MLP_IN: Point("mlp", "input"),
        SiteKind.MLP_HIDDEN: Point("mlp.down_proj", "input"),
        SiteKind.MLP_OUT: Point("mlp"),
        SiteKind.RESID_POST: Point(""),
    },
    embed=Point("embeddings"),
    final=Point("norm"),
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model type that is not one of transformers' own; see the entry-point group `autointerp.architectures`."""

    #: By the name of the model's class.
    adapters: dict[str, Adapter]

    def register(self) -> None:
        """Make `AutoConfig` and `AutoModelForCausalLM` know the type. Calling it again does nothing."""
        AutoConfig.register(SmallTransformerConfig.model_type, SmallTransformerConfig, exist_ok=True)
        AutoModelForCausalLM.register(SmallTransformerConfig, SmallTransformerForCausalLM, exist_ok=True)


SMALL_TRANSFORMER = Architecture({SmallTransformerForCausalLM.__name__: _ADAPTER})
