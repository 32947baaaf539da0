"""dictionary_learning (Marks et al.): `ae.pt` and `config.json`, whose trainer.dict_class says how to read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._files import read_json
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Gated, Rule, Threshold, TopK
from autointerp.dictionaries._stored import Stored
from autointerp.dictionaries._weights import Shape, mark, scalar, take
from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind

CONFIG, WEIGHTS = "config.json", "ae.pt"
_Weights = dict[str, Stored]


@dataclass(frozen=True, slots=True)
class _Class:
    """How one of the library's classes computes. `bias` is the key of b_dec."""

    rule: Callable[[_Weights], Rule]
    bias: str = "b_dec"
    b_enc: str = "encoder.bias"
    linear: bool = True
    centred: bool = True
    unit_decoder: bool = False
    extra: tuple[tuple[str, Shape], ...] = ()
    optional: tuple[str, ...] = ()

    def shapes(self) -> dict[str, Shape]:
        """Its keys: those of linear layers, or matrices by name and the other way round."""
        matrices: dict[str, Shape] = (
            {"encoder.weight": ("F", "D"), "decoder.weight": ("D", "F")}
            if self.linear
            else {"W_enc": ("D", "F"), "W_dec": ("F", "D")}
        )
        return {self.b_enc: ("F",), self.bias: ("D",), **matrices, **dict(self.extra)}

    def parts(self, weights: _Weights) -> Parts:
        """What its tensors mean."""
        return Parts(
            encoder=weights["encoder.weight"] if self.linear else weights["W_enc"].T,
            decoder=weights["decoder.weight"].T if self.linear else weights["W_dec"],
            rule=self.rule(weights),
            b_enc=weights[self.b_enc],
            b_dec=weights[self.bias],
            centred=self.centred,
            unit_decoder=self.unit_decoder,
        )


def _relu(weights: _Weights) -> Rule:
    del weights
    return Threshold()


def _k(weights: _Weights) -> Rule:
    k, size = scalar(weights["k"]), weights["encoder.bias"].shape[0]
    if k != int(k) or not 1 <= k <= size:
        raise DictionaryError(f"{weights['k'].file}: k is {k:g}, expected a whole number from 1 to {size}")
    return TopK(int(k))


def _one_threshold(weights: _Weights) -> Rule:
    return Threshold(scalar(weights["threshold"]))


def _gated(weights: _Weights) -> Rule:
    return Gated(weights["gate_bias"], weights["mag_bias"], weights["r_mag"])


_BATCHED: tuple[tuple[str, Shape], ...] = (("k", ()), ("threshold", ()))
_CLASSES = {
    # Rescaled to a unit decoder when that library loads it, which changes activations and not reconstructions.
    "AutoEncoder": _Class(_relu, bias="bias", unit_decoder=True),
    "AutoEncoderNew": _Class(_relu, bias="decoder.bias", centred=False),
    "GatedAutoEncoder": _Class(
        _gated, bias="decoder_bias", b_enc="gate_bias", extra=(("mag_bias", ("F",)), ("r_mag", ("F",)))
    ),
    # The threshold in these files is not used: the class takes the k largest.
    "AutoEncoderTopK": _Class(_k, extra=_BATCHED, optional=("threshold",)),
    "BatchTopKSAE": _Class(_one_threshold, extra=_BATCHED),
    "MatryoshkaBatchTopKSAE": _Class(
        _one_threshold, b_enc="b_enc", linear=False, extra=(*_BATCHED, ("group_sizes", ("G",)))
    ),
    "JumpReluAutoEncoder": _Class(
        lambda weights: Threshold(weights["threshold"]),
        b_enc="b_enc",
        linear=False,
        centred=False,
        extra=(("threshold", ("F",)),),
    ),
}
#: By submodule and by which end of it was read.
_KINDS = {
    ("resid_post", "out"): SiteKind.RESID_POST,
    ("resid_pre", "out"): SiteKind.RESID_PRE,
    ("resid", "out"): SiteKind.RESID_POST,
    ("resid_out", "out"): SiteKind.RESID_POST,
    ("mlp", "in"): SiteKind.MLP_IN,
    ("mlp", "out"): SiteKind.MLP_OUT,
    ("mlp_out", "out"): SiteKind.MLP_OUT,
    ("attn", "out"): SiteKind.ATTN_OUT,
    ("attn_out", "out"): SiteKind.ATTN_OUT,
    ("attention", "out"): SiteKind.ATTN_OUT,
    ("attention_out", "out"): SiteKind.ATTN_OUT,
}


class DictionaryLearning(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the name of its weight file, or a setting that no other library has."""
        if (path / WEIGHTS).is_file():
            return True
        config = path / CONFIG
        return config.is_file() and '"trainer"' in config.read_text("utf-8", errors="replace")

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """Both, in one folder."""
        del layer
        return within(inside, CONFIG, WEIGHTS)

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a folder."""
        config_path, path = request.files / CONFIG, request.files / WEIGHTS
        config = read_json(config_path)
        trainer = config.get("trainer")
        if not isinstance(trainer, dict) or trainer.get("dict_class") not in _CLASSES:
            found = trainer.get("dict_class") if isinstance(trainer, dict) else None
            raise DictionaryError(
                f"{config_path}: trainer.dict_class {found!r} is not read; those that are: {', '.join(_CLASSES)}"
            )
        kind = _CLASSES[trainer["dict_class"]]
        said = (("D", "activation_dim"), ("F", "dict_size"))
        sizes = {name: int(trainer[key]) for name, key in said if isinstance(trainer.get(key), int)}
        weights = take(path, kind.shapes(), optional=kind.optional, sizes=sizes)
        sites = request.sites(
            _sites(config),
            advice=f"{config_path}: trainer.submodule_name {trainer.get('submodule_name')!r} of layer {trainer.get('layer')!r} "
            "is no site that is read: add one to the name, such as @resid_post.3",
        )
        return Coder(request.name, mark([path, config_path], *sites), sites, kind.parts(weights))


def _sites(config: dict[str, Any]) -> tuple[Site, Site] | None:
    """From the submodule that training read, such as resid_post_layer_3."""
    trainer, buffer = config["trainer"], config.get("buffer")
    layer, name = trainer.get("layer"), trainer.get("submodule_name")
    if not isinstance(layer, int) or layer < 0 or not isinstance(name, str):
        return None
    part = re.sub(r"_?layer_?\d+$", "", name)
    end = buffer.get("io", "out") if isinstance(buffer, dict) else "out"
    kinds = [_KINDS.get((part, side)) for side in (("in", "out") if end == "in_and_out" else (end, end))]
    first, second = (Site(layer=layer, kind=kind) if kind else None for kind in kinds)
    return None if first is None or second is None else (first, second)
