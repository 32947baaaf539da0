"""Every family as a tiny random model in a folder, and where its sites are, spelled out for torch's own hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from tests.models.plain import Change

LAYERS, WIDTH, VOCABULARY, HIDDEN, CONTEXT = 2, 16, 50, 24, 32


@dataclass(frozen=True)
class Place:
    """A module's input or output; `columns` are those of the site where it is only a part of them."""

    path: str
    end: str = "output"
    columns: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Family:
    """A configuration, and what is true of its models.

    `widths` are those of sites that are not as wide as the residual stream; `norm` is the final one, with the kind that it is;
    `post` are norms between an addition's projection and the stream.
    """

    config: str
    options: Mapping[str, Any]
    model: str
    places: Mapping[str, Place]
    heads: int = 4
    shared: int = 4
    size: int = 4
    projection: str = ""
    norm: tuple[str, str] | None = None
    head: str | None = "lm_head"
    post: Mapping[str, str] = field(default_factory=dict)
    causal: bool = True
    sums: Callable[[nn.Module, Mapping[str, Tensor]], list[tuple[Tensor, Tensor]]] | None = None

    def width(self, kind: str) -> int:
        special = {"mlp_hidden": HIDDEN, "k": self.shared * self.size, "v": self.shared * self.size}
        return special.get(kind, self.heads * self.size if kind in ("q", "head_out") else WIDTH)


def _llama(**changed: Place) -> dict[str, Place]:
    block = "model.layers.{layer}"
    return {
        "embed": Place("model.embed_tokens"),
        "final": Place("model.norm"),
        "resid_pre": Place(block, "input"),
        "resid_post": Place(block),
        "q": Place(f"{block}.self_attn.q_proj"),
        "k": Place(f"{block}.self_attn.k_proj"),
        "v": Place(f"{block}.self_attn.v_proj"),
        "head_out": Place(f"{block}.self_attn.o_proj", "input"),
        "attn_out": Place(f"{block}.self_attn"),
        "mlp_in": Place(f"{block}.mlp", "input"),
        "mlp_hidden": Place(f"{block}.mlp.down_proj", "input"),
        "mlp_out": Place(f"{block}.mlp"),
        **changed,
    }


_POST = {
    "attn_out": Place("model.layers.{layer}.post_attention_layernorm"),
    "mlp_out": Place("model.layers.{layer}.post_feedforward_layernorm"),
}
_POST_NORMS = {"attn_out": "model.layers.{layer}.post_attention_layernorm"}


def _bert_places(stem: str) -> dict[str, Place]:
    block = f"{stem}encoder.layer.{{layer}}"
    return {
        "embed": Place(f"{stem}embeddings"),
        "final": Place(f"{stem}encoder.layer.{LAYERS - 1}"),
        "resid_pre": Place(block, "input"),
        "resid_post": Place(block),
        "q": Place(f"{block}.attention.self.query"),
        "k": Place(f"{block}.attention.self.key"),
        "v": Place(f"{block}.attention.self.value"),
        "head_out": Place(f"{block}.attention.output.dense", "input"),
        "attn_out": Place(f"{block}.attention.output.dense"),
        "mlp_in": Place(f"{block}.intermediate.dense", "input"),
        "mlp_hidden": Place(f"{block}.output.dense", "input"),
        "mlp_out": Place(f"{block}.output.dense"),
    }


def _normed_twice(first: str, second: str) -> Callable[[nn.Module, Mapping[str, Tensor]], list[tuple[Tensor, Tensor]]]:
    """The stream of an encoder: each addition is followed by a norm."""

    def sums(module: nn.Module, seen: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
        middle = module.get_submodule(first)(seen["resid_pre"] + seen["attn_out"])
        return [
            (middle, seen["mlp_in"]),
            (module.get_submodule(second)(middle + seen["mlp_out"]), seen["resid_post"]),
        ]

    return sums


def _columns(start: int, width: int) -> tuple[int, ...]:
    return tuple(range(start, start + width))


def _of_heads(index: int) -> tuple[int, ...]:
    """GPT-NeoX: query, key and value of head 0, then those of head 1, and so on; heads of size 4."""
    return tuple(head * 12 + index * 4 + i for head in range(4) for i in range(4))


_DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
_ENCODER = {key: value for key, value in _DECODER.items() if key not in ("num_key_value_heads", "tie_word_embeddings")}
_WIDE = {**_DECODER, "head_dim": 8}
_RMS, _LAYER = ("model.norm", "rms"), ("model.norm", "layer")
_LLAMA_HEADS = {"shared": 2, "projection": "model.layers.{layer}.self_attn.o_proj"}

FAMILIES: dict[str, Family] = {
    "gpt2": Family(
        "GPT2Config",
        {
            "vocab_size": VOCABULARY,
            "n_embd": WIDTH,
            "n_inner": HIDDEN,
            "n_layer": LAYERS,
            "n_head": 4,
            "n_positions": CONTEXT,
            "tie_word_embeddings": False,
            "bos_token_id": 0,
            "eos_token_id": 1,
        },
        "GPT2LMHeadModel",
        {
            "embed": Place("transformer.h.0", "input"),
            "final": Place("transformer.ln_f"),
            "resid_pre": Place("transformer.h.{layer}", "input"),
            "resid_post": Place("transformer.h.{layer}"),
            "q": Place("transformer.h.{layer}.attn.c_attn", columns=_columns(0, 16)),
            "k": Place("transformer.h.{layer}.attn.c_attn", columns=_columns(16, 16)),
            "v": Place("transformer.h.{layer}.attn.c_attn", columns=_columns(32, 16)),
            "head_out": Place("transformer.h.{layer}.attn.c_proj", "input"),
            "attn_out": Place("transformer.h.{layer}.attn"),
            "mlp_in": Place("transformer.h.{layer}.mlp", "input"),
            "mlp_hidden": Place("transformer.h.{layer}.mlp.c_proj", "input"),
            "mlp_out": Place("transformer.h.{layer}.mlp"),
        },
        projection="transformer.h.{layer}.attn.c_proj",
        norm=("transformer.ln_f", "layer"),
    ),
    "llama": Family("LlamaConfig", _DECODER, "LlamaForCausalLM", _llama(), norm=_RMS, **_LLAMA_HEADS),
    "mistral": Family(
        "MistralConfig", {**_DECODER, "sliding_window": 4}, "MistralForCausalLM", _llama(), norm=_RMS, **_LLAMA_HEADS
    ),
    "qwen2": Family("Qwen2Config", _DECODER, "Qwen2ForCausalLM", _llama(), norm=_RMS, **_LLAMA_HEADS),
    "qwen3": Family("Qwen3Config", _WIDE, "Qwen3ForCausalLM", _llama(), size=8, norm=_RMS, **_LLAMA_HEADS),
    "gemma2": Family(
        "Gemma2Config",
        {**_WIDE, "sliding_window": 4, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0},
        "Gemma2ForCausalLM",
        _llama(**_POST),
        size=8,
        norm=_RMS,
        post=_POST_NORMS,
        **_LLAMA_HEADS,
    ),
    "gemma3": Family(
        "Gemma3TextConfig",
        {**_WIDE, "sliding_window": 4},
        "Gemma3ForCausalLM",
        _llama(**_POST),
        size=8,
        norm=_RMS,
        post=_POST_NORMS,
        **_LLAMA_HEADS,
    ),
    "olmo": Family(
        "OlmoConfig", {**_DECODER, "clip_qkv": 1.0}, "OlmoForCausalLM", _llama(), norm=_LAYER, **_LLAMA_HEADS
    ),
    "olmo2": Family(
        "Olmo2Config", _DECODER, "Olmo2ForCausalLM", _llama(**_POST), norm=_RMS, post=_POST_NORMS, **_LLAMA_HEADS
    ),
    "olmo3": Family(
        "Olmo3Config",
        {**_DECODER, "sliding_window": 4},
        "Olmo3ForCausalLM",
        _llama(**_POST),
        norm=_RMS,
        post=_POST_NORMS,
        **_LLAMA_HEADS,
    ),
    "phi": Family(
        "PhiConfig",
        _DECODER,
        "PhiForCausalLM",
        _llama(
            final=Place("model.final_layernorm"),
            head_out=Place("model.layers.{layer}.self_attn.dense", "input"),
            mlp_hidden=Place("model.layers.{layer}.mlp.fc2", "input"),
        ),
        shared=2,
        projection="model.layers.{layer}.self_attn.dense",
        norm=("model.final_layernorm", "layer"),
    ),
    "phi3": Family(
        "Phi3Config",
        _DECODER,
        "Phi3ForCausalLM",
        _llama(
            q=Place("model.layers.{layer}.self_attn.qkv_proj", columns=_columns(0, 16)),
            k=Place("model.layers.{layer}.self_attn.qkv_proj", columns=_columns(16, 8)),
            v=Place("model.layers.{layer}.self_attn.qkv_proj", columns=_columns(24, 8)),
        ),
        norm=_RMS,
        **_LLAMA_HEADS,
    ),
    "bert": Family(
        "BertConfig",
        _ENCODER,
        "BertForMaskedLM",
        _bert_places("bert."),
        projection="bert.encoder.layer.{layer}.attention.output.dense",
        head=None,
        causal=False,
        sums=_normed_twice("bert.encoder.layer.1.attention.output.LayerNorm", "bert.encoder.layer.1.output.LayerNorm"),
    ),
    "bert headless": Family(
        "BertConfig",
        _ENCODER,
        "BertModel",
        _bert_places(""),
        projection="encoder.layer.{layer}.attention.output.dense",
        head=None,
        causal=False,
        sums=_normed_twice("encoder.layer.1.attention.output.LayerNorm", "encoder.layer.1.output.LayerNorm"),
    ),
    "roberta": Family(
        "RobertaConfig",
        {**_ENCODER, "max_position_embeddings": CONTEXT + 3},
        "RobertaForMaskedLM",
        _bert_places("roberta."),
        projection="roberta.encoder.layer.{layer}.attention.output.dense",
        head=None,
        causal=False,
        sums=_normed_twice(
            "roberta.encoder.layer.1.attention.output.LayerNorm", "roberta.encoder.layer.1.output.LayerNorm"
        ),
    ),
    "distilbert": Family(
        "DistilBertConfig",
        {
            "vocab_size": VOCABULARY,
            "dim": WIDTH,
            "hidden_dim": HIDDEN,
            "n_layers": LAYERS,
            "n_heads": 4,
            "max_position_embeddings": CONTEXT,
            "pad_token_id": 2,
        },
        "DistilBertForMaskedLM",
        {
            "embed": Place("distilbert.embeddings"),
            "final": Place("distilbert.transformer.layer.1"),
            "resid_pre": Place("distilbert.transformer.layer.{layer}", "input"),
            "resid_post": Place("distilbert.transformer.layer.{layer}"),
            "q": Place("distilbert.transformer.layer.{layer}.attention.q_lin"),
            "k": Place("distilbert.transformer.layer.{layer}.attention.k_lin"),
            "v": Place("distilbert.transformer.layer.{layer}.attention.v_lin"),
            "head_out": Place("distilbert.transformer.layer.{layer}.attention.out_lin", "input"),
            "attn_out": Place("distilbert.transformer.layer.{layer}.attention.out_lin"),
            "mlp_in": Place("distilbert.transformer.layer.{layer}.ffn.lin1", "input"),
            "mlp_hidden": Place("distilbert.transformer.layer.{layer}.ffn.lin2", "input"),
            "mlp_out": Place("distilbert.transformer.layer.{layer}.ffn"),
        },
        projection="distilbert.transformer.layer.{layer}.attention.out_lin",
        head=None,
        causal=False,
        sums=_normed_twice(
            "distilbert.transformer.layer.1.sa_layer_norm", "distilbert.transformer.layer.1.output_layer_norm"
        ),
    ),
}


def _neox(parallel: bool) -> Family:
    block = "gpt_neox.layers.{layer}"
    options = {key: value for key, value in _DECODER.items() if key != "num_key_value_heads"}
    return Family(
        "GPTNeoXConfig",
        {**options, "use_parallel_residual": parallel, "rotary_pct": 0.5},
        "GPTNeoXForCausalLM",
        {
            "embed": Place("gpt_neox.embed_in"),
            "final": Place("gpt_neox.final_layer_norm"),
            "resid_pre": Place(block, "input"),
            "resid_post": Place(block),
            "q": Place(f"{block}.attention.query_key_value", columns=_of_heads(0)),
            "k": Place(f"{block}.attention.query_key_value", columns=_of_heads(1)),
            "v": Place(f"{block}.attention.query_key_value", columns=_of_heads(2)),
            "head_out": Place(f"{block}.attention.dense", "input"),
            "attn_out": Place(f"{block}.attention"),
            "mlp_in": Place(f"{block}.mlp", "input"),
            "mlp_hidden": Place(f"{block}.mlp.dense_4h_to_h", "input"),
            "mlp_out": Place(f"{block}.mlp"),
        },
        projection=f"{block}.attention.dense",
        norm=("gpt_neox.final_layer_norm", "layer"),
    )


FAMILIES |= {"gpt_neox": _neox(parallel=False), "gpt_neox parallel": _neox(parallel=True)}


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter drawn anew, biases and norms included, large enough that each one matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(module.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                # The norms of Gemma add the one themselves.
                around = 1.0 if "norm" in name.lower() or "ln_" in name else 0.0
                weight.copy_((around + 0.3 * noise) if name.endswith("weight") else 0.3 * noise)
            else:
                weight.copy_(noise * (1.0 if "emb" in name or "wte" in name or "wpe" in name else 1.5 * WIDTH**-0.5))
    return module.eval()


def tokenizer_of(causal: bool) -> PreTrainedTokenizerFast:
    """One token a word, w3 to w49; a decoder's has no padding, an encoder's neither BOS nor EOS."""
    roles = (
        {"bos_token": "<a>", "eos_token": "<b>"}
        if causal
        else {"cls_token": "<a>", "sep_token": "<b>", "pad_token": "<c>"}
    )
    words = ["<a>", "<b>", "<c>", *(f"w{number}" for number in range(3, VOCABULARY))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="w3"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles)


def write_family(family: Family, folder: Path) -> Path:
    """A random model of the family in a folder, with a tokenizer."""
    config = getattr(transformers, family.config)(**family.options)
    module = randomised(getattr(transformers, family.model)(config))
    module.save_pretrained(folder)
    tokenizer_of(family.causal).save_pretrained(folder)
    return folder


def hooked(
    module: nn.Module,
    ids: Tensor,
    *,
    capture: Mapping[str, Place] | None = None,
    edits: Mapping[str, tuple[Place, Change]] | None = None,
    layer: int = 0,
    **inputs: Any,
) -> tuple[dict[str, Tensor], Any]:
    """Readings of places, taken after the edits, and the model's output, with torch's own hooks."""
    seen: dict[str, Tensor] = {}
    handles = []

    def reader(name: str) -> Change:
        def visit(x: Tensor) -> Tensor:
            seen[name] = x.clone()
            return x

        return visit

    try:
        for place, change in (edits or {}).values():
            handles.append(_hook(module, place, change, layer))
        for name, place in (capture or {}).items():
            handles.append(_hook(module, place, reader(name), layer))
        with torch.no_grad():
            output = module(ids, **inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen, output


def _hook(module: nn.Module, place: Place, visit: Change, layer: int) -> Any:
    part = module.get_submodule(place.path.format(layer=layer))
    columns = None if place.columns is None else torch.tensor(place.columns)

    def change(x: Tensor) -> Tensor:
        if columns is None:
            return visit(x)
        whole = x.clone()
        whole[..., columns] = visit(x[..., columns])
        return whole

    if place.end == "input":

        def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (change(args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": change(kwargs["hidden_states"])}

        return part.register_forward_pre_hook(before, with_kwargs=True)

    def after(_: nn.Module, __: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    return part.register_forward_hook(after)
