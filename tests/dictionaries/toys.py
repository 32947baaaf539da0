"""What the tests of this room share: the fixtures, how each is opened, and a stand-in for a model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autointerp.dictionaries import Dictionary, Sparse, open_dictionary
from autointerp.errors import ModelError
from autointerp.records import Site, SiteKind

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dictionary_formats"
WIDTH, SIZE = 8, 32
TRANSCODER = "@mlp_in.3:mlp_out.3"

#: Every folder of fixtures: the path inside it, and what has to stand behind the name to open it.
FORMATS: dict[str, tuple[str, str]] = {
    "ct_clt_jumprelu": ("", "@mlp_in:mlp_out"),
    "ct_clt_relu": ("", "@mlp_in:mlp_out"),
    "ct_plt_jumprelu": ("", ""),
    "ct_plt_relu": ("", ""),
    "ct_plt_skip": ("", ""),
    **dict.fromkeys(
        (
            "dl_autoencoder",
            "dl_autoencoder_new",
            "dl_autoencoder_unit_norm",
            "dl_batch_topk",
            "dl_gated",
            "dl_jumprelu",
            "dl_matryoshka_batch_topk",
            "dl_topk",
        ),
        ("", ""),
    ),
    "gemma_scope_2_transcoder_affine": ("transcoder/layer_3_width_16k_l0_small_affine", ""),
    "gemma_scope_sae": ("layer_3/width_16k/average_l0_10", "@resid_post"),
    "gemma_scope_transcoder": ("layer_3/width_16k/average_l0_10", "@mlp_in:mlp_out"),
    "goodfire": ("Llama-3.1-8B-Instruct-SAE-l19.pth", ""),
    "llama_scope_v1": ("Llama3_1-8B-Base-L3R-4x", ""),
    **{
        f"saelens{generation}_{kind}": ("", "")
        for generation in (3, 5)
        for kind in ("finetuned_scaling", "gated", "jumprelu", "standard", "topk")
    },
    **dict.fromkeys(
        (
            "saelens_batchtopk_as_jumprelu",
            "saelens_gated",
            "saelens_jumprelu",
            "saelens_jumprelu_no_b_dec_input",
            "saelens_matryoshka_batchtopk_as_jumprelu",
            "saelens_standard",
            "saelens_standard_constant_norm_rescale",
            "saelens_standard_expected_average",
            "saelens_standard_hook_z",
            "saelens_standard_layer_norm",
            "saelens_standard_no_b_dec_input",
            "saelens_topk",
            "saelens_topk_rescale_by_decoder_norm",
            "saelens_topk_trained",
        ),
        ("", ""),
    ),
    **dict.fromkeys(
        (
            "saelens_jumprelu_skip_transcoder",
            "saelens_jumprelu_transcoder",
            "saelens_skip_transcoder",
            "saelens_transcoder",
            "saelens_transcoder_dout6",
        ),
        ("", TRANSCODER),
    ),
    **dict.fromkeys(("sparsify_groupmax", "sparsify_topk", "sparsify_topk_unnormalized"), ("", "@resid_post.3")),
    **dict.fromkeys(("sparsify_skip_transcoder", "sparsify_transcoder"), ("", TRANSCODER)),
}
LAYERED = tuple(name for name in FORMATS if name.startswith("ct_"))
CROSS_LAYER = tuple(name for name in FORMATS if name.startswith("ct_clt"))


@dataclass
class Toy:
    """What a dictionary asks of a model, without one."""

    name: str = "toy"
    fingerprint: str = "toy weights"
    layers: int = 40
    width: int = WIDTH
    widths: Mapping[SiteKind, int] = field(default_factory=dict)
    absent: frozenset[SiteKind] = frozenset()
    module: Any = None
    projection: Tensor | None = None

    def width_of(self, site: Site) -> int:
        if site.kind in self.absent:
            raise ModelError(f"{self.name} has no site {site.kind}")
        return self.widths.get(site.kind, self.width)

    def to_residual(self, site: Site, vectors: Tensor) -> Tensor | None:
        return None if self.projection is None else vectors @ self.projection


def copied(name: str, folder: Path) -> Path:
    """A fixture's own copy for a test to change; the path that is opened."""
    inside, _ = FORMATS[name]
    return Path(shutil.copytree(FIXTURES / name, folder / name)) / inside


def opened(name: str, path: Path | None = None, *, layer: int = 0, subject: Toy | None = None) -> Dictionary:
    """A fixture as a dictionary; of those with several layers, one."""
    inside, behind = FORMATS[name]
    path = FIXTURES / name / inside if path is None else path
    which = f"#layer={layer}" if name in LAYERED else ""
    if subject is None:
        subject = Toy(widths={SiteKind.MLP_OUT: 6}) if name == "saelens_transcoder_dout6" else Toy()
    return open_dictionary(f"{path}{which}{behind}", subject)


def expected(name: str) -> dict[str, Tensor]:
    """What went in and what the original library made of it: x, features and reconstruction, positions first.

    Of formats with layers, everything has a layer axis before that.
    """
    with np.load(FIXTURES / name / "io.npz") as arrays:
        found = {key: torch.from_numpy(values) for key, values in arrays.items()}
    if name == "saelens_standard_hook_z":
        found |= {key: found[key].flatten(1) for key in ("x", "reconstruction")}
    return found


def dense(acts: Sparse, positions: int, size: int) -> Tensor:
    """Activations [positions, size]."""
    out = torch.zeros(positions, size)
    out[acts.rows, acts.features] = acts.values
    return out


def nothing() -> Sparse:
    """No activation at all."""
    none = torch.zeros(0, dtype=torch.int64)
    return Sparse(none, none, torch.zeros(0))
