"""Small hosts to plant in, and networks and dictionaries computed without the code under test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from autointerp.eval.organisms.planted import Host
from autointerp.models import Subject
from autointerp.testing import tiny_corpus, tiny_dictionary, tiny_model

LAYER = 1
KINDS = ("token_set", "counting", "output_only", "negated", "absorbed")


def llama(folder: Path) -> Path:
    return tiny_model(folder)


def gpt2(folder: Path) -> Path:
    """A random GPT-2 with a tied head: LayerNorm, biases, another kind of linear layer."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_model(folder.with_name("tokens")))
    config = GPT2Config(
        vocab_size=300, n_embd=32, n_layer=3, n_head=4, n_positions=64, bos_token_id=0, eos_token_id=0, pad_token_id=0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config)
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=1.0 if "wte" in name else 0.15)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def host(folder: Path, model: Path, *, kind: str = "post") -> Host:
    """A model, a random dictionary on its stream, and made-up modules as text."""
    dictionary = tiny_dictionary(folder / "dictionary", width=32, layer=LAYER)
    config = json.loads((dictionary / "cfg.json").read_text())
    config["metadata"]["hook_name"] = f"blocks.{LAYER}.hook_resid_{kind}"
    (dictionary / "cfg.json").write_text(json.dumps(config))
    corpus = tiny_corpus(folder / "corpus", documents=500)
    return Host.open(Subject.load(str(model)), str(dictionary), str(corpus))


class Plain:
    """A saved organism by transformers and a few lines of linear algebra alone."""

    def __init__(self, folder: Path, block: str) -> None:
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.weights = {
            name: x.float() for name, x in load_file(folder / "dictionary" / "sae_weights.safetensors").items()
        }
        self.block = self.model.get_submodule(block)

    def run(self, text: str, *, place: int | None = None, added: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The stream behind the block [tokens, width] and the logits [tokens, vocabulary]; with something added at a place."""
        seen: list[Tensor] = []

        def hook(module: Any, inputs: Any, output: Tensor) -> Tensor:
            output = output.clone()
            if added is not None:
                output[0, place] += added
            seen.append(output[0])
            return output

        handle = self.block.register_forward_hook(hook)
        try:
            with torch.no_grad():
                ids = torch.tensor([[0, *self.tokenizer.encode(text, add_special_tokens=False)]])
                logits = self.model(ids).logits[0]
        finally:
            handle.remove()
        return seen[0], logits

    def activations(self, stream: Tensor) -> Tensor:
        """[tokens, latents]."""
        w = self.weights
        found = (stream - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
        return found * (found > w["threshold"])
