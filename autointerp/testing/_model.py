"""A random language model and a random encoder in the transformers layout."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from autointerp.testing._corpus import module_text

_VOCABULARY = 300
_CONTEXT = 64
_WIDTH = 32
_LAYERS = 3
_BOS = "<|bos|>"


def tiny_model(folder: Path, *, seed: int = 0) -> Path:
    """Write a random Llama of 3 layers, width 32, context 64 and its byte-level tokenizer of 300 into `folder`; return it.

    All weights are drawn large enough that every block changes the residual stream as much as the embedding does, and no
    norm has a gain of 1: code that reads or edits the wrong place computes something visibly else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=_CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                weight.copy_(1.0 + 0.2 * noise)
            else:
                weight.copy_(noise * (1.0 if "embed_tokens" in name else 1.5 * weight.shape[1] ** -0.5))
    _write(model, folder)
    _tokenizer(_BOS, bos_token=_BOS, eos_token=_BOS, pad_token=_BOS).save_pretrained(folder)
    return folder


def tiny_encoder(folder: Path, *, seed: int = 0) -> Path:
    """Write a random BERT of 2 layers, width 32, context 64 and its byte-level tokenizer of 300 into `folder`; return it.

    A text starts with [CLS] and ends with [SEP], and [PAD] fills a batch up. Weights are drawn as those of `tiny_model`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=_CONTEXT,
        pad_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        model = BertModel(config, add_pooling_layer=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                weight.copy_((1.0 if name.endswith("LayerNorm.weight") else 0.0) + 0.2 * noise)
            else:
                weight.copy_(noise * (1.0 if "embeddings" in name else 1.5 * weight.shape[1] ** -0.5))
    _write(model, folder)
    roles = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    _tokenizer(*roles.values(), **roles).save_pretrained(folder)
    return folder


def _write(model: PreTrainedModel, folder: Path) -> None:
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})


def _tokenizer(*special: str, **roles: str) -> PreTrainedTokenizerFast:
    """Bytes, and the merges that a few lines of Python ask for; the special tokens have the first ids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([module_text(random.Random(number), number) for number in range(8)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **roles)
