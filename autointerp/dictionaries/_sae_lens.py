"""SAELens folders: `cfg.json` and `sae_weights.safetensors`, architectures standard, topk and jumprelu."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from autointerp.dictionaries._protocol import Dictionary, Sparse
from autointerp.errors import DictionaryError
from autointerp.models import fingerprint
from autointerp.records import Site, SiteKind

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_HOOK = re.compile(r"^blocks\.(\d+)\.hook_(resid_pre|resid_post|attn_out|mlp_out)$")


class SparseAutoencoder:
    """A linear encoder, an activation rule, a linear decoder. Activations are in the units of the site."""

    def __init__(self, name: str, site: Site, weights: dict[str, Tensor], config: dict[str, Any], mark: str) -> None:
        self.name, self.fingerprint = name, mark
        self.input_site = self.output_site = site
        self._weights = weights
        self._rule: str = config["architecture"]
        self._k: int = config.get("k", 0)
        self._centre = bool(config.get("apply_b_dec_to_input", True))
        self.width, self.size = weights["W_enc"].shape

    def _pre(self, x: Tensor, columns: slice | int) -> Tensor:
        weights = self._weights
        centred = x - weights["b_dec"] if self._centre else x
        return centred @ weights["W_enc"][:, columns] + weights["b_enc"][columns]

    def _active(self, pre: Tensor, columns: slice | int) -> Tensor:
        """Activations from pre-activations by a rule that looks at each feature alone."""
        if self._rule == "jumprelu":
            return pre * (pre > self._weights["threshold"][columns]) * (pre > 0)
        return torch.relu(pre)

    def _dense(self, x: Tensor) -> Tensor:
        acts = self._active(self._pre(x, slice(None)), slice(None))
        if self._rule != "topk":
            return acts
        values, chosen = acts.topk(self._k, dim=-1)
        return torch.zeros_like(acts).scatter(-1, chosen, values)

    def encode(self, x: Tensor) -> Sparse:
        """Activations of all features; x float [positions, width]."""
        acts = self._dense(x)
        rows, features = acts.nonzero(as_tuple=True)
        return Sparse(rows, features, acts[rows, features])

    def encode_one(self, x: Tensor, feature: int) -> Tensor:
        """Activation of one feature. A rule without competition needs that feature's column alone."""
        if self._rule == "topk":
            return self._dense(x)[..., feature]
        return self._active(self._pre(x, feature), feature)

    def decode(self, acts: Sparse, positions: int) -> Tensor:
        """Reconstruction [positions, width]."""
        out = self._weights["b_dec"].expand(positions, -1).clone()
        return out.index_add_(0, acts.rows, acts.values[:, None] * self._weights["W_dec"][acts.features])

    def direction(self, feature: int) -> Tensor:
        """The decoder row of a feature, [width]."""
        return self._weights["W_dec"][feature]

    def directions(self) -> Tensor:
        """The decoder, [size, width]."""
        return self._weights["W_dec"]


class SaeLens:
    """The format plugin."""

    @staticmethod
    def recognises(folder: Path) -> bool:
        """By the names of its two files; one of them is enough, so that a half copy gets a message that says so."""
        return (folder / CONFIG).is_file() or (folder / WEIGHTS).is_file()

    @staticmethod
    def load(folder: Path, name: str) -> Dictionary:
        """Read config and weights, as float32."""
        config = _config(folder / CONFIG)
        weights = _weights(folder / WEIGHTS)
        _check_shapes(folder / WEIGHTS, weights, config)
        if config.get("rescale_acts_by_decoder_norm"):
            norms = weights["W_dec"].norm(dim=1)
            if not torch.allclose(norms, torch.ones_like(norms), atol=1e-3):
                raise DictionaryError(
                    f"{folder / CONFIG}: decoder rows of other norm than 1 are not read with rescaling"
                )
        mark = fingerprint([folder / CONFIG, folder / WEIGHTS])
        return SparseAutoencoder(name, _site(folder / CONFIG, config), weights, config, mark)


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DictionaryError(f"{path} is missing: copy it beside {WEIGHTS}") from error
    except (OSError, ValueError) as error:
        raise DictionaryError(f"{path} is no JSON: {error}; fetch it again") from error
    if not isinstance(found, dict):
        raise DictionaryError(f"{path} holds no JSON object: fetch it again")
    config = _in_new_terms(path, found)
    rules = ("standard", "topk", "jumprelu")
    if (rule := config.get("architecture")) not in rules:
        raise DictionaryError(f"{path}: architecture {rule!r} is not read; those that are: {', '.join(rules)}")
    for key in ("normalize_activations", "reshape_activations"):
        if config.get(key, "none") != "none":
            raise DictionaryError(f"{path}: {key} {config[key]!r} is not read; only 'none' is")
    if config["architecture"] == "topk":
        size, k = config.get("d_sae"), config.get("k")
        if not isinstance(k, int) or not isinstance(size, int) or not 1 <= k <= size:
            raise DictionaryError(f"{path}: a topk autoencoder needs a k from 1 to d_sae, found {k!r} and {size!r}")
    return config


def _in_new_terms(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """A configuration written before SAELens 6 names the activation function beside the architecture, and it decides."""
    function = config.get("activation_fn_str", "relu")
    if function == "topk":
        return {**config, "architecture": "topk", "k": (config.get("activation_fn_kwargs") or {}).get("k")}
    if function != "relu":
        raise DictionaryError(f"{path}: activation_fn_str {function!r} is not read; only 'relu' and 'topk' are")
    return config


def _site(path: Path, config: dict[str, Any]) -> Site:
    hook = (config.get("metadata") or {}).get("hook_name") or config.get("hook_name")
    match = _HOOK.match(hook) if isinstance(hook, str) else None
    if match is None:
        raise DictionaryError(f"{path}: hook_name {hook!r} is no site that is read, such as blocks.2.hook_resid_post")
    return Site(layer=int(match.group(1)), kind=SiteKind(match.group(2)))


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as stream:
            return {key: stream.get_tensor(key).float() for key in stream.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError as error:
        raise DictionaryError(f"{path} is missing: copy it beside {CONFIG}") from error
    except (OSError, SafetensorError) as error:
        raise DictionaryError(f"{path} is cut off or no safetensors file: {error}; fetch it again") from error


def _check_shapes(path: Path, weights: dict[str, Tensor], config: dict[str, Any]) -> None:
    width, size = config.get("d_in"), config.get("d_sae")
    expected: dict[str, tuple[Any, ...]] = {
        "W_enc": (width, size),
        "W_dec": (size, width),
        "b_enc": (size,),
        "b_dec": (width,),
    }
    if config["architecture"] == "jumprelu":
        expected["threshold"] = (size,)
    for key, shape in expected.items():
        if key not in weights:
            raise DictionaryError(f"{path} lacks {key} of shape {shape}")
        if tuple(weights[key].shape) != shape:
            raise DictionaryError(f"{path}: {key} has shape {tuple(weights[key].shape)}, {CONFIG} says {shape}")
    if unread := sorted(set(weights) - set(expected)):
        raise DictionaryError(
            f"{path} holds {unread[0]}, which a {config['architecture']} autoencoder has no use for here"
        )
