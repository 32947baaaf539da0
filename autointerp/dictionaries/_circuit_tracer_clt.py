"""circuit-tracer's cross-layer transcoders: `config.yaml`, and `W_enc_i.safetensors` and `W_dec_i.safetensors` a layer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from autointerp.dictionaries._circuit_tracer_plt import CONFIG, hooked_sites, jump_relu
from autointerp.dictionaries._coder import Parts
from autointerp.dictionaries._cross_layer import CrossLayer
from autointerp.dictionaries._files import read_yaml
from autointerp.dictionaries._names import within
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._weights import mark, take
from autointerp.errors import DictionaryError
from autointerp.records import Site

_FILE = re.compile(r"^W_(?:enc|dec)_(\d+)\.safetensors$")


class CircuitTracerClt(DictionaryFormat):
    """The format plugin."""

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the names of the weight files."""
        return path.is_dir() and bool(_layers(path))

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """The configuration and the weights of the layer asked for; nothing else is needed for its features."""
        which = "*" if layer is None else str(layer)
        return within(inside, CONFIG, f"W_enc_{which}.safetensors", f"W_dec_{which}.safetensors")

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open the features of one layer."""
        folder, i = request.files, request.layer
        layers = _layers(folder)
        if i is None or i not in layers:
            found = ", ".join(map(str, layers))
            raise DictionaryError(
                f"{folder} is a cross-layer transcoder: add #layer=N to the name, N being one of {found or 'none'}"
            )
        encoder_path, decoder_path = folder / f"W_enc_{i}.safetensors", folder / f"W_dec_{i}.safetensors"
        sizes: dict[str, int] = {}
        encoder = take(
            encoder_path,
            {f"b_enc_{i}": ("F",), f"b_dec_{i}": ("O",), f"W_enc_{i}": ("F", "D"), f"threshold_{i}": ("F",)},
            optional=(f"threshold_{i}",),
            sizes=sizes,
        )
        decoders = take(decoder_path, {f"W_dec_{i}": ("F", "layers from here on", "O")}, sizes=sizes)[f"W_dec_{i}"]
        config = read_yaml(folder / CONFIG) if (folder / CONFIG).is_file() else {}
        first, second = request.sites(
            hooked_sites(config, i),
            layer=i,
            advice=f"{folder / CONFIG} is missing or names no sites that are read "
            f"(feature_input_hook {config.get('feature_input_hook')!r}): add them to the name, such as @mlp_in:mlp_out",
        )
        written = tuple(Site(layer=second.layer + j, kind=second.kind) for j in range(decoders.shape[1]))
        parts = Parts(
            encoder=encoder[f"W_enc_{i}"],
            decoder=decoders.select(1, 0),
            rule=jump_relu(encoder.get(f"threshold_{i}")),
            b_enc=encoder[f"b_enc_{i}"],
            b_dec=encoder[f"b_dec_{i}"],
        )
        fingerprint = mark([encoder_path, decoder_path], first, *written)
        return CrossLayer(request.name, fingerprint, (first, written), parts, decoders)


def _layers(folder: Path) -> list[int]:
    return sorted({int(match.group(1)) for path in folder.iterdir() if (match := _FILE.match(path.name))})
