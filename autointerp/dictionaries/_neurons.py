"""The neurons of an MLP as a dictionary: `neurons:mlp.3`."""

from __future__ import annotations

from autointerp.dictionaries._names import parse_site
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat, Request
from autointerp.dictionaries._two_sided import TwoSided
from autointerp.dictionaries._weights import mark
from autointerp.records import SiteKind


class Neurons(DictionaryFormat):
    """The format plugin. Of F neurons, feature i < F is neuron i above zero, feature F + i the same neuron below zero."""

    @staticmethod
    def load(request: Request) -> Dictionary:
        """What the MLP's activation function gives, before the down-projection."""
        site = parse_site(
            request.name, request.place, {"mlp": SiteKind.MLP_HIDDEN, SiteKind.MLP_HIDDEN: SiteKind.MLP_HIDDEN}
        )
        width = request.subject.width_of(site)
        fingerprint = mark([], "neurons", request.subject.fingerprint, site)
        return TwoSided(request.name, fingerprint, site, width)
