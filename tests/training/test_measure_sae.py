"""The encoder against a hand calculation, and what splicing in must give in cases that are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from training.pystdlib.measure_sae import (
    Autoencoder,
    activity,
    density_histogram,
    edited,
    figures,
    load_autoencoder,
    mean_loss,
    residuals,
)

BOS = 0
CPU = torch.device("cpu")


def write(folder: Path, architecture: str, **settings: Any) -> Path:
    """An autoencoder of three latents on two dimensions, small enough to do by hand."""
    config = {
        "architecture": architecture,
        "d_in": 2,
        "d_sae": 3,
        "hook_name": "blocks.1.hook_resid_post",
        "apply_b_dec_to_input": True,
    }
    weights = {
        "W_enc": torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 1.0]]),
        "W_dec": torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]),
        "b_enc": torch.tensor([0.0, -1.0, 0.5]),
        "b_dec": torch.tensor([1.0, 1.0]),
    }
    if architecture == "jumprelu":
        weights["threshold"] = torch.tensor([1.0, 1.0, 1.0])
    save_file({name: w.half() for name, w in weights.items()}, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(config | settings))
    return folder


@pytest.mark.parametrize(
    ("architecture", "settings", "expected"),
    [
        # x - b_dec = (2, 1) gives pre = (2, 1, -0.5); x itself gives (3, 3, -0.5).
        ("topk", {"k": 1}, [2.0, 0.0, 0.0]),
        ("topk", {"k": 2}, [2.0, 1.0, 0.0]),
        ("topk", {"k": 3}, [2.0, 1.0, 0.0]),
        ("topk", {"k": 2, "apply_b_dec_to_input": False}, [3.0, 3.0, 0.0]),
        ("jumprelu", {}, [2.0, 0.0, 0.0]),
        ("jumprelu", {"apply_b_dec_to_input": False}, [3.0, 3.0, 0.0]),
    ],
)
def test_encode_by_hand(tmp_path: Path, architecture: str, settings: dict[str, Any], expected: list[float]) -> None:
    sae = load_autoencoder(write(tmp_path, architecture, **settings), CPU)
    assert sae.layer == 1
    assert sae.encode(torch.tensor([[3.0, 2.0]])).tolist() == [expected]


def test_decode_by_hand(tmp_path: Path) -> None:
    sae = load_autoencoder(write(tmp_path, "topk", k=2), CPU)
    assert sae.decode(torch.tensor([2.0, 1.0, 3.0])).tolist() == [6.0, 5.0]


def test_the_hook_may_stand_in_the_metadata(tmp_path: Path) -> None:
    folder = write(tmp_path, "topk", k=1)
    config = json.loads((folder / "cfg.json").read_text())
    config["metadata"] = {"hook_name": config.pop("hook_name")}
    (folder / "cfg.json").write_text(json.dumps(config))
    assert load_autoencoder(folder, CPU).layer == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hook_name": "blocks.1.hook_mlp_out"}, "hook_mlp_out"),
        ({"architecture": "gated"}, "gated"),
        ({"normalize_activations": "layer_norm"}, "layer_norm"),
        ({"rescale_acts_by_decoder_norm": True}, "rescale_acts_by_decoder_norm"),
        ({"d_in": 4}, r"W_enc is \(2, 3\), cfg.json says \(4, 3\)"),
    ],
)
def test_what_is_not_implemented_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_autoencoder(write(tmp_path, **{"architecture": "topk", "k": 1, **settings}), CPU)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.3,
        bos_token_id=BOS,
        eos_token_id=BOS,
        pad_token_id=BOS,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    ids = torch.randint(1, 20, (30, 9), generator=torch.Generator().manual_seed(1))
    ids[:, 0] = BOS
    ids[3, 4:] = BOS
    return ids


def linear(weight: float, bias: torch.Tensor) -> Autoencoder:
    """Latents for the positive and negative part of each dimension; reconstructs `bias` + `weight` * (x - `bias`)."""
    eye = torch.eye(len(bias))
    both = torch.cat([eye, -eye])
    weights = {"W_enc": both.T, "W_dec": weight * both, "b_enc": torch.zeros(len(both)), "b_dec": bias}
    return Autoencoder(1, "topk", len(bias), True, weights)


def test_the_hook_reads_the_block_s_output(model: LlamaForCausalLM, windows: torch.Tensor) -> None:
    with torch.no_grad():
        hidden = model.model(windows, output_hidden_states=True).hidden_states
        torch.testing.assert_close(residuals(model, 1, windows), hidden[2])


def test_a_perfect_dictionary_recovers_everything(model: LlamaForCausalLM, windows: torch.Tensor) -> None:
    found = figures(model, linear(1.0, torch.zeros(16)), windows, BOS)
    assert found.positions == int((windows != BOS).sum()) == 30 * 8 - 5
    assert found.explained_variance == pytest.approx(1.0, abs=1e-6)
    assert found.l0 == pytest.approx(16)
    assert found.spliced == pytest.approx(found.clean, abs=1e-5)
    assert found.loss_recovered == pytest.approx(1.0, abs=1e-4)
    with torch.no_grad():
        losses = -model(windows).logits[:, :-1].log_softmax(-1).gather(2, windows[:, 1:, None])[..., 0]
    assert found.clean == pytest.approx(losses[windows[:, 1:] != BOS].mean().item(), abs=1e-5)
    assert found.clean != pytest.approx(found.mean_ablated, abs=1e-3)


def test_dictionaries_that_always_give_the_mean_or_zero(model: LlamaForCausalLM, windows: torch.Tensor) -> None:
    with torch.no_grad():
        mean = residuals(model, 1, windows)[windows != BOS].mean(0)
    at_mean = figures(model, linear(0.0, mean), windows, BOS)
    assert at_mean.explained_variance == pytest.approx(0.0, abs=1e-6)
    assert at_mean.spliced == pytest.approx(at_mean.mean_ablated, abs=1e-5)
    assert at_mean.loss_recovered == pytest.approx(0.0, abs=1e-3)
    at_zero = figures(model, linear(0.0, torch.zeros(16)), windows, BOS)
    assert at_zero.spliced == pytest.approx(at_zero.zero_ablated, abs=1e-5)
    assert at_zero.zero_ablated != pytest.approx(at_zero.mean_ablated, abs=1e-3)


@torch.no_grad()
def test_bos_positions_stay_as_they_are(model: LlamaForCausalLM, windows: torch.Tensor) -> None:
    def zero_where_not_bos(x: torch.Tensor) -> torch.Tensor:
        changed = x.clone()
        for row, column in (windows != BOS).nonzero().tolist():
            changed[row, column] = 0
        return changed

    with edited(model.model.layers[1], zero_where_not_bos):
        losses = -model(windows).logits[:, :-1].log_softmax(-1).gather(2, windows[:, 1:, None])[..., 0]
    found = [mean_loss(model, 1, part, BOS, torch.zeros_like) for part in (windows[:15], windows[15:])]
    counted = windows[:, 1:] != BOS
    expected = [losses[half][counted[half]].mean().item() for half in (slice(15), slice(15, None))]
    assert found == pytest.approx(expected, abs=1e-5)


def test_hooks_are_gone_after_an_error(model: LlamaForCausalLM, windows: torch.Tensor) -> None:
    layer = model.model.layers[1]

    def fail(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("inside")

    with torch.no_grad():
        before = residuals(model, 1, windows)
        with edited(layer, torch.zeros_like):
            assert not residuals(model, 1, windows).any()
        with pytest.raises(RuntimeError, match="inside"), edited(layer, fail):
            residuals(model, 1, windows)
        assert residuals(model, 1, windows).equal(before)


def test_activity_counts_positions_without_bos(model: LlamaForCausalLM, windows: torch.Tensor) -> None:
    sae = linear(1.0, torch.zeros(16))
    counts, positions = activity(model, sae, windows, BOS)
    assert positions == 235
    assert (counts[:16] + counts[16:] == positions).all()


def test_histogram_by_half_decades() -> None:
    counts = np.array([0, 1, 2, 20, 1000])
    assert density_histogram(counts, 1000) == [
        ("1.0e-03 to 3.2e-03", 2),
        ("3.2e-03 to 1.0e-02", 0),
        ("1.0e-02 to 3.2e-02", 1),
        ("3.2e-02 to 1.0e-01", 0),
        ("1.0e-01 to 3.2e-01", 0),
        ("3.2e-01 to 1.0e+00", 1),
    ]
    assert density_histogram(np.zeros(3, dtype=np.int64), 1000) == []
