"""From the arguments of a call to a request that is known to be sound, and from requests to what they were about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._batch import Batch
from autointerp.models._edits import Edit
from autointerp.models._generate import Completions, Continuation, Decoding
from autointerp.models._gradients import Objective
from autointerp.models._run import Captured, Request, run
from autointerp.models._usage import Usage
from autointerp.records import Site

if TYPE_CHECKING:
    from autointerp.models._subject import Subject


def request_of(
    subject: Subject,
    ids: Tensor | Batch,
    *,
    capture: Iterable[Site] = (),
    edits: Sequence[Edit] = (),
    logits: bool | Tensor = False,
    start: tuple[Site, Tensor] | None = None,
    grad_of: Objective | Sequence[Objective] | None = None,
) -> Request:
    """The arguments of `Subject.run`, checked as far as that goes without running them. Raises ModelError."""
    objectives = grad_of if grad_of is None or isinstance(grad_of, Objective) else tuple(grad_of)
    wanted = logits if isinstance(logits, Tensor) else bool(logits)
    request = Request(batch_of(subject, ids), frozenset(capture), tuple(edits), wanted, start, objectives)
    check(subject, request)
    return request


def continuation_of(
    subject: Subject,
    prompts: Sequence[Sequence[int]] | Tensor | Batch,
    *,
    max_new_tokens: int,
    edits: Sequence[Edit] = (),
    temperature: float = 0.0,
    seed: int = 0,
    stop: Iterable[int] | None = None,
) -> Continuation:
    """The arguments of `Subject.generate`, checked as far as that goes without running them. Raises ModelError."""
    batch = batch_of(subject, prompts if isinstance(prompts, Tensor | Batch) else subject.batch(prompts, side="left"))
    stops = frozenset(_ends(subject) if stop is None else stop)
    request = Continuation(batch, max_new_tokens, tuple(edits), float(temperature), seed, stops)
    check(subject, request)
    return request


def check(subject: Subject, request: Request | Continuation) -> None:
    """See that a request is sound, as far as that goes without running it. Raises ModelError."""
    mask = request.batch.mask
    if isinstance(request, Request):
        check_length(subject, mask)
        sites = [edit.site for edit in request.edits] + [o.site for o in request.objectives if o.site is not None]
        subject._layout.order([*request.capture, *sites])
        if not subject.has_logits and (request.reads_logits or any(o.site is None for o in request.objectives)):
            raise ModelError(f"{subject.name} has no head and so no logits: read a site instead")
        check_places(request)
        return
    if not subject.causal or not subject.has_logits:
        raise ModelError(f"{subject.name} writes no text: generation needs a causal model with a head")
    if not mask[:, -1].all() or (mask[:, :-1] > mask[:, 1:]).any():
        raise ModelError("texts are continued at their end: pad them on the left, as subject.batch(texts, side='left')")
    if request.max_new_tokens < 1:
        raise ModelError(f"max_new_tokens is {request.max_new_tokens}: ask for one at least")
    if not 0 <= request.temperature < math.inf:
        found = request.temperature
        raise ModelError(f"temperature is {found}: give 0 for the likeliest token, or a finite number above it")
    check_length(subject, mask, request.max_new_tokens)
    subject._layout.order(edit.site for edit in request.edits)


def _ends(subject: Subject) -> list[int]:
    """The ids with which the model itself says that a text is over."""
    settings = getattr(subject.module, "generation_config", None)
    ends = getattr(settings, "eos_token_id", None)
    if ends is None:
        ends = getattr(subject.tokenizer, "eos_token_id", None)
    if ends is None:
        return []
    return [int(ends)] if isinstance(ends, int) else [int(end) for end in ends]


def batch_of(subject: Subject, ids: Tensor | Batch) -> Batch:
    """Ids with their mask: of plain ids all are text to a causal model, and all but the padding id to an encoder.

    Raises ModelError where they are not a batch.
    """
    if isinstance(ids, Batch):
        batch = ids
    else:
        batch = Batch(ids, torch.ones_like(ids, dtype=torch.bool) if subject.causal else ids != subject.padding)
    if batch.ids.ndim != 2 or batch.ids.dtype != torch.int64 or 0 in batch.ids.shape:
        raise ModelError(f"texts are int64 [batch, tokens], not {batch.ids.dtype} {tuple(batch.ids.shape)}")
    if batch.mask.shape != batch.ids.shape or batch.mask.dtype != torch.bool:
        found = f"{batch.mask.dtype} {tuple(batch.mask.shape)}"
        raise ModelError(f"the mask of a batch of ids {tuple(batch.ids.shape)} is bool of that shape, not {found}")
    return batch


def check_places(request: Request) -> None:
    """See that the columns whose logits are wanted are columns of the texts. Raises ModelError."""
    places, batch = request.places, request.batch
    if places is None:
        return
    if places.dtype != torch.int64 or places.shape != (len(batch),):
        found = f"{places.dtype} {tuple(places.shape)}"
        raise ModelError(
            f"logits after one column of each of {len(batch)} texts are asked for by int64 [batch], not {found}"
        )
    outside = places[(places < 0) | (places >= request.columns)].tolist()
    if outside:
        raise ModelError(f"there is no column {outside[0]} to read logits after: give 0 to {request.columns - 1}")


def check_length(subject: Subject, mask: Tensor, more: int = 0) -> None:
    """See that texts and `more` generated tokens fit the context. Raises ModelError."""
    longest, allowed = int(mask.sum(1).max()) + more, subject.context + len(subject.suffix)
    if longest > allowed:
        raise ModelError(f"{longest} tokens are more than the context of {allowed}: cut the text")


def complete(subject: Subject, request: Continuation) -> Completions:
    """One generation from start to end, counted."""
    decoding = Decoding(subject._layout, [request])
    while True:
        cost, finished = decoding.step()
        subject.usage.add(cost)
        if finished:
            return finished[0][1]


def serve(subject: Subject, requests: Sequence[Request]) -> list[Captured]:
    """All requests in one forward pass, counted."""
    captured = run(subject._layout, requests)
    rows, columns = sum(len(request.batch) for request in requests), max(request.columns for request in requests)
    subject.usage.add(Usage(1, rows * columns))
    return captured
