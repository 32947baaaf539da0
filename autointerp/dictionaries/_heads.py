"""The outputs of a layer's attention heads as a dictionary: `heads:attn.3`.

A head's output is a vector with no basis of its own: only what the output projection makes of it counts. That projection
settles a basis, the singular vectors of the head's block of it, whose coordinates write orthogonal directions to the residual
stream, the strongest first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.dictionaries._names import parse_site
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Host, Request
from autointerp.dictionaries._two_sided import TwoSided, oriented
from autointerp.dictionaries._weights import mark
from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind


class Heads(DictionaryFormat):
    """The format plugin.

    With d dimensions a head, axis h·d + j is the j-th singular direction of head h; features are its two sides, as in
    `TwoSided`.
    """

    @staticmethod
    def load(request: Request) -> Dictionary:
        """Coordinates of every head's output, before the output projection."""
        site = parse_site(
            request.name, request.place, {"attn": SiteKind.HEAD_OUT, SiteKind.HEAD_OUT: SiteKind.HEAD_OUT}
        )
        subject = request.subject
        width = subject.width_of(site)
        written = subject.to_residual(site, torch.eye(width))
        if written is None:
            raise DictionaryError(
                f"{request.name}: what heads of {subject.name} write is not linear in their output, so they have no basis"
            )
        basis = head_basis(written.detach().float().cpu(), _heads(request.name, subject, width, site))
        return TwoSided(request.name, mark([], "heads", subject.fingerprint, site), site, width, basis=basis)


def _heads(name: str, subject: Host, width: int, site: Site) -> int:
    config = getattr(subject.module, "config", None)
    config = getattr(config, "text_config", config)
    heads = getattr(config, "num_attention_heads", None)
    if not isinstance(heads, int) or heads < 1 or width % heads:
        raise DictionaryError(
            f"{name}: {subject.name} does not say how many heads share the {width} dimensions of {site}"
        )
    return heads


def head_basis(written: Tensor, heads: int) -> Tensor:
    """An orthonormal basis of all heads' outputs, [width, width]; each row is zero outside its own head's dimensions.

    `written` [width, residual] is what each dimension adds to the residual stream.
    """
    width = len(written)
    size = width // heads
    basis = torch.zeros(width, width)
    for head in range(heads):
        block = slice(head * size, (head + 1) * size)
        vectors, _, _ = torch.linalg.svd(written[block].double(), full_matrices=written.shape[1] < size)
        basis[block, block] = oriented(vectors.T).float()
    return basis
