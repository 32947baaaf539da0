"""Gemma Scope (Lieberum et al. 2024): `layer_N/width_W/average_l0_X/params.npz`, with no configuration beside it.

Layer and site come from the path: the repositories end in -res, -mlp, -att or -transcoders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._hooks import gain_before_mlp
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Threshold
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.records import Site, SiteKind

PARAMS = "params.npz"
SHAPES: dict[str, Shape] = {
    "b_enc": ("F",),
    "threshold": ("F",),
    "b_dec": ("O",),
    "W_enc": ("D", "F"),
    "W_dec": ("F", "O"),
}
_KINDS = {
    "res": (SiteKind.RESID_POST, SiteKind.RESID_POST),
    "mlp": (SiteKind.MLP_OUT, SiteKind.MLP_OUT),
    "att": (SiteKind.HEAD_OUT, SiteKind.HEAD_OUT),
    "transcoders": (SiteKind.MLP_IN, SiteKind.MLP_OUT),
}


class GemmaScope(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the name of its one file."""
        return path.name == PARAMS or (path / PARAMS).is_file()

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """The one file."""
        del layer
        return (inside,) if inside.endswith(PARAMS) else within(inside, PARAMS)

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a folder or the file in it."""
        path = request.files if request.files.name == PARAMS else request.files / PARAMS
        weights = take(path, SHAPES)
        layer, found = _said_by(path)
        sites = request.sites(
            found,
            layer=layer,
            advice=f"{path} does not say which site it is for: add it to the name, @resid_post for a -res repository, "
            f"@mlp_out for -mlp, @head_out for -att, @mlp_in:mlp_out for -transcoders"
            + ("" if layer is not None else ", with the layer, such as @resid_post.20"),
        )
        # The transcoders were trained with the gain of the norm folded into the MLP (appendix of the paper).
        gain = gain_before_mlp(request.subject.module, sites[0].layer) if sites[0].kind is SiteKind.MLP_IN else None
        parts = Parts(
            encoder=weights["W_enc"].T,
            decoder=weights["W_dec"],
            rule=Threshold(weights["threshold"]),
            b_enc=weights["b_enc"],
            b_dec=weights["b_dec"],
            input_gain=gain,
        )
        return Coder(request.name, mark([path], *sites), sites, parts)


def _said_by(path: Path) -> tuple[int | None, tuple[Site, Site] | None]:
    """Layer and sites, as far as the names of the folders give them away."""
    text = path.as_posix()
    suite = re.search(r"gemma-scope-[\w.]+-[\w.]+-(res|mlp|att|transcoders)(?=[/-]|$)", text)
    if "/embedding/" in text:
        embed = Site(layer=0, kind=SiteKind.EMBED)
        return 0, (embed, embed) if suite else None
    number = re.search(r"(?:^|/)layer_(\d+)(?=/)", text)
    if number is None:
        return None, None
    layer = int(number.group(1))
    if suite is None:
        return layer, None
    first, second = (Site(layer=layer, kind=kind) for kind in _KINDS[suite.group(1)])
    return layer, (first, second)
