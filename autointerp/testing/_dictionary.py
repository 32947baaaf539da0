"""A random sparse autoencoder in the SAELens layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

_THRESHOLD = 0.5
_K = 8


def tiny_dictionary(
    folder: Path,
    *,
    width: int,
    latents: int = 64,
    layer: int = 1,
    architecture: Literal["standard", "topk", "jumprelu"] = "jumprelu",
    seed: int = 0,
) -> Path:
    """Write `cfg.json` and `sae_weights.safetensors` for resid_post of `layer` into `folder`, and return it.

    Decoder rows [latents, width] are random directions of unit norm, the encoder is their transpose. Later latents fire ever
    more rarely, and the last one never does.
    """
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.randn(latents, width, generator=generator)
    decoder = decoder / decoder.norm(dim=1, keepdim=True)
    weights = {
        "W_enc": decoder.T.contiguous(),
        "W_dec": decoder,
        "b_enc": torch.linspace(-2.0, -7.0, latents),
        "b_dec": 0.1 * torch.randn(width, generator=generator),
    }
    weights["b_enc"][-1] = -1e6
    config: dict[str, Any] = {
        "architecture": architecture,
        "d_in": width,
        "d_sae": latents,
        "dtype": "float32",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"model_name": "tiny", "hook_name": f"blocks.{layer}.hook_resid_post", "prepend_bos": True},
    }
    if architecture == "jumprelu":
        weights["threshold"] = torch.full((latents,), _THRESHOLD)
    if architecture == "topk":
        config["k"] = min(_K, latents)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    save_file(weights, folder / "sae_weights.safetensors")
    return folder
