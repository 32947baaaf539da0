"""Sparsify (EleutherAI): `<hookpoint>/cfg.json` and `sae.safetensors`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._files import read_json
from autointerp.dictionaries._hooks import hugging_face_sites
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import GroupMax, Rule, TopK
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.errors import DictionaryError

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"


class Sparsify(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the name of its weight file, or a setting that no other library has."""
        if (path / WEIGHTS).is_file():
            return True
        config = path / CONFIG
        return config.is_file() and '"expansion_factor"' in config.read_text("utf-8", errors="replace")

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """Both, in one folder."""
        del layer
        return within(inside, CONFIG, WEIGHTS)

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a folder, whose name is the hook point: `layers.8`, `layers.8.mlp`, `embed_tokens`."""
        folder = request.files
        config, path = read_json(folder / CONFIG), folder / WEIGHTS
        transcode = bool(config.get("transcode"))
        shapes: dict[str, Shape] = {
            "encoder.bias": ("F",),
            "b_dec": ("O",),
            "encoder.weight": ("F", "D"),
            "W_dec": ("F", "O"),
        }
        if config.get("skip_connection"):
            shapes["W_skip"] = ("O", "D")
        sizes = {"D": _whole(folder / CONFIG, config, "d_in")}
        if config.get("num_latents"):
            sizes["F"] = _whole(folder / CONFIG, config, "num_latents")
        if not transcode:
            sizes["O"] = sizes["D"]
        weights = take(path, shapes, sizes=sizes)
        before, after = hugging_face_sites(folder.resolve().name)
        first = before if transcode else after
        sites = request.sites(
            None if first is None or after is None else (first, after),
            advice=f"the folder's name, {folder.resolve().name}, is no hook point that is read: add a site, such as "
            + ("@mlp_in.8:mlp_out.8" if transcode else "@resid_post.8"),
        )
        parts = Parts(
            encoder=weights["encoder.weight"],
            decoder=weights["W_dec"],
            rule=_rule(folder / CONFIG, config, sizes["F"]),
            b_enc=weights["encoder.bias"],
            b_dec=weights["b_dec"],
            centred=not transcode,
            skip=weights["W_skip"].T if "W_skip" in weights else None,
        )
        return Coder(request.name, mark([path, folder / CONFIG], *sites), sites, parts)


def _whole(path: Path, config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise DictionaryError(f"{path}: {key} is {value!r}, expected a whole number from 1")
    return value


def _rule(path: Path, config: dict[str, Any], size: int) -> Rule:
    k, activation = _whole(path, config, "k"), config.get("activation", "topk")
    if config.get("signed"):
        raise DictionaryError(f"{path}: signed activations are not read: they would be negative")
    if k > size:
        raise DictionaryError(f"{path}: k is {k}, expected a whole number from 1 to {size}")
    if activation == "topk":
        return TopK(k)
    if activation == "groupmax" and size % k == 0:
        return GroupMax(size // k)
    raise DictionaryError(
        f"{path}: activation {activation!r} with k {k} is not read; topk is, and groupmax with a k that divides {size}"
    )
