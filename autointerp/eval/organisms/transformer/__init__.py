"""The architecture that organisms are written in, and how it becomes known to transformers and to `Subject`."""

from __future__ import annotations

from autointerp.eval.organisms.transformer._model import SmallTransformerConfig, SmallTransformerForCausalLM
from autointerp.eval.organisms.transformer._registration import SMALL_TRANSFORMER, Architecture
from autointerp.eval.organisms.transformer._writing import written

__all__ = [
    "SMALL_TRANSFORMER",
    "Architecture",
    "SmallTransformerConfig",
    "SmallTransformerForCausalLM",
    "written",
]
