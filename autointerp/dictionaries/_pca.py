"""Principal components of a site as a dictionary: `pca:resid_post.2`, fitted on text that the caller supplies."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from autointerp.dictionaries._names import parse_site
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._two_sided import TwoSided, oriented
from autointerp.dictionaries._weights import mark
from autointerp.errors import DictionaryError
from autointerp.records import SiteKind

_KINDS = {str(kind): kind for kind in SiteKind if kind is not SiteKind.PATTERN}


class Pca(DictionaryFormat):
    """The format plugin. Axis i is the i-th component by variance; features are its two sides, as in `TwoSided`."""

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Fit the components to a sample of activations."""
        site = parse_site(request.name, request.place, _KINDS)
        width = request.subject.width_of(site)
        if request.sample is None:
            raise DictionaryError(
                f"{request.name} needs text to be fitted on: pass `sample`, which gives activations at a site"
            )
        x = request.sample(site).detach().cpu()
        if x.ndim != 2 or x.shape[1] != width or len(x) < 2:
            raise DictionaryError(
                f"{request.name}: the sample has shape {tuple(x.shape)}, expected at least 2 positions of width {width}"
            )
        x = x[torch.isfinite(x).all(1)].double()
        if len(x) < 2:
            raise DictionaryError(f"{request.name}: the sample has fewer than 2 positions without NaN: give more text")
        basis, centre = components(x)
        content = hashlib.sha256(basis.numpy().tobytes() + centre.numpy().tobytes()).hexdigest()
        fingerprint = mark([], "pca", request.subject.fingerprint, site, content)
        return TwoSided(request.name, fingerprint, site, width, basis=basis, centre=centre)


def components(x: Tensor) -> tuple[Tensor, Tensor]:
    """Principal axes [axes, width] by falling variance, and the mean [width], of x float64 [positions, width].

    There are as many axes as dimensions, or one fewer than positions.
    """
    centre = x.mean(0)
    count = min(x.shape[1], len(x) - 1)
    # The covariance is width × width however much text there is.
    _, vectors = torch.linalg.eigh((x - centre).T @ (x - centre))
    return oriented(vectors.T.flip(0)[:count]).float(), centre.float()
