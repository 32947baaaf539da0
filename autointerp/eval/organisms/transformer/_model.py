"""A small decoder or encoder, plain enough to write its weights by hand, and a transformers model like any other.

Pre-norm blocks of attention and MLP on a residual stream; learned positions; biases everywhere; the width of a head is free
of that of the stream. Which of its variants it is, the configuration says: as bare as a compiled circuit needs, or an
ordinary GPT.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput


class SmallTransformerConfig(PretrainedConfig):  # type: ignore[misc]
    """The sizes, and which of its variants a model is: `norm` is none or layer, `activation` relu or gelu."""

    model_type = "small_transformer"

    def __init__(
        self,
        vocab_size: int = 16,
        hidden_size: int = 32,
        intermediate_size: int = 64,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 2,
        head_dim: int = 16,
        max_position_embeddings: int = 16,
        use_bidirectional_attention: bool = False,
        norm: str = "none",
        activation: str = "relu",
        bos_token_id: int = 0,
        pad_token_id: int = 1,
        **kwargs: Any,
    ) -> None:
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.intermediate_size = intermediate_size
        self.num_hidden_layers = num_hidden_layers
        self.num_attention_heads = num_attention_heads
        self.head_dim = head_dim
        self.max_position_embeddings = max_position_embeddings
        self.use_bidirectional_attention = use_bidirectional_attention
        self.norm = norm
        self.activation = activation
        kwargs.setdefault("tie_word_embeddings", False)
        super().__init__(bos_token_id=bos_token_id, pad_token_id=pad_token_id, **kwargs)


class Embeddings(nn.Module):
    """Tokens plus positions."""

    def __init__(self, config: SmallTransformerConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
        """[batch, tokens] to [batch, tokens, width]."""
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1], device=input_ids.device)
        embedded: Tensor = self.tokens(input_ids) + self.positions(position_ids)
        return embedded


class Pattern(nn.Module):
    """The attention weights from the scores; a module by itself, so that a pattern can be read and edited."""

    def forward(self, scores: Tensor) -> Tensor:
        """Softmax over the keys, [batch, heads, queries, keys]."""
        return scores.softmax(dim=-1)


class Attention(nn.Module):
    """Multi-head attention; returns what it adds to the stream, and the pattern."""

    def __init__(self, config: SmallTransformerConfig) -> None:
        super().__init__()
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        inner = self.heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, inner)
        self.k_proj = nn.Linear(config.hidden_size, inner)
        self.v_proj = nn.Linear(config.hidden_size, inner)
        self.pattern = Pattern()
        self.o_proj = nn.Linear(inner, config.hidden_size)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """`mask`: bool, True where a query may see a key, broadcastable to [batch, heads, queries, keys]."""
        batch, tokens, _ = hidden_states.shape

        def split(x: Tensor) -> Tensor:
            return x.view(batch, tokens, self.heads, self.head_dim).transpose(1, 2)

        q, k, v = (split(p(hidden_states)) for p in (self.q_proj, self.k_proj, self.v_proj))
        scores = (q @ k.transpose(-1, -2)) * self.head_dim**-0.5
        pattern: Tensor = self.pattern(scores.masked_fill(~mask, torch.finfo(scores.dtype).min))
        mixed = (pattern @ v).transpose(1, 2).reshape(batch, tokens, self.heads * self.head_dim)
        return self.o_proj(mixed), pattern


class Mlp(nn.Module):
    """One hidden layer."""

    def __init__(self, config: SmallTransformerConfig) -> None:
        super().__init__()
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size)
        self.act = nn.ReLU() if config.activation == "relu" else nn.GELU()
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[batch, tokens, width] to the same."""
        out: Tensor = self.down_proj(self.act(self.up_proj(hidden_states)))
        return out


class Block(nn.Module):
    """Attention, then the MLP, each added to the stream."""

    def __init__(self, config: SmallTransformerConfig) -> None:
        super().__init__()
        self.norm1 = _norm(config)
        self.attention = Attention(config)
        self.norm2 = _norm(config)
        self.mlp = Mlp(config)

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        """[batch, tokens, width] to the same."""
        hidden_states = hidden_states + self.attention(self.norm1(hidden_states), mask)[0]
        out: Tensor = hidden_states + self.mlp(self.norm2(hidden_states))
        return out


class SmallTransformerPreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    """What the classes of this family share."""

    config_class = SmallTransformerConfig
    base_model_prefix = "model"
    _no_split_modules = ("Block",)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


class SmallTransformerModel(SmallTransformerPreTrainedModel):
    """Embeddings, blocks and final norm."""

    def __init__(self, config: SmallTransformerConfig) -> None:
        super().__init__(config)
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = _norm(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embedding."""
        return self.embeddings.tokens

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, position_ids: Tensor | None = None, **_: Any
    ) -> BaseModelOutput:
        """`attention_mask`: [batch, tokens], 0 where there is padding."""
        tokens = input_ids.shape[1]
        mask = torch.ones(1, 1, tokens, tokens, dtype=torch.bool, device=input_ids.device)
        if not self.config.use_bidirectional_attention:
            mask = mask.tril()
        if attention_mask is not None:
            mask = mask & attention_mask.bool()[:, None, None, :]
        hidden_states = self.embeddings(input_ids, position_ids)
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask)
        return BaseModelOutput(last_hidden_state=self.norm(hidden_states))


class SmallTransformerForCausalLM(SmallTransformerPreTrainedModel):
    """The model with a head over its vocabulary; each position's logits answer for that position."""

    def __init__(self, config: SmallTransformerConfig) -> None:
        super().__init__(config)
        self.model = SmallTransformerModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def forward(self, input_ids: Tensor, **inputs: Any) -> CausalLMOutput:
        """Logits [batch, tokens, vocabulary]; `inputs` as for the model without its head."""
        return CausalLMOutput(logits=self.lm_head(self.model(input_ids, **inputs).last_hidden_state))


def _norm(config: SmallTransformerConfig) -> nn.Module:
    return nn.LayerNorm(config.hidden_size) if config.norm == "layer" else nn.Identity()
