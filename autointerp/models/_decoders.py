"""Families of causal language models."""

from __future__ import annotations

from dataclasses import replace

from autointerp.models._adapters import Adapter
from autointerp.models._points import Fused, Pattern, Point
from autointerp.records import SiteKind

LLAMA = Adapter(
    stem="model",
    blocks="layers",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.Q: Point("self_attn.q_proj"),
        SiteKind.K: Point("self_attn.k_proj"),
        SiteKind.V: Point("self_attn.v_proj"),
        SiteKind.PATTERN: Pattern("self_attn"),
        SiteKind.HEAD_OUT: Point("self_attn.o_proj", "input"),
        SiteKind.ATTN_OUT: Point("self_attn", "output", 0),
        SiteKind.MLP_IN: Point("mlp", "input"),
        SiteKind.MLP_HIDDEN: Point("mlp.down_proj", "input"),
        SiteKind.MLP_OUT: Point("mlp"),
        SiteKind.RESID_POST: Point(""),
    },
    embed=Point("embed_tokens"),
    final=Point("norm"),
)

#: A norm after attention and after the MLP, so that what is added to the stream is the norm's output.
POST_NORM = replace(
    LLAMA,
    points={
        **LLAMA.points,
        SiteKind.ATTN_OUT: Point("post_attention_layernorm"),
        SiteKind.MLP_OUT: Point("post_feedforward_layernorm"),
    },
    after={SiteKind.ATTN_OUT: "post_attention_layernorm", SiteKind.MLP_OUT: "post_feedforward_layernorm"},
)

#: `clip_qkv` clamps queries, keys and values in place.
OLMO = replace(
    LLAMA,
    points={
        **LLAMA.points,
        SiteKind.Q: Point("self_attn.q_proj", overwritten=True),
        SiteKind.K: Point("self_attn.k_proj", overwritten=True),
        SiteKind.V: Point("self_attn.v_proj", overwritten=True),
    },
)

PHI = replace(
    LLAMA,
    points={
        **LLAMA.points,
        SiteKind.HEAD_OUT: Point("self_attn.dense", "input"),
        SiteKind.MLP_HIDDEN: Point("mlp.fc2", "input"),
    },
    embed=Point("embed_dropout"),
    final=Point("final_layernorm"),
)

PHI3 = replace(
    LLAMA,
    points={
        **LLAMA.points,
        SiteKind.Q: Fused("self_attn.qkv_proj", 0),
        SiteKind.K: Fused("self_attn.qkv_proj", 1),
        SiteKind.V: Fused("self_attn.qkv_proj", 2),
    },
)

GPT2 = Adapter(
    stem="transformer",
    blocks="h",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.Q: Fused("attn.c_attn", 0),
        SiteKind.K: Fused("attn.c_attn", 1),
        SiteKind.V: Fused("attn.c_attn", 2),
        SiteKind.PATTERN: Pattern("attn"),
        SiteKind.HEAD_OUT: Point("attn.c_proj", "input"),
        SiteKind.ATTN_OUT: Point("attn", "output", 0),
        SiteKind.MLP_IN: Point("mlp", "input"),
        SiteKind.MLP_HIDDEN: Point("mlp.c_proj", "input"),
        SiteKind.MLP_OUT: Point("mlp"),
        SiteKind.RESID_POST: Point(""),
    },
    embed=Point("drop"),
    final=Point("ln_f"),
    # Its eager attention is then another function, which no `Pattern` describes.
    absent={"reorder_and_upcast_attn": frozenset({SiteKind.PATTERN})},
)

GPT_NEOX = Adapter(
    stem="gpt_neox",
    blocks="layers",
    points={
        SiteKind.RESID_PRE: Point("", "input"),
        SiteKind.Q: Fused("attention.query_key_value", 0, interleaved=True),
        SiteKind.K: Fused("attention.query_key_value", 1, interleaved=True),
        SiteKind.V: Fused("attention.query_key_value", 2, interleaved=True),
        SiteKind.PATTERN: Pattern("attention"),
        SiteKind.HEAD_OUT: Point("attention.dense", "input"),
        SiteKind.ATTN_OUT: Point("attention", "output", 0),
        SiteKind.MLP_IN: Point("mlp", "input"),
        SiteKind.MLP_HIDDEN: Point("mlp.dense_4h_to_h", "input"),
        SiteKind.MLP_OUT: Point("mlp"),
        SiteKind.RESID_POST: Point(""),
    },
    embed=Point("emb_dropout"),
    final=Point("final_layer_norm"),
)

#: By the name of the model's class in transformers.
DECODERS: dict[str, Adapter] = {
    "GPT2LMHeadModel": GPT2,
    "GPT2Model": GPT2.headless(),
    "GPTNeoXForCausalLM": GPT_NEOX,
    "GPTNeoXModel": GPT_NEOX.headless(),
    "Gemma2ForCausalLM": POST_NORM,
    "Gemma2Model": POST_NORM.headless(),
    "Gemma3ForCausalLM": POST_NORM,
    "Gemma3ForConditionalGeneration": replace(POST_NORM, stem="model.language_model"),
    "Gemma3TextModel": POST_NORM.headless(),
    "LlamaForCausalLM": LLAMA,
    "LlamaModel": LLAMA.headless(),
    "MistralForCausalLM": LLAMA,
    "MistralModel": LLAMA.headless(),
    "Olmo2ForCausalLM": POST_NORM,
    "Olmo2Model": POST_NORM.headless(),
    "Olmo3ForCausalLM": POST_NORM,
    "Olmo3Model": POST_NORM.headless(),
    "OlmoForCausalLM": OLMO,
    "OlmoModel": OLMO.headless(),
    "Phi3ForCausalLM": PHI3,
    "Phi3Model": PHI3.headless(),
    "PhiForCausalLM": PHI,
    "PhiModel": PHI.headless(),
    "Qwen2ForCausalLM": LLAMA,
    "Qwen2Model": LLAMA.headless(),
    "Qwen3ForCausalLM": LLAMA,
    "Qwen3Model": LLAMA.headless(),
}
