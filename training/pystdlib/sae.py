"""Train the sparse autoencoder of `pystdlib` on the residual stream after layer 2 (counted from 0) of four.

    python -m training.pystdlib.sae --model work/model --out work/sae

BatchTopK (Bussmann et al. 2024) with the auxiliary loss for dead latents of Gao et al. (2024), stored as the JumpReLU
autoencoder that it is at inference: one threshold, set so that 32 latents are active at a position in the mean. A latent's
activation then depends on its own row alone, not on which others compete with it.

Training closes with a short fine-tuning in which the output of the language model counts too (Karvonen 2025): the divergence
of its next-token distribution when the reconstruction is spliced in.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import AutoTokenizer, LlamaForCausalLM

from training.pystdlib.data import epoch_windows, token_stream, with_bos
from training.pystdlib.tokenizer import CONTEXT

LAYER = 2
LATENTS, L0 = 2048, 32
POSITIONS, EPOCHS, BATCH, SEED = 8_500_000, 2, 4096, 0
RATE = 2e-3
WARM_UP = 200
AUX_LATENTS, AUX_WEIGHT = 128, 1 / 32
DEAD_AFTER = 250  # batches without a single activation
CALIBRATION = 65_536
# Fine-tuning: steps, windows in each, rate, and what a nat of divergence weighs against all of the variance.
TUNING_STEPS, TUNING_WINDOWS, TUNING_RATE, NAT = 400, 16, 3e-4, 1.0


@torch.no_grad()
def harvest(model: LlamaForCausalLM, windows: Tensor, device: str) -> Tensor:
    """Residual stream after LAYER without the BOS position, float16 [positions, d]."""
    blocks = model.model.layers
    model.model.layers = blocks[: LAYER + 1]
    model.model.norm, norm = torch.nn.Identity(), model.model.norm
    pieces = []
    for start in range(0, len(windows), 64):
        with torch.autocast(device, dtype=torch.bfloat16):
            hidden = model.model(windows[start : start + 64].to(device), use_cache=False).last_hidden_state
        pieces.append(hidden[:, 1:].reshape(-1, hidden.shape[-1]).to(torch.float16).cpu())
    model.model.layers, model.model.norm = blocks, norm
    return torch.cat(pieces)


class Autoencoder(torch.nn.Module):
    """Encoder and decoder over activations scaled to unit mean square; the threshold is the batch's own."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        rows = torch.randn(LATENTS, width, generator=generator)
        rows = rows / rows.norm(dim=1, keepdim=True)
        self.W_dec = torch.nn.Parameter(rows.clone())
        self.W_enc = torch.nn.Parameter(rows.T.clone())
        self.b_enc = torch.nn.Parameter(torch.zeros(LATENTS))
        self.b_dec = torch.nn.Parameter(torch.zeros(width))

    def pre(self, x: Tensor) -> Tensor:
        """Activations before the threshold, [batch, latents]; in bfloat16, where a CPU multiplies matrices fastest."""
        half = torch.bfloat16
        return torch.relu(torch.addmm(self.b_enc.to(half), (x - self.b_dec).to(half), self.W_enc.to(half)))


def reconstruction(model: Autoencoder, x: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean squared error, the error itself [batch, d], and which latents fired [latents]."""
    pre = model.pre(x)
    acts = pre * (pre > threshold)
    decoded = torch.addmm(model.b_dec.to(acts.dtype), acts, model.W_dec.to(acts.dtype))
    error = x - decoded.float()
    return error.pow(2).sum(1).mean(), error, acts.amax(0) > 0


def exact_pre(model: Autoencoder, x: Tensor) -> Tensor:
    """Activations before the threshold in float32."""
    return torch.relu((x - model.b_dec) @ model.W_enc + model.b_enc)


@torch.no_grad()
def batch_threshold(model: Autoencoder, x: Tensor) -> Tensor:
    """The value that leaves L0 activations a row in the mean, from an eighth of the rows: close, and much cheaper."""
    pre = model.pre(x[:: max(1, len(x) // 512)])
    return pre.flatten().topk(L0 * len(pre), sorted=False).values.min()


def auxiliary_loss(model: Autoencoder, x: Tensor, error: Tensor, dead: Tensor) -> Tensor:
    """How badly the dead latents alone would explain what the living ones left over (Gao et al. 2024)."""
    indices = dead.nonzero().flatten()
    some = exact_pre(model, x)[:, indices]
    values, chosen = some.topk(min(AUX_LATENTS, len(indices)), dim=1)
    rest = torch.zeros_like(some).scatter(1, chosen, values) @ model.W_dec[indices]
    left = error.detach()
    return (left - rest).pow(2).sum(1).mean() / left.pow(2).sum(1).mean()


def train(data: Tensor, seed: int, epochs: int, device: str, compiled: bool) -> tuple[Autoencoder, float]:
    """The trained autoencoder and the input scale it expects."""
    sample = data[torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:CALIBRATION]].float()
    scale = float((sample.pow(2).mean()) ** -0.5)
    model = Autoencoder(data.shape[1], seed).to(device)
    with torch.no_grad():
        model.b_dec.copy_(sample.mean(0).to(device) * scale)
    step_loss = torch.compile(reconstruction) if compiled else reconstruction
    variance = float((sample - sample.mean(0)).pow(2).sum(1).mean()) * scale**2
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.99))
    steps, step, idle = epochs * (len(data) // BATCH), 0, torch.zeros(LATENTS, device=device)
    began = time.monotonic()
    for epoch in range(epochs):
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed + 1 + epoch))
        for start in range(0, len(data) - BATCH + 1, BATCH):
            x = data[order[start : start + BATCH]].to(device).float() * scale
            for group in optimiser.param_groups:
                group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP, (steps - step) / (0.4 * steps))
            loss, error, fired = step_loss(model, x, batch_threshold(model, x))
            loss = loss / variance
            idle = torch.where(fired, torch.zeros_like(idle), idle + 1)
            dead = idle > DEAD_AFTER
            if dead.any():
                loss = loss + AUX_WEIGHT * auxiliary_loss(model, x, error, dead)
            loss.backward()
            take_step(model, optimiser)
            step += 1
            if step % 100 == 0:
                speed = step * BATCH / (time.monotonic() - began)
                state = f"loss {loss.item():.4f} dead {int(dead.sum())}"
                print(f"step {step}/{steps} {state} {speed:,.0f} positions/s", flush=True)
    return model, scale


def take_step(model: Autoencoder, optimiser: torch.optim.Optimizer) -> None:
    """Move the parameters along their gradients, the decoder's rows on the unit sphere."""
    with torch.no_grad():
        # Only the part of the gradient along the sphere moves a row of unit norm.
        g, w = model.W_dec.grad, model.W_dec
        assert g is not None
        g -= (g * w).sum(1, keepdim=True) * w
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    with torch.no_grad():
        model.W_dec.div_(model.W_dec.norm(dim=1, keepdim=True))


def tune(model: Autoencoder, scale: float, language_model: LlamaForCausalLM, windows: Tensor, device: str) -> None:
    """Train on with the divergence that splicing in causes; `windows` int64 [windows, tokens] begin with BOS.

    BOS positions keep their own activations, as they do wherever the autoencoder is used.
    """
    language_model.requires_grad_(False)
    optimiser = torch.optim.Adam(model.parameters(), lr=TUNING_RATE, betas=(0.9, 0.99))
    for step, ids in enumerate(windows[: TUNING_STEPS * TUNING_WINDOWS].to(device).split(TUNING_WINDOWS)):
        for group in optimiser.param_groups:
            group["lr"] = TUNING_RATE * min(1.0, (step + 1) / 50, 1.0 - step / TUNING_STEPS)
        fvu, divergence = spliced_losses(model, scale, language_model, ids, device)
        (fvu + NAT * divergence).backward()
        take_step(model, optimiser)
        if (step + 1) % 50 == 0:
            print(f"tuning {step + 1}/{TUNING_STEPS} unexplained {fvu:.4f} divergence {divergence:.4f}", flush=True)


def spliced_losses(
    model: Autoencoder, scale: float, language_model: LlamaForCausalLM, ids: Tensor, device: str
) -> tuple[Tensor, Tensor]:
    """The unexplained share of variance, and KL(clean, spliced) in nats a token, of windows [windows, tokens]."""
    kept: list[Tensor] = []

    def splice(_module: torch.nn.Module, _inputs: object, output: Tensor) -> Tensor:
        x = output[:, 1:].detach().float() * scale
        flat = x.reshape(-1, x.shape[-1])
        pre = exact_pre(model, flat)
        decoded = (pre * (pre > batch_threshold(model, flat))) @ model.W_dec + model.b_dec
        kept.append((flat - decoded).pow(2).sum() / (flat - flat.mean(0)).pow(2).sum())
        return torch.cat([output[:, :1], (decoded.view_as(x) / scale).to(output.dtype)], dim=1)

    with torch.autocast(device, dtype=torch.bfloat16):
        with torch.no_grad():
            clean = language_model(ids, use_cache=False).logits[:, 1:].float().log_softmax(-1)
        handle = language_model.model.layers[LAYER].register_forward_hook(splice)
        try:
            spliced = language_model(ids, use_cache=False).logits[:, 1:].float().log_softmax(-1)
        finally:
            handle.remove()
    return kept[0], (clean.exp() * (clean - spliced)).sum(-1).mean()


@torch.no_grad()
def calibrated_threshold(model: Autoencoder, scale: float, data: Tensor, seed: int, device: str) -> float:
    """The one threshold that leaves L0 latents active at a position in the mean."""
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:CALIBRATION]
    pre = exact_pre(model, (data[chosen].float() * scale).to(device)).flatten().cpu().numpy()
    return float(np.partition(pre, -L0 * len(chosen))[-L0 * len(chosen)])


def save(model: Autoencoder, scale: float, threshold: float, out: Path, seed: int) -> None:
    """Write SAELens' layout, with the input scale folded in: activations are in the residual stream's own units."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        "W_enc": model.W_enc.data,
        "W_dec": model.W_dec.data,
        "b_enc": model.b_enc.data / scale,
        "b_dec": model.b_dec.data / scale,
        "threshold": torch.full((LATENTS,), threshold / scale),
    }
    save_file({k: v.to(torch.float16).cpu().contiguous() for k, v in tensors.items()}, out / "sae_weights.safetensors")
    config = {
        "architecture": "jumprelu",
        "d_in": int(model.W_dec.shape[1]),
        "d_sae": LATENTS,
        "dtype": "float16",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "model_name": "pystdlib",
            "hook_name": f"blocks.{LAYER}.hook_resid_post",
            "hf_hook_name": f"model.layers.{LAYER}",
            "hook_head_index": None,
            "prepend_bos": True,
            "context_size": CONTEXT,
            "dataset_path": "CPython standard library without its unseen tenth",
            "training_architecture": "batchtopk",
            "k": L0,
            "seed": seed,
        },
    }
    (out / "cfg.json").write_text(json.dumps(config, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--positions", type=int, default=POSITIONS, help="at most this many positions an epoch")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--no-compile", action="store_true", help="where there is no C++ compiler")
    options = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    tokens, _ = token_stream(tokenizer, unseen=False)
    windows = epoch_windows(tokens, CONTEXT - 1, 0, options.seed)[: options.positions // (CONTEXT - 1)]
    language_model = LlamaForCausalLM.from_pretrained(options.model, dtype=torch.float32).to(options.device)
    data = harvest(language_model, with_bos(windows, tokenizer.bos_token_id), options.device)
    print(f"{len(data):,} positions of width {data.shape[1]}", flush=True)
    model, scale = train(data, options.seed, options.epochs, options.device, not options.no_compile)
    texts = with_bos(windows, tokenizer.bos_token_id)
    tune(model, scale, language_model, texts, options.device)
    threshold = calibrated_threshold(model, scale, data, options.seed, options.device)
    save(model, scale, threshold, options.out, options.seed)


if __name__ == "__main__":
    main()
