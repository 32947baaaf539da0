"""The dictionary that planted latents join: a SAELens folder on the residual stream of the host."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from autointerp.errors import OrganismError
from autointerp.records import Site, SiteKind

Floats = NDArray[np.float64]

#: The dictionary that comes with the package.
BUNDLED = "pystdlib-sae"
CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_HOOK = re.compile(r"blocks\.(\d+)\.hook_resid_(pre|post)")
_ARCHITECTURES = ("standard", "jumprelu")
_TENSORS = ("W_enc", "W_dec", "b_enc", "b_dec")


@dataclass(frozen=True, eq=False)
class Source:
    """A dictionary as it lies in its files.

    Attributes
    ----------
    config: cfg.json.
    weights: by name, as stored.
    """

    config: dict[str, Any]
    weights: dict[str, NDArray[Any]]

    @classmethod
    def read(cls, place: str) -> Source:
        """From a folder, or the bundled one. Raises OrganismError where it cannot be read or is of another kind."""
        folder = Path(str(files("autointerp"))) / "assets" / BUNDLED if place == BUNDLED else Path(place).expanduser()
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            weights = load_file(folder / WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise OrganismError(
                f"{place} is no SAELens folder that can be read ({error}): give one with {CONFIG} and {WEIGHTS}"
            ) from error
        return cls(config, weights)

    def obstacles(self) -> list[str]:
        """Every reason why latents cannot be added to it."""
        reasons = []
        if (found := self.config.get("architecture", "standard")) not in _ARCHITECTURES:
            reasons.append(f"its architecture is {found}, and latents can join only {' and '.join(_ARCHITECTURES)}")
        for key, allowed in (("normalize_activations", "none"), ("reshape_activations", "none")):
            if self.config.get(key, allowed) not in (allowed, None):
                reasons.append(f"its {key} is {self.config[key]!r}, not {allowed!r}")
        if self.config.get("rescale_acts_by_decoder_norm"):
            reasons.append("it rescales activations by the norms of its decoder")
        if missing := [name for name in _TENSORS if name not in self.weights]:
            reasons.append(f"it has no {', '.join(missing)}")
        if self.place is None:
            reasons.append(
                f"it reads {self._hook!r}, and features are planted at hook_resid_pre or hook_resid_post alone"
            )
        return reasons

    @property
    def _hook(self) -> str:
        return str((self.config.get("metadata") or {}).get("hook_name") or self.config.get("hook_name"))

    @cached_property
    def place(self) -> Site | None:
        """The site that it reads and writes; None for one that is not on the residual stream."""
        found = _HOOK.fullmatch(self._hook)
        if found is None:
            return None
        return Site(layer=int(found[1]), kind=SiteKind.RESID_PRE if found[2] == "pre" else SiteKind.RESID_POST)

    @property
    def depth(self) -> int:
        """How many blocks lie before the site."""
        assert self.place is not None
        return self.place.layer + (self.place.kind is SiteKind.RESID_POST)

    @property
    def centred(self) -> bool:
        """Whether the decoder's bias is taken from the input."""
        return bool(self.config.get("apply_b_dec_to_input", True))

    @property
    def size(self) -> int:
        """How many latents it has."""
        return int(self.weights["W_dec"].shape[0])

    @property
    def width(self) -> int:
        """How wide its site is."""
        return int(self.weights["W_dec"].shape[1])

    def tensor(self, name: str) -> Floats:
        """One of its tensors."""
        return self.weights[name].astype(np.float64)

    @cached_property
    def threshold(self) -> Floats:
        """What an activation has to be above, [latents]."""
        return np.maximum(self.tensor("threshold"), 0) if "threshold" in self.weights else np.zeros(self.size)

    def offsets(self, encoder: Floats, b_enc: Floats) -> Floats:
        """The biases of rows [latents, width] on an input that nothing is taken from."""
        return b_enc - encoder @ self.tensor("b_dec") if self.centred else b_enc

    def extended(self, rows: dict[str, Floats], order: NDArray[np.int64], name: str) -> Source:
        """The same with more latents, all in another order: latent i is number `order[i]` of the old and then the new ones.

        `rows` are encoder and decoder [latents, width], b_enc and threshold [latents], in the files' own number format.
        """
        weights = dict(self.weights)
        for key, axis, part in (
            ("W_enc", 1, rows["encoder"].T),
            ("W_dec", 0, rows["decoder"]),
            ("b_enc", 0, rows["b_enc"]),
        ):
            both = np.concatenate([self.weights[key], part.astype(self.weights[key].dtype)], axis=axis)
            weights[key] = np.ascontiguousarray(np.take(both, order, axis=axis))
        if "threshold" in self.weights:
            both = np.concatenate(
                [self.weights["threshold"], rows["threshold"].astype(self.weights["threshold"].dtype)]
            )
            weights["threshold"] = both[order]
        config = self.config | {"d_sae": len(order)}
        if isinstance(config.get("metadata"), dict):
            config["metadata"] = config["metadata"] | {"model_name": name}
        return Source(config, weights)

    def rounded(self, name: str, values: Floats) -> Floats:
        """Values as they will be in the files."""
        return values.astype(self.weights[name].dtype).astype(np.float64)
