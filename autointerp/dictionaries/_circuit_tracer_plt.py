"""circuit-tracer's per-layer transcoders: `config.yaml` and one `layer_N.safetensors` a layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._files import read_yaml
from autointerp.dictionaries._gemma_scope import SHAPES
from autointerp.dictionaries._hooks import gain_before_mlp, is_before_gain, transformer_lens_site
from autointerp.dictionaries._hub import fetch_uri
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Threshold
from autointerp.dictionaries._stored import Stored
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.errors import DictionaryError
from autointerp.records import Site

CONFIG = "config.yaml"
_THRESHOLD = "activation_function.threshold"
_SHAPES: dict[str, Shape] = {
    "b_enc": ("F",),
    "b_dec": ("O",),
    "W_enc": ("F", "D"),
    "W_dec": ("F", "O"),
    _THRESHOLD: ("F",),
    "W_skip": ("O", "D"),
}
_FILE = re.compile(r"^layer_(\d+)\.safetensors$")


class CircuitTracerPlt(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the names of the weight files, or a list of where they are."""
        if path.is_dir():
            config = path / CONFIG
            return bool(_layers(path)) or (config.is_file() and "transcoders:" in config.read_text("utf-8", "replace"))
        return _FILE.match(path.name) is not None

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """The configuration and the weights of the layer asked for."""
        folder, _, last = inside.rpartition("/")
        if match := _FILE.match(last):
            layer = int(match.group(1))
        else:
            folder = inside
        return within(folder, CONFIG, "layer_*.safetensors" if layer is None else f"layer_{layer}.safetensors")

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open one layer: the file of it, or a folder with the layer in the name."""
        config_path = (request.files if request.files.is_dir() else request.files.parent) / CONFIG
        config = read_yaml(config_path) if config_path.is_file() else {}
        path, layer = _file(request, config)
        weights = _weights(path)
        sites = request.sites(
            hooked_sites(config, layer),
            layer=layer,
            advice=f"{config_path} is missing or names no sites that are read "
            f"(feature_input_hook {config.get('feature_input_hook')!r}): add them to the name, such as @mlp_in:mlp_out",
        )
        before_gain = request.wanted is None and is_before_gain(config.get("feature_input_hook"))
        parts = Parts(
            encoder=weights["W_enc"],
            decoder=weights["W_dec"],
            rule=jump_relu(weights.get(_THRESHOLD)),
            b_enc=weights["b_enc"],
            b_dec=weights["b_dec"],
            skip=weights["W_skip"].T if "W_skip" in weights else None,
            input_gain=gain_before_mlp(request.subject.module, sites[0].layer) if before_gain else None,
        )
        return Coder(request.name, mark([path], *sites, before_gain), sites, parts)


def hooked_sites(config: dict[str, Any], layer: int) -> tuple[Site, Site] | None:
    """Sites of a layer from the hooks in circuit-tracer's configuration; None where they are no sites."""
    keys = ("feature_input_hook", "feature_output_hook")
    first, second = (transformer_lens_site(f"blocks.{layer}.{config.get(key)}") for key in keys)
    return None if first is None or second is None else (first, second)


def jump_relu(threshold: Stored | None) -> Threshold:
    """ReLU without thresholds. Raises DictionaryError for a negative one: circuit-tracer then lets negative values through."""
    if threshold is None:
        return Threshold()
    lowest = float(threshold.read().min())
    if lowest < 0:
        raise DictionaryError(
            f"{threshold.file}: {threshold.key} goes down to {lowest:g}, expected none below 0: activations would be negative"
        )
    return Threshold(threshold)


def _layers(folder: Path) -> list[int]:
    return sorted(int(match.group(1)) for path in folder.iterdir() if (match := _FILE.match(path.name)))


def _file(request: Request, config: dict[str, Any]) -> tuple[Path, int]:
    """The weight file and its layer. A set may be no more than a list of addresses of other repositories' files."""
    path = request.files
    if match := _FILE.match(path.name):
        return path, int(match.group(1))
    listed = config.get("transcoders")
    layers = list(range(len(listed))) if isinstance(listed, list) else _layers(path)
    if request.layer is None or request.layer not in layers:
        found = ", ".join(map(str, layers)) or "none"
        raise DictionaryError(f"{path} holds one transcoder a layer: add #layer=N to the name, N being one of {found}")
    if isinstance(listed, list):
        return fetch_uri(request.name, str(listed[request.layer])), request.layer
    return path / f"layer_{request.layer}.safetensors", request.layer


def _weights(path: Path) -> dict[str, Stored]:
    """The tensors under circuit-tracer's names; Gemma Scope's own files have the encoder the other way round."""
    if path.suffix != ".npz":
        return take(path, _SHAPES, optional=(_THRESHOLD, "W_skip"))
    weights = take(path, SHAPES)
    return {**weights, "W_enc": weights["W_enc"].T, _THRESHOLD: weights["threshold"]}
