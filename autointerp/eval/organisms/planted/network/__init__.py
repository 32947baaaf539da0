"""The network that features are planted in: a causal model of transformers with an extension, saved and loaded as one."""

from __future__ import annotations

from autointerp.eval.organisms.planted.network._attachment import obstacles
from autointerp.eval.organisms.planted.network._config import ExtendedConfig
from autointerp.eval.organisms.planted.network._extension import Extension
from autointerp.eval.organisms.planted.network._model import ExtendedForCausalLM
from autointerp.eval.organisms.planted.network._registration import EXTENDED_TRANSFORMER, Architecture

__all__ = ["EXTENDED_TRANSFORMER", "Architecture", "ExtendedConfig", "ExtendedForCausalLM", "Extension", "obstacles"]
