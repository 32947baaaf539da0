"""Every token of the stream counts once, with the context that its window gives it."""

import math

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from training.pystdlib.measure_language import bits_per_byte, induction_losses, stream_losses, windows_of

BOS = 0
LENGTH = 8


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.3,
        bos_token_id=BOS,
        eos_token_id=BOS,
        pad_token_id=BOS,
    )
    return LlamaForCausalLM(config).eval()


def stream(count: int) -> np.ndarray:
    tokens = np.random.default_rng(count).integers(1, 20, size=count).astype(np.int32)
    tokens[::7] = BOS
    return tokens


@torch.no_grad()
def one_by_one(model: LlamaForCausalLM, tokens: np.ndarray, stride: int) -> list[float]:
    """The loss of each token from a forward pass of its own over BOS and the tokens before it in its window."""
    losses = []
    for i in range(len(tokens)):
        first = 0 if i < LENGTH else stride * math.ceil((i + 1 - LENGTH) / stride)
        prefix = torch.tensor([[BOS, *tokens[first:i].tolist()]])
        losses.append(-model(prefix).logits[0, -1].log_softmax(-1)[int(tokens[i])].item())
    return losses


@pytest.mark.parametrize("stride", [LENGTH, 4, 3])
@pytest.mark.parametrize("count", [1, LENGTH, LENGTH + 1, 3 * LENGTH, 150, 151])
def test_each_token_is_scored_once_in_its_window(model: LlamaForCausalLM, stride: int, count: int) -> None:
    tokens = stream(count)
    found = stream_losses(model, tokens, BOS, LENGTH, stride)
    expected = one_by_one(model, tokens, stride)
    assert found == pytest.approx(expected, abs=1e-5)
    nats = sum(loss for loss, token in zip(expected, tokens, strict=True) if token != BOS)
    assert bits_per_byte(found, tokens, BOS, 1000) == pytest.approx(nats / math.log(2) / 1000, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("stride", [LENGTH, 3])
@pytest.mark.parametrize("count", [1, LENGTH, LENGTH + 1, 20])
def test_windows_reach_the_last_token_and_no_further_than_needed(stride: int, count: int) -> None:
    tokens = np.arange(1, count + 1, dtype=np.int32)
    windows = windows_of(tokens, BOS, LENGTH, stride)
    assert (windows[:, 0] == BOS).all()
    assert set(windows[:, 1:].flatten().tolist()) - {BOS} == set(tokens.tolist())
    assert count in windows[-1]
    assert len(windows) == 1 or count not in windows[-2]


def test_a_model_without_finite_losses_is_refused(model: LlamaForCausalLM) -> None:
    broken = LlamaForCausalLM(model.config)
    broken.model.norm.weight.data.fill_(math.nan)
    with pytest.raises(RuntimeError, match="no finite loss"):
        stream_losses(broken, stream(20), BOS, LENGTH, LENGTH)


def test_induction_leaves_out_the_first_token_of_the_repeat(model: LlamaForCausalLM) -> None:
    ordinary = np.arange(1, 20)
    first, second = induction_losses(model, BOS, ordinary, half=6, sequences=40, seed=3)
    r = np.random.default_rng(3).choice(ordinary, size=(40, 6))
    assert BOS not in r
    ids = torch.tensor(np.concatenate([np.zeros((40, 1), dtype=np.int64), r, r], axis=1))
    with torch.no_grad():
        log_probabilities = model(ids).logits.log_softmax(-1)
    losses = [[-log_probabilities[s, p - 1, ids[s, p]].item() for p in range(1, 13)] for s in range(40)]
    assert first == pytest.approx(np.mean([row[:6] for row in losses]), abs=1e-5)
    assert second == pytest.approx(np.mean([row[7:] for row in losses]), abs=1e-5)
    assert (first, second) == induction_losses(model, BOS, ordinary, half=6, sequences=40, seed=3)
