"""The fakes are what they say, are made quickly, and come out the same each time."""

from __future__ import annotations

import ast
import json
import socket
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from autointerp.activations import open_corpus, split_of
from autointerp.models import Subject, fingerprint
from autointerp.testing import tiny_corpus, tiny_dictionary, tiny_model


def contents(folder: Path) -> str:
    return fingerprint(path for path in folder.rglob("*") if path.is_file())


def test_the_model_is_an_ordinary_small_llama(model_folder: Path) -> None:
    module = AutoModelForCausalLM.from_pretrained(model_folder, local_files_only=True)
    config = module.config
    assert (config.model_type, config.num_hidden_layers, config.hidden_size) == ("llama", 3, 32)
    assert config.max_position_embeddings == 64
    tokenizer = AutoTokenizer.from_pretrained(model_folder, local_files_only=True)
    assert len(tokenizer) == config.vocab_size == 300
    text = 'def f(x):\n\treturn "é€"  # ok\n'
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.bos_token_id not in ids
    assert tokenizer.decode(ids) == text
    assert len(ids) < len(text.encode())


def test_every_block_of_the_model_matters(subject: Subject) -> None:
    ids = torch.tensor([[subject.bos, *subject.encode("for i in range(3):\n    print(i)\n")]])
    hidden = subject.module(ids, output_hidden_states=True).hidden_states
    for before, after in pairwise(hidden[:-1]):
        assert 0.3 < float((after - before).norm() / before.norm()) < 5


def test_seeds_decide_everything(tmp_path: Path, model_folder: Path) -> None:
    assert contents(tiny_model(tmp_path / "same")) == contents(model_folder)
    assert contents(tiny_model(tmp_path / "other", seed=1)) != contents(model_folder)
    one, same, other = (tiny_dictionary(tmp_path / f"d{i}", width=8, seed=s) for i, s in enumerate((3, 3, 4)))
    assert contents(one) == contents(same) != contents(other)
    texts = [tiny_corpus(tmp_path / f"c{i}", seed=s).read_text() for i, s in enumerate((3, 3, 4))]
    assert texts[0] == texts[1] != texts[2]


def test_making_a_model_leaves_the_seed_of_torch_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny_model(tmp_path / "model")
    tiny_dictionary(tmp_path / "dictionary", width=8)
    assert torch.equal(torch.rand(3), expected)


def test_the_fakes_are_made_quickly(tmp_path: Path) -> None:
    begin = time.process_time()
    tiny_model(tmp_path / "model")
    tiny_dictionary(tmp_path / "dictionary", width=32)
    tiny_corpus(tmp_path / "corpus")
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("architecture", ["standard", "topk", "jumprelu"])
def test_dictionaries_have_the_layout_of_saelens(tmp_path: Path, architecture: str) -> None:
    folder = tiny_dictionary(tmp_path, width=8, latents=20, layer=2, architecture=architecture)
    weights = load_file(folder / "sae_weights.safetensors")
    shapes = {"W_enc": (8, 20), "W_dec": (20, 8), "b_enc": (20,), "b_dec": (8,)}
    shapes |= {"threshold": (20,)} if architecture == "jumprelu" else {}
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == shapes
    config = json.loads((folder / "cfg.json").read_text())
    assert config["architecture"] == architecture
    assert config["metadata"]["hook_name"] == "blocks.2.hook_resid_post"
    assert torch.allclose(weights["W_dec"].norm(dim=1), torch.ones(20))


def test_the_corpus_is_python_and_fills_every_split(corpus_file: Path) -> None:
    texts = [json.loads(line)["text"] for line in corpus_file.read_text().splitlines()]
    assert len(texts) == len(set(texts)) == 60
    for text in texts:
        ast.parse(text)
    splits = Counter(split_of(document.id) for document in open_corpus(str(corpus_file)).documents())
    assert sorted(splits) == ["refine", "test", "train"]
    assert min(splits.values()) >= 5


def test_the_network_is_out_of_reach() -> None:
    with pytest.raises(RuntimeError, match="reached for the network"):
        socket.create_connection(("198.51.100.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="reached for the network"):
        socket.getaddrinfo("example.org", 80)


def test_loopback_is_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), timeout=5):
        pass
