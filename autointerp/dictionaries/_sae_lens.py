"""SAELens folders: `cfg.json` and `sae_weights.safetensors`, of version 6 and of the versions before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autointerp.dictionaries._coder import Coder, Parts
from autointerp.dictionaries._files import read_json
from autointerp.dictionaries._hooks import gain_before_mlp, hugging_face_sites, is_before_gain, transformer_lens_site
from autointerp.dictionaries._names import within
from autointerp.dictionaries._normalise import Constant, Normalisation, Rescaled, Standardised
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._rules import Gated, Rule, Threshold, TopK
from autointerp.dictionaries._sae_lens_releases import released
from autointerp.dictionaries._stored import Stored
from autointerp.dictionaries._weights import Shape, mark, take
from autointerp.errors import DictionaryError
from autointerp.records import Site

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_TRANSCODERS = ("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder")
_ARCHITECTURES = ("standard", "gated", "topk", "jumprelu", *_TRANSCODERS)
# Versions before 6 read the first of these and wrote the second.
_FINETUNED = ("scaling_factor", "finetuning_scaling_factor")
# expected_average_only_in is what training divided by; the weights on disk have it folded in already.
_NORMALISATIONS: dict[str, type[Normalisation]] = {
    "none": Constant,
    "expected_average_only_in": Constant,
    "layer_norm": Standardised,
    "constant_norm_rescale": Rescaled,
}


class SaeLens(DictionaryFormat):
    """The format plugin."""

    hub_advice = (
        "names of releases are in a table that comes with sae-lens: install it, or write ORGANISATION/REPOSITORY/PATH"
    )

    @staticmethod
    def recognises(path: Path) -> bool:
        """By the names of its two files; one is enough, so that half a copy gets a message that says so."""
        if (path / WEIGHTS).is_file():
            return True
        return (path / CONFIG).is_file() and not (path / "sae.safetensors").is_file()

    @staticmethod
    def hub_files(inside: str, layer: int | None) -> Sequence[str]:
        """Both, in one folder."""
        del layer
        return within(inside, CONFIG, WEIGHTS)

    @staticmethod
    def full_name(place: str) -> str | None:
        """What a release's name stands for."""
        return released(place)

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Open a folder."""
        folder = request.files
        config = _Config(folder / CONFIG)
        path = folder / WEIGHTS
        weights = take(path, config.shapes(), optional=_FINETUNED, sizes=dict(config.sizes))
        sites = request.sites(config.sites(), advice=config.advice())
        before_gain = request.wanted is None and is_before_gain(config.hook("hook_name"))
        parts = Parts(
            encoder=weights["W_enc"].T,
            decoder=weights["W_dec"],
            rule=config.rule(weights),
            b_enc=weights.get("b_enc", weights.get("b_gate")),
            b_dec=weights["b_dec"],
            centred=config.centred,
            normalisation=config.normalisation,
            unit_decoder=bool(config.found.get("rescale_acts_by_decoder_norm")),
            decoder_gain=config.finetuned(weights),
            skip=weights["W_skip"].T if "W_skip" in weights else None,
            input_gain=gain_before_mlp(request.subject.module, sites[0].layer) if before_gain else None,
        )
        return Coder(request.name, mark([path, config.path], *sites, before_gain), sites, parts)


class _Config:
    """What `cfg.json` says, in the terms of SAELens 6. Raises DictionaryError for what is not read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found = _in_new_terms(path, read_json(path))
        self.metadata: dict[str, Any] = self.found.get("metadata") or {}
        self.architecture = self._one_of("architecture", self.found.get("architecture"), _ARCHITECTURES)
        normalise = self._one_of(
            "normalize_activations", self.found.get("normalize_activations") or "none", tuple(_NORMALISATIONS)
        )
        self.normalisation = _NORMALISATIONS[normalise]()
        # Heads lie side by side at the site already, which is all that the reshaping is for.
        self._one_of("reshape_activations", self.found.get("reshape_activations") or "none", ("none", "hook_z"))
        width = self._whole("d_in")
        self.is_transcoder = self.architecture in _TRANSCODERS
        self.sizes = {"F": self._whole("d_sae"), "D": width, "O": self._whole("d_out") if self.is_transcoder else width}
        self.k = self._k() if self.architecture == "topk" else 0
        self.centred = bool(self.found.get("apply_b_dec_to_input", not self.is_transcoder))
        if self.centred and self.is_transcoder:
            raise DictionaryError(
                f"{path}: apply_b_dec_to_input is true, but b_dec of a transcoder is no point of its input"
            )

    def _one_of(self, key: str, value: Any, allowed: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise DictionaryError(f"{self.path}: {key} {value!r} is not read; those that are: {', '.join(allowed)}")
        return value

    def _whole(self, key: str) -> int:
        value = self.found.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise DictionaryError(f"{self.path}: {key} is {value!r}, expected a whole number from 1")
        return value

    def _k(self) -> int:
        k, size = self.found.get("k"), self.sizes["F"]
        if not isinstance(k, int) or not 1 <= k <= size:
            raise DictionaryError(f"{self.path}: a topk autoencoder needs a k from 1 to {size}, found {k!r}")
        return k

    def shapes(self) -> dict[str, Shape]:
        """The keys of this architecture."""
        gated = self.architecture == "gated"
        shapes: dict[str, Shape] = dict.fromkeys(("b_gate", "b_mag", "r_mag") if gated else ("b_enc",), ("F",))
        shapes |= {"b_dec": ("O",), "W_enc": ("D", "F"), "W_dec": ("F", "O")}
        if "jumprelu" in self.architecture:
            shapes["threshold"] = ("F",)
        if "skip" in self.architecture:
            shapes["W_skip"] = ("O", "D")
        if self.found.get("finetuning_scaling_factor"):
            shapes |= dict.fromkeys(_FINETUNED, ("F",))
        return shapes

    def finetuned(self, weights: dict[str, Stored]) -> Stored | None:
        """What decoder rows are multiplied by, where they are."""
        if not self.found.get("finetuning_scaling_factor"):
            return None
        for key in _FINETUNED:
            if key in weights:
                return weights[key]
        path, size = self.path.with_name(WEIGHTS), self.sizes["F"]
        raise DictionaryError(f"{path} lacks {_FINETUNED[0]} of shape ({size},), which {CONFIG} announces")

    def rule(self, weights: dict[str, Stored]) -> Rule:
        """The activation function."""
        if self.architecture == "gated":
            return Gated(weights["b_gate"], weights["b_mag"], weights["r_mag"])
        if self.architecture == "topk":
            return TopK(self.k)
        return Threshold(weights["threshold"]) if "threshold" in weights else Threshold()

    def hook(self, key: str) -> Any:
        """A hook's name, wherever this version keeps it."""
        return self.metadata.get(key) or self.found.get(key)

    def sites(self) -> tuple[Site, Site] | None:
        """Where it reads and where it writes; None where that is not said."""
        first = self._site("")
        if first is None:
            return None
        second = self._site("_out") if self.is_transcoder else first
        return None if second is None else (first, second)

    def _site(self, end: str) -> Site | None:
        if self.hook(f"hook_head_index{end}") is not None:
            return None
        found = transformer_lens_site(self.hook(f"hook_name{end}"))
        return found or hugging_face_sites(self.hook(f"hf_hook_name{end}"))[1]

    def advice(self) -> str:
        """What to do where the sites are not said."""
        hooks = repr(self.hook("hook_name"))
        if (head := self.hook("hook_head_index")) is not None:
            hooks += f" of head {head}"
        if self.is_transcoder:
            return (
                f"{self.path} names hook_name {hooks} and hook_name_out {self.hook('hook_name_out')!r}, which are no two sites "
                "that are read: add them to the name, such as @mlp_in.3:mlp_out.3"
            )
        return f"{self.path}: hook_name {hooks} is no site that is read: add one to the name, such as @resid_post.3"


def _in_new_terms(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration from before SAELens 6 has no metadata, and its activation function decides over the architecture."""
    if config.get("metadata"):
        return config
    config = {"architecture": "standard"} | config
    for new, old in (("hook_name", "hook_point"), ("hook_head_index", "hook_point_head_index")):
        if config.get(new) is None:
            config[new] = config.get(old)
    if isinstance(config.get("normalize_activations"), bool):
        config["normalize_activations"] = "expected_average_only_in" if config["normalize_activations"] else "none"
    function = config.get("activation_fn_str", config.get("activation_fn", "relu"))
    if function == "topk":
        return config | {"architecture": "topk", "k": (config.get("activation_fn_kwargs") or {}).get("k")}
    if function != "relu":
        raise DictionaryError(f"{path}: activation_fn_str {function!r} is not read; those that are: relu, topk")
    return config
