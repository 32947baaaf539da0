"""A causal model of transformers with an extension."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from autointerp.eval.organisms.planted.network._attachment import Places, live_positions
from autointerp.eval.organisms.planted.network._config import ExtendedConfig
from autointerp.eval.organisms.planted.network._extension import Extension
from autointerp.models import Adapter, adapters_for


class ExtendedForCausalLM(PreTrainedModel):  # type: ignore[misc]
    """A causal language model and an `Extension` of it, as one module."""

    config_class = ExtendedConfig
    base_model_prefix = "network"
    main_input_name = "input_ids"

    def __init__(self, config: ExtendedConfig) -> None:
        super().__init__(config)
        inner = config.network_config()
        text = inner.get_text_config()
        self.network = AutoModelForCausalLM.from_config(inner)
        self.extension = Extension(text.vocab_size, text.hidden_size, config.units, config.cells)
        self.channel = Places.found(inside(config).anatomy(inner), config.depth).attach(self.network, self.extension)
        self.post_init()
        self._note_attention()

    def set_attn_implementation(self, *args: Any, **kwargs: Any) -> None:
        """Choose how attention is computed, as for the model inside."""
        self.network.set_attn_implementation(*args, **kwargs)
        self._note_attention()

    def _note_attention(self) -> None:
        # The outer configuration is the one that is asked.
        self.config._attn_implementation_internal = self.network.config._attn_implementation

    def get_input_embeddings(self) -> Any:
        """The token embedding."""
        return self.network.get_input_embeddings()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, position_ids: Tensor | None = None
    ) -> Any:
        """What the model without the extension returns, its logits [batch, tokens, vocabulary] with the units' effects.

        `attention_mask`: [batch, tokens], 0 where there is padding.
        """
        given = {"attention_mask": attention_mask, "position_ids": position_ids}
        start = self.config.bos_token_id
        self.channel.begin(input_ids, live_positions(input_ids, start, attention_mask))
        inputs = {name: value for name, value in given.items() if value is not None}
        return self.network(input_ids=input_ids, use_cache=False, **inputs)

    def _init_weights(self, module: Any) -> None:
        """All weights are in the files."""


def inside(config: ExtendedConfig) -> Adapter:
    """The map of the family of the model inside."""
    return adapters_for(str(config.network["model_type"]))[config.network["architectures"][0]]
