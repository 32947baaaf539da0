"""Gemma Scope 2: `config.json` and `params.safetensors`, for autoencoders, transcoders and cross-layer transcoders.

Cross-layer transcoders come stacked: w_enc [L, D, F], w_dec [L, F, L, D], of which the features of layer l write to layers from
l on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._cross_layer import CrossLayer
from autointerp.dictionaries._files import read_json, read_tensors
from autointerp.dictionaries._hooks import hugging_face_sites
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Threshold
from autointerp.dictionaries._stored import Stored
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.errors import DictionaryError
from autointerp.records import Site

CONFIG, WEIGHTS = "config.json", "params.safetensors"
_SKIP = "affine_skip_connection"
_SHAPES: dict[str, Shape] = {
    "b_enc": ("F",),
    "threshold": ("F",),
    "b_dec": ("O",),
    "w_enc": ("D", "F"),
    "w_dec": ("F", "O"),
    _SKIP: ("D", "O"),
}
_STACKED: dict[str, Shape] = {
    "b_enc": ("L", "F"),
    "threshold": ("L", "F"),
    "b_dec": ("L", "O"),
    "w_enc": ("L", "D", "F"),
    "w_dec": ("L", "F", "L", "O"),
    _SKIP: ("L", "D", "O"),
}


class GemmaScope2(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the name of its weight file."""
        return path.name == WEIGHTS or (path / WEIGHTS).is_file()

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """Both, in one folder."""
        del layer
        folder = inside.removesuffix(WEIGHTS).rstrip("/")
        return within(folder, CONFIG, WEIGHTS)

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a folder; a cross-layer transcoder for the layer that the name asks for."""
        folder = request.files if request.files.is_dir() else request.files.parent
        path = folder / WEIGHTS
        encoder = read_tensors(path).get("w_enc")
        stacked = encoder is not None and len(encoder.shape) == 3
        weights = take(path, _STACKED if stacked else _SHAPES, optional=(_SKIP,))
        if stacked:
            return _layer(request, path, weights)
        layer, found = _said_by(folder)
        kind = "@mlp_in:mlp_out" if _SKIP in weights else "@resid_post"
        sites = request.sites(
            found,
            layer=layer,
            advice=f"{folder / CONFIG} is missing or names no site that is read: add it to the name, such as {kind}"
            + ("" if layer is not None else ", with the layer, such as @resid_post.3"),
        )
        return Coder(request.name, mark([path], *sites), sites, _parts(weights, weights["w_dec"]))


def _parts(weights: dict[str, Stored], decoder: Stored) -> Parts:
    return Parts(
        encoder=weights["w_enc"].T,
        decoder=decoder,
        rule=Threshold(weights["threshold"]),
        b_enc=weights["b_enc"],
        b_dec=weights["b_dec"],
        skip=weights.get(_SKIP),
    )


def _layer(request: Request, path: Path, stacked: dict[str, Stored]) -> Dictionary:
    count, layer = stacked["w_enc"].shape[0], request.layer
    if layer is None or layer >= count:
        raise DictionaryError(
            f"{path} is a cross-layer transcoder: add one of its layers, #layer=0 to #layer={count - 1}"
        )
    weights = {key: stored.select(0, layer) for key, stored in stacked.items()}
    first, second = request.sites(
        _from_config(path.with_name(CONFIG), layer),
        layer=layer,
        advice=f"{path.with_name(CONFIG)} is missing or names no sites that are read: add @mlp_in:mlp_out to the name",
    )
    decoders = weights["w_dec"].narrow(1, layer, count)
    written = tuple(Site(layer=second.layer + i, kind=second.kind) for i in range(count - layer))
    return CrossLayer(
        request.name,
        mark([path], layer, first, *written),
        (first, written),
        _parts(weights, decoders.select(1, 0)),
        decoders,
    )


def _said_by(folder: Path) -> tuple[int | None, tuple[Site, Site] | None]:
    """Layer and sites, from the folder's name and the configuration."""
    number = re.search(r"layer_(\d+)(?!\d)", folder.resolve().name)
    layer = int(number.group(1)) if number else None
    return layer, _from_config(folder / CONFIG, None)


def _from_config(path: Path, layer: int | None) -> tuple[Site, Site] | None:
    if not path.is_file():
        return None
    config = read_json(path)
    read = config.get("hf_hook_point_in")
    first = hugging_face_sites(read)[1]
    second = hugging_face_sites(config.get("hf_hook_point_out") or read)[1]
    if first is None or second is None:
        return None
    if layer is None:
        return first, second
    return Site(layer=layer, kind=first.kind), Site(layer=layer, kind=second.kind)
