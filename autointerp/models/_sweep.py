"""Many small interventions on a few texts, such as activation patching over layers, heads and positions, as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._batch import Batch
from autointerp.models._edits import Edit, Operation
from autointerp.models._positions import At
from autointerp.models._requests import batch_of, check_length
from autointerp.models._suffixes import Suffixes
from autointerp.records import Site, SiteKind

if TYPE_CHECKING:
    from autointerp.models._subject import Subject


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One intervention of a sweep: a text, by its number, and the edits made in it.

    The edits are about this text alone, so they have no `rows`, and a value has no more than one row of texts. An edit that
    resamples names the text to take from, whose activation is that of the clean run.
    """

    text: int
    edits: tuple[Edit, ...]


def exchanges(
    subject: Subject,
    sites: Iterable[Site],
    positions: Iterable[int],
    *,
    text: int = 0,
    source: int = 1,
    heads: int | None = None,
) -> list[Patch]:
    """Activation patching over sites × heads × positions: each patch puts one activation of one text into another.

    Parameters
    ----------
    sites: where; `head_out` and its like with `heads`.
    positions: token numbers (0 is the first, -1 the last); the two texts should be of one length.
    text, source: which text is patched, and which it is patched from.
    heads: into how many parts of equal width the site is divided, each a patch of its own; None to patch it whole.

    Returns the patches, positions fastest and sites slowest: reshaped to [sites, heads, positions] without loss.
    """
    value = torch.tensor(source)
    where = [At((position,)) for position in positions]
    patches = []
    for site in sites:
        parts: list[tuple[int, int] | None] = [None]
        if heads is not None:
            width = heads if site.kind is SiteKind.PATTERN else subject.width_of(site)
            if heads < 1 or width % heads:
                raise ModelError(f"{site} of width {width} is not {heads} heads")
            size = width // heads
            parts = [(head * size, (head + 1) * size) for head in range(heads)]
        patches += [
            Patch(text, (Edit(site, Operation.RESAMPLE, value, place, part=part),)) for part in parts for place in where
        ]
    return patches


def sweep(
    subject: Subject,
    texts: Sequence[Sequence[int]] | Tensor | Batch,
    patches: Sequence[Patch],
    *,
    weights: Tensor | None = None,
) -> Tensor:
    """What the model says next after each patched text.

    Each patch is a row of a batch. What it leaves as it was in the clean run is not computed again: in a causal model these
    are the layers and the tokens before its first edit, and the other tokens of a block in which all its edits are and where
    each affects its own token alone.

    Parameters
    ----------
    texts: token ids of each text, `bos` included; or a batch padded on the left.
    patches: the interventions; one without edits gives the clean run.
    weights: [vocabulary] or [texts, vocabulary], to return a number for each patch: the weighted sum of logits, such as the
        difference of two.

    Returns logits of the token after each text, [patches, vocabulary], or [patches] with weights.

    Raises
    ------
    ModelError: for a model without logits, texts that are too long, or an edit that does not fit.
    """
    if not subject.has_logits:
        raise ModelError(f"{subject.name} has no head and so no logits to sweep")
    batch = batch_of(subject, texts if isinstance(texts, Tensor | Batch) else subject.batch(texts, side="left"))
    if not batch.mask[:, -1].all():
        raise ModelError(
            "a sweep reads what comes after each text: pad on the left, as subject.batch(texts, side='left')"
        )
    check_length(subject, batch.mask)
    for patch in patches:
        _check(patch, len(batch))
    device = subject.device
    suffixes = Suffixes(subject, Batch(batch.ids.to(device), batch.mask.to(device)), [p.edits for p in patches])
    if weights is not None:
        weights = weights.expand(len(batch), -1)
    numbers: list[int] = []
    parts: list[Tensor] = []
    for here, logits in suffixes.run([patch.text for patch in patches]):
        numbers += here
        if weights is None:
            parts.append(logits)
        else:
            texts_here = torch.tensor([patches[number].text for number in here], dtype=torch.int64)
            parts.append((logits * weights[texts_here.to(weights.device)].to(logits)).sum(1))
    found = torch.cat(parts)
    return found[torch.tensor(numbers, dtype=torch.int64, device=found.device).argsort()]


def _check(patch: Patch, texts: int) -> None:
    if not 0 <= patch.text < texts:
        raise ModelError(f"a patch of text {patch.text}: there are 0 to {texts - 1}")
    for edit in patch.edits:
        if edit.rows is not None:
            raise ModelError(f"the edit at {edit.site} has rows {edit.rows}: in a sweep the patch says which text")
        if edit.operation is Operation.RESAMPLE and not (edit.value.numel() == 1 and 0 <= int(edit.value) < texts):
            raise ModelError(
                f"the edit at {edit.site} resamples from {edit.value.tolist()}: there are 0 to {texts - 1}"
            )
