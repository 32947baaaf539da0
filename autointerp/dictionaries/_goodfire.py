"""Goodfire's autoencoders: one `.pth` of an encoder and a decoder as linear layers; the layer is in the file's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Threshold
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind

_SHAPES: dict[str, Shape] = {
    "encoder_linear.bias": ("F",),
    "decoder_linear.bias": ("D",),
    "encoder_linear.weight": ("F", "D"),
    "decoder_linear.weight": ("D", "F"),
}
_ENDINGS = (".pth", ".pt")


class Goodfire(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """A file of the right ending that is not dictionary_learning's, or a folder with one that says SAE."""
        if path.is_dir():
            return bool(_inside(path))
        return path.suffix in _ENDINGS and path.name != "ae.pt"

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """The file, or whatever could be it."""
        del layer
        return (inside,) if inside.endswith(_ENDINGS) else within(inside, *(f"*{end}" for end in _ENDINGS))

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a file, or the only one in a folder."""
        path = request.files
        if path.is_dir():
            found = _inside(path)
            if len(found) != 1:
                raise DictionaryError(f"{path} holds {len(found)} files *SAE*.pth or .pt: name one of them")
            path = found[0]
        weights = take(path, _SHAPES)
        layer = re.search(r"-l(\d+)$", path.stem)
        site = Site(layer=int(layer.group(1)), kind=SiteKind.RESID_POST) if layer else None
        sites = request.sites(
            (site, site) if site else None,
            layer=site.layer if site else None,
            advice=f"the name of {path} does not end in a layer, such as -l19: add a site to the name, such as @resid_post.19",
        )
        parts = Parts(
            encoder=weights["encoder_linear.weight"],
            decoder=weights["decoder_linear.weight"].T,
            rule=Threshold(),
            b_enc=weights["encoder_linear.bias"],
            b_dec=weights["decoder_linear.bias"],
        )
        return Coder(request.name, mark([path], *sites), sites, parts)


def _inside(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.suffix in _ENDINGS and "SAE" in path.name]
