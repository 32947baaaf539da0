"""Llama Scope (He et al. 2024): `hyperparams.json` and `checkpoints/final.safetensors`.

Inputs are brought to the scale of training by s = √D / (mean norm of the data set). Activations are those of the scaled input,
as SAELens computes them; the library that trained these files reports them divided by s. Both are active at the same places
and stand for the same reconstruction, and here a direction is shorter by s in return.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._files import read_json
from autointerp.dictionaries._hooks import transformer_lens_site
from autointerp.dictionaries._names import within
from autointerp.dictionaries._normalise import Constant
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Threshold
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.errors import DictionaryError

CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"
_SHAPES: dict[str, Shape] = {
    "encoder.bias": ("F",),
    "decoder.bias": ("O",),
    "encoder.weight": ("F", "D"),
    "decoder.weight": ("O", "F"),
}


class LlamaScope(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the name of either file."""
        return (path / CONFIG).is_file() or (path / WEIGHTS).is_file()

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """Both, below one folder."""
        del layer
        return within(inside, CONFIG, WEIGHTS)

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a folder."""
        config_path, path = request.files / CONFIG, request.files / WEIGHTS
        config = read_json(config_path)
        s = _scale(config_path, config)
        sizes = {name: int(_number(config_path, config, key)) for name, key in (("D", "d_model"), ("F", "d_sae"))}
        has_bias = config.get("use_decoder_bias", True)
        weights = take(path, _SHAPES, optional=() if has_bias else ("decoder.bias",), sizes=sizes)
        first, second = (transformer_lens_site(config.get(key)) for key in ("hook_point_in", "hook_point_out"))
        sites = request.sites(
            None if first is None or second is None else (first, second),
            advice=f"{config_path}: hook_point_in {config.get('hook_point_in')!r} or hook_point_out "
            f"{config.get('hook_point_out')!r} is no site that is read: add them to the name, such as @mlp_in.3:mlp_out.3",
        )
        parts = Parts(
            encoder=weights["encoder.weight"],
            decoder=weights["decoder.weight"].T,
            rule=Threshold(_threshold(config_path, config), factor=s),
            b_enc=weights["encoder.bias"],
            b_dec=weights.get("decoder.bias"),
            centred=bool(config.get("apply_decoder_bias_to_pre_encoder")),
            normalisation=Constant(1 / s),
        )
        return Coder(request.name, mark([path, config_path], *sites), sites, parts)


def _number(path: Path, config: dict[str, Any], *keys: str) -> float:
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise DictionaryError(f"{path}: {'.'.join(keys)} is {value!r}, expected a positive number")
    return float(value)


def _scale(path: Path, config: dict[str, Any]) -> float:
    kind = config.get("norm_activation", "dataset-wise")
    if kind == "inference":
        return 1.0
    if kind != "dataset-wise":
        raise DictionaryError(f"{path}: norm_activation {kind!r} is not read; those that are: dataset-wise, inference")
    norm = _number(path, config, "dataset_average_activation_norm", "in")
    return float(_number(path, config, "d_model") ** 0.5 / norm)


def _threshold(path: Path, config: dict[str, Any]) -> float:
    kind = config.get("act_fn", "jumprelu")
    if kind == "relu":
        return 0.0
    if kind != "jumprelu" or config.get("use_glu_encoder"):
        found = "use_glu_encoder" if config.get("use_glu_encoder") else f"act_fn {kind!r}"
        raise DictionaryError(f"{path}: {found} is not read; act_fn jumprelu and relu are")
    return _number(path, config, "jump_relu_threshold")
