"""Figures of the sparse autoencoder of `pystdlib`.

The encoder here is a second implementation, written from the format alone, so that the figures do not rest on the
package that they vouch for. It knows the two architectures that matter here and refuses settings that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import LlamaForCausalLM

from training.pystdlib.measure_language import BATCH, token_losses

Edit = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """Weights in float32 and what it takes to use them; `layer` is the block whose output it reads, counted from 0."""

    layer: int
    architecture: str
    k: int
    subtract_b_dec: bool
    weights: dict[str, Tensor]

    def encode(self, x: Tensor) -> Tensor:
        """Activations [..., F] of residual vectors [..., D]."""
        w = self.weights
        pre = (x - w["b_dec"] if self.subtract_b_dec else x) @ w["W_enc"] + w["b_enc"]
        if self.architecture == "jumprelu":
            return torch.relu(pre) * (pre > w["threshold"])
        values, chosen = pre.topk(self.k, dim=-1)
        return torch.zeros_like(pre).scatter(-1, chosen, torch.relu(values))

    def decode(self, activations: Tensor) -> Tensor:
        """Residual vectors [..., D] from activations [..., F]."""
        return activations @ self.weights["W_dec"] + self.weights["b_dec"]


def load_autoencoder(folder: Path, device: torch.device) -> Autoencoder:
    """Read a folder in SAELens' format; raises ValueError for what this script does not implement."""
    config = json.loads((folder / "cfg.json").read_text())
    settings = {**config.get("metadata", {}), **config}
    hook = re.fullmatch(r"blocks\.(\d+)\.hook_resid_post", str(settings.get("hook_name")))
    if hook is None:
        raise ValueError(f"hook_name is {settings.get('hook_name')!r}, only blocks.N.hook_resid_post is measured here")
    refused = {
        "architecture": settings.get("architecture") not in ("topk", "jumprelu"),
        "normalize_activations": settings.get("normalize_activations", "none") not in ("none", None),
        "reshape_activations": settings.get("reshape_activations", "none") not in ("none", None),
        "rescale_acts_by_decoder_norm": bool(settings.get("rescale_acts_by_decoder_norm", False)),
    }
    if any(refused.values()):
        found = {name: settings.get(name) for name, bad in refused.items() if bad}
        raise ValueError(f"cannot measure {found}: only topk and jumprelu on plain activations")
    weights = {name: w.float().to(device) for name, w in load_file(folder / "sae_weights.safetensors").items()}
    shape = (settings["d_in"], settings["d_sae"])
    if weights["W_enc"].shape != shape:
        raise ValueError(f"W_enc is {tuple(weights['W_enc'].shape)}, cfg.json says {shape}")
    return Autoencoder(
        int(hook[1]), settings["architecture"], settings.get("k", 0), settings["apply_b_dec_to_input"], weights
    )


@contextmanager
def edited(layer: nn.Module, edit: Edit) -> Iterator[None]:
    """While open, the output of `layer` is what `edit` makes of it."""
    handle = layer.register_forward_hook(lambda _module, _inputs, output: edit(output))
    try:
        yield
    finally:
        handle.remove()


def residuals(model: LlamaForCausalLM, layer: int, ids: Tensor) -> Tensor:
    """The output of block `layer`, [batch, tokens, D], without the cost of the output head."""
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.append(x)
        return x

    with edited(model.model.layers[layer], keep):
        model.model(ids, use_cache=False)
    return found[0]


@dataclass(frozen=True, slots=True)
class Figures:
    """What splicing in does at the positions that are not BOS; losses are mean nats of the tokens that are not BOS."""

    positions: int
    explained_variance: float
    l0: float
    clean: float
    spliced: float
    mean_ablated: float
    zero_ablated: float

    @property
    def loss_recovered(self) -> float:
        """1 where the reconstruction costs nothing, 0 where it is as bad as the mean activation."""
        return (self.mean_ablated - self.spliced) / (self.mean_ablated - self.clean)


def mean_loss(model: LlamaForCausalLM, layer: int, windows: Tensor, bos: int, edit: Edit | None) -> float:
    """Mean nats of tokens that are not BOS, with `edit` applied to block `layer`'s output except at BOS positions."""
    total, count = 0.0, 0
    for ids in windows.to(model.device).split(BATCH):
        inside = (ids != bos)[..., None]

        def change(x: Tensor, inside: Tensor = inside) -> Tensor:
            return x if edit is None else torch.where(inside, edit(x), x)

        with edited(model.model.layers[layer], change):
            losses = token_losses(model, ids)
        counted = ids[:, 1:] != bos
        total += losses[counted].double().sum().item()
        count += int(counted.sum())
    return total / count


@torch.no_grad()
def figures(model: LlamaForCausalLM, sae: Autoencoder, windows: Tensor, bos: int) -> Figures:
    """Reconstruction and losses on int64 windows [windows, tokens]; BOS positions are neither counted nor changed."""
    width = sae.weights["b_dec"].shape[0]
    positions, active, error, squares = 0, 0, 0.0, 0.0
    total = torch.zeros(width, dtype=torch.float64, device=model.device)
    for ids in windows.to(model.device).split(BATCH):
        x = residuals(model, sae.layer, ids)[ids != bos]
        activations = sae.encode(x)
        error += (x - sae.decode(activations)).double().square().sum().item()
        squares += x.double().square().sum().item()
        total += x.double().sum(0)
        active += int((activations > 0).sum())
        positions += len(x)
    mean = total / positions
    variance = squares - positions * mean.square().sum().item()

    def loss(edit: Edit | None) -> float:
        return mean_loss(model, sae.layer, windows, bos, edit)

    return Figures(
        positions=positions,
        explained_variance=1 - error / variance,
        l0=active / positions,
        clean=loss(None),
        spliced=loss(lambda x: sae.decode(sae.encode(x))),
        mean_ablated=loss(lambda x: mean.to(x.dtype).expand_as(x)),
        zero_ablated=loss(torch.zeros_like),
    )


@torch.no_grad()
def activity(model: LlamaForCausalLM, sae: Autoencoder, windows: Tensor, bos: int) -> tuple[NDArray[np.int64], int]:
    """At how many positions each latent is active, int64 [F], and how many positions there are, without BOS."""
    counts = torch.zeros(sae.weights["b_enc"].shape[0], dtype=torch.int64, device=model.device)
    positions = 0
    for ids in windows.to(model.device).split(BATCH):
        activations = sae.encode(residuals(model, sae.layer, ids)[ids != bos])
        counts += (activations > 0).sum(0)
        positions += len(activations)
    return counts.cpu().numpy(), positions


def density_histogram(counts: NDArray[np.int64], positions: int) -> list[tuple[str, int]]:
    """How many of the latents ever active are so at what share of the positions: one entry for each half decade."""
    density = counts[counts > 0] / positions
    bins = np.minimum(np.floor(2 * np.log10(density)), -1).astype(int)
    return [
        (f"{10 ** (b / 2):.1e} to {10 ** ((b + 1) / 2):.1e}", int((bins == b).sum()))
        for b in range(bins.min(initial=0), bins.max(initial=-1) + 1)
    ]
