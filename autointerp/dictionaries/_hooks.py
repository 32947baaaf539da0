"""From the names that other libraries give to places in a model to sites, and the one place that is no site."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from autointerp.records import Site, SiteKind

_KINDS: dict[str | None, SiteKind] = {str(kind): kind for kind in SiteKind}
# Kinds by value: a hook whose kind this version has no name for is unknown, not an error.
_TRANSFORMER_LENS = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_attn_out": "attn_out",
    "hook_mlp_out": "mlp_out",
    "mlp.hook_in": "mlp_in",
    "mlp.hook_out": "mlp_out",
    "mlp.hook_post": "mlp_hidden",
    "ln2.hook_normalized": "mlp_in",
    "attn.hook_z": "head_out",
    "attn.hook_q": "q",
    "attn.hook_k": "k",
    "attn.hook_v": "v",
}
_HUGGING_FACE = {
    ("", "input"): "resid_pre",
    ("", "output"): "resid_post",
    ("mlp", "input"): "mlp_in",
    ("mlp", "output"): "mlp_out",
    ("mlp.down_proj", "input"): "mlp_hidden",
    ("pre_feedforward_layernorm", "output"): "mlp_in",
    ("post_feedforward_layernorm", "output"): "mlp_out",
    ("self_attn.o_proj", "input"): "head_out",
    ("self_attn", "output"): "attn_out",
    ("attn", "output"): "attn_out",
    ("attention", "output"): "attn_out",
}
_BLOCK = re.compile(r"^(?:.*\.)?(?:layers|h)\.(\d+)(?:\.(.+?))??(?:\.(input|output))?$")
_NORMS = ("pre_feedforward_layernorm", "post_attention_layernorm")


def _site(layer: int, kind: str | None) -> Site | None:
    known = _KINDS.get(kind)
    return None if known is None else Site(layer=layer, kind=known)


def transformer_lens_site(hook: Any) -> Site | None:
    """`blocks.2.hook_resid_post` and its like; None for anything else."""
    if hook == "hook_embed":
        return Site(layer=0, kind=SiteKind.EMBED)
    match = re.match(r"^blocks\.(\d+)\.(.+)$", hook) if isinstance(hook, str) else None
    return _site(int(match.group(1)), _TRANSFORMER_LENS.get(match.group(2))) if match else None


def hugging_face_sites(module: Any) -> tuple[Site | None, Site | None]:
    """What goes into and what comes out of a module such as `model.layers.2.mlp`; None where it is no site.

    A name that ends in `.input` or `.output` is that one place, both times.
    """
    if module in ("embed_tokens", "model.embed_tokens"):
        return None, Site(layer=0, kind=SiteKind.EMBED)
    match = _BLOCK.match(module) if isinstance(module, str) else None
    if match is None:
        return None, None
    layer, part, end = int(match.group(1)), match.group(2) or "", match.group(3)
    before, after = (_site(layer, _HUGGING_FACE.get((part, end or side))) for side in ("input", "output"))
    return before, after


def is_before_gain(hook: Any) -> bool:
    """Whether a TransformerLens hook lies between a norm's division and its gain.

    There, and only there, TransformerLens reads an RMSNorm before the gain and a LayerNorm after it.
    """
    return isinstance(hook, str) and hook.endswith("ln2.hook_normalized")


def gain_before_mlp(module: Any, layer: int) -> Tensor | None:
    """The gain of the RMSNorm in front of a block's MLP, [width]; None where the block has no such norm.

    Some transcoders were trained on what is normalised but not yet multiplied by the gain (Gemma Scope folds it into the
    MLP, Lieberum et al. 2024, appendix), while `mlp_in` is what the MLP is given. A vector of ones has a root mean square of
    one, so the norm returns its gain for it, however that is parametrised.
    """
    blocks = getattr(getattr(module, "model", None), "layers", None)
    if blocks is None or layer >= len(blocks):
        return None
    norm = next((found for name in _NORMS if (found := getattr(blocks[layer], name, None)) is not None), None)
    weight = getattr(norm, "weight", None)
    if norm is None or weight is None or getattr(norm, "bias", None) is not None:
        return None
    with torch.no_grad():
        gain: Tensor = norm(torch.ones_like(weight, dtype=torch.float32))
    return gain.detach().float().cpu()
