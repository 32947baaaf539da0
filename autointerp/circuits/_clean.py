"""Texts run as they are, and run again with something added at named sites."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from autointerp.models import Captured, Edit, Operation, Subject
from autointerp.records import Site, SiteKind

#: An exam fits in one batch: outputs of several would have to be copied into one, which costs more memory than one large run.
_BATCH = 64
_FINAL = Site(layer=0, kind=SiteKind.FINAL)


@dataclass(frozen=True, slots=True, eq=False)
class CleanRun:
    """Texts without any intervention, so that many interventions on them share one run.

    Attributes
    ----------
    ids: int64 [texts, tokens], padded on the right.
    sites: what was read, [texts, tokens, width] by site.
    output: the logits [texts, tokens, vocabulary], or the final states [texts, tokens, width] of a model without logits.
    """

    subject: Subject
    ids: Tensor
    sites: Mapping[Site, Tensor]
    output: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def some(self, texts: Any) -> CleanRun:
        """The same of some of the texts: indices, a mask or a slice."""
        sites = {site: activations[texts] for site, activations in self.sites.items()}
        return CleanRun(self.subject, self.ids[texts], sites, self.output[texts])

    def at(self, texts: Any, places: Any) -> CleanRun:
        """The same of some of the texts, for what asks for the output at one place of each: elsewhere it is that of this place.

        Whole outputs are not copied. Indices of texts and of places, [texts] each.
        """
        sites = {site: activations[texts] for site, activations in self.sites.items()}
        output = self.output[texts, places][:, None].expand(-1, self.ids.shape[1], -1)
        return CleanRun(self.subject, self.ids[texts], sites, output)


def clean_run(subject: Subject, sites: Iterable[Site], ids: Tensor) -> CleanRun:
    """Run texts [texts, tokens] as they are."""
    wanted = frozenset(sites)
    parts = [_run(subject, ids[start : start + _BATCH], wanted, ()) for start in range(0, len(ids), _BATCH)]
    if not parts:
        return CleanRun(subject, ids, {}, torch.empty(0))
    read = {site: _joined([part.sites[site] for part in parts]) for site in wanted}
    return CleanRun(subject, ids, read, _joined([output_of(part) for part in parts]))


def _joined(parts: list[Tensor]) -> Tensor:
    """One after the other; one alone as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def rerun(clean: CleanRun, added: Mapping[Site, Tensor]) -> Tensor:
    """The output of the same texts with `added` [texts, tokens, width] at each of some sites; few enough for one batch.

    What lies before the only site, where that is the whole residual stream and was read, is not computed again.
    """
    edits = [Edit(site, Operation.ADD, value) for site, value in added.items()]
    start = None
    if len(added) == 1:
        (site,) = added
        if site.kind is SiteKind.RESID_POST and site in clean.sites:
            start = (site, clean.sites[site])
    return output_of(_run(clean.subject, clean.ids, frozenset(), edits, start))


def output_of(run: Captured) -> Tensor:
    """Logits where there are some, else the final states."""
    return run.sites[_FINAL] if run.logits is None else run.logits


def _run(
    subject: Subject,
    ids: Tensor,
    capture: frozenset[Site],
    edits: Iterable[Edit],
    start: tuple[Site, Tensor] | None = None,
) -> Captured:
    if subject.has_logits:
        return subject.run(ids, capture=capture, edits=tuple(edits), logits=True, start=start)
    return subject.run(ids, capture=capture | {_FINAL}, edits=tuple(edits), start=start)
