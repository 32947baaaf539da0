"""One run over a probe text that shows how wide the sites of a model are and whether they are where they should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models import _checks
from autointerp.models._anatomy import Projection
from autointerp.models._batch import Batch
from autointerp.models._checks import Check
from autointerp.models._layout import Layout
from autointerp.records import Site, SiteKind

if TYPE_CHECKING:
    from autointerp.models._subject import Subject

_WEIGHTLESS: dict[str, Any] = {"projections": (), "unembed": None}
_FINAL = Site(layer=0, kind=SiteKind.FINAL)
_EMBED = Site(layer=0, kind=SiteKind.EMBED)
_FIRST = Site(layer=0, kind=SiteKind.RESID_PRE)


@dataclass(frozen=True, slots=True)
class Survey:
    """What one run showed.

    Attributes
    ----------
    shapes: of the activations at each site, for the probe of [1, tokens].
    checks: everything that was checked.
    linear: the layers from one site to another with nothing between, as far as the probe bears them out.
    """

    shapes: Mapping[Site, tuple[int, ...]]
    checks: tuple[Check, ...]
    linear: tuple[Projection, ...]


def survey(subject: Subject, layout: Layout, probe: Batch, *, thorough: bool = False) -> Survey:
    """Run the probe through a model and compare its sites.

    A thorough one also runs the attention that computes its pattern, and a probe with another end, to see whether a causal
    model looks ahead. Raises ModelError for activations that are not finite.
    """
    anatomy, module = layout.anatomy, layout.traced._module
    sites = [site for site in layout.sites if thorough or not anatomy.points[site].eager]
    try:
        captured = subject.run(probe, capture=sites, logits=anatomy.logits is not None)
    except OutOfOrderError as error:
        place = str(error).split("'")[1:2]
        raise ModelError(
            f"the forward pass of {layout.name} does not come by its sites in the order of its adapter: by {place} it has been"
            " before; put the adapter's points in the order of the forward pass"
        ) from error
    seen: Mapping[Site, Tensor] = captured.sites
    for site in sites:
        if not torch.isfinite(seen[site]).all():
            raise ModelError(
                f"layer {site.layer} of {layout.name} computes numbers that are not finite at {site}: fetch its weights again"
            )
    # What takes the model's weights cannot be checked where there are none.
    anatomy = replace(anatomy, **_WEIGHTLESS) if layout.remote else anatomy
    mapped = list(_checks.projections(anatomy, module, seen))
    checks = [*_checks.additions(anatomy, module, seen), *(check for _, check in mapped)]
    if _EMBED in seen and _FIRST in seen:
        checks.append(_checks.compare("embed = resid_pre of layer 0", None, seen[_EMBED], seen[_FIRST]))
    checks += _checks.head(anatomy, module, seen.get(_FINAL), captured.logits)
    if thorough:
        for layer in range(layout.layers):
            checks += _checks.pattern(anatomy, layer, seen)
        checks += _ahead(subject, layout, probe, seen)
    linear = tuple(rule for rule, check in mapped if rule.norm is None and check.passed)
    return Survey({site: tuple(seen[site].shape) for site in sites}, tuple(checks), linear)


def inspect_subject(subject: Subject) -> list[Check]:
    """Everything that can be checked about a subject's sites, measured anew, in the order of the forward pass."""
    return list(survey(subject, subject._layout, subject.batch([subject.probe]), thorough=True).checks)


def _ahead(subject: Subject, layout: Layout, probe: Batch, seen: Mapping[Site, Tensor]) -> Iterator[Check]:
    last = [site for site in layout.sites if site.kind is SiteKind.RESID_POST][-1:]
    if not layout.anatomy.causal or not last or probe.ids.shape[1] < 3:
        return
    other = probe.ids.clone()
    other[:, -1] = probe.ids[:, 0]
    after = subject.run(Batch(other, probe.mask), capture=last, logits=False).sites[last[0]]
    yield _checks.compare(f"no token changes {last[0]} before it", None, after[:, :-1], seen[last[0]][:, :-1])
