"""Random requests of every kind, and how what they give is compared."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from autointerp.models import (
    After,
    At,
    Batch,
    Captured,
    Completions,
    Continuation,
    Edit,
    Generated,
    Marked,
    Objective,
    Operation,
    Positions,
    Request,
    Subject,
    TokenIs,
)
from autointerp.records import Site, SiteKind

CONTEXT = 20
CLOSE = {"rtol": 1e-5, "atol": 2e-5}


class Draw:
    """Requests from a seed, for a subject."""

    def __init__(self, subject: Subject, seed: int) -> None:
        self.subject = subject
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)

    def any(self) -> Request | Continuation:
        return self.continuation() if self.random.random() < 0.3 else self.request()

    def batch(self, *, left: bool) -> Batch:
        lengths = [self.random.randint(1, CONTEXT) for _ in range(self.random.randint(1, 3))]
        texts = [[0, *(self.random.randint(1, 299) for _ in range(length - 1))] for length in lengths]
        return self.subject.batch(texts, side="left" if left else "right")

    def positions(self, batch: Batch) -> Positions | Tensor | None:
        mask = self.noise(*batch.ids.shape) > 0
        return self.random.choice(
            [None, None, mask, Marked(mask), At([0, -1]), TokenIs(range(150)), After(TokenIs(range(99))), ~Generated()]
        )

    def edit(self, batch: Batch) -> Edit:
        random_, operation = self.random, self.random.choice(list(Operation))
        site = self.site(pattern=operation is not Operation.PROJECT_OUT)
        rows = (
            None if random_.random() < 0.7 else tuple(random_.sample(range(len(batch)), random_.randint(1, len(batch))))
        )
        count, tokens = len(batch) if rows is None else len(rows), batch.ids.shape[1]
        pattern = site.kind is SiteKind.PATTERN
        width = 4 if pattern else self.subject.width_of(site)
        part = None if random_.random() < 0.6 else (width // 4, width // 2)
        inner = width if part is None else part[1] - part[0]
        if operation is Operation.RESAMPLE:
            shape = random_.choice([(), (count,)])
            value = torch.randint(0, len(batch), shape, generator=self.generator)
        elif pattern:
            value = self.noise(
                *random_.choice([(), (inner, 1, 1), (1, tokens, tokens), (count, inner, tokens, tokens)])
            )
        else:
            shapes = [(inner,), (count, 1, inner), (tokens, inner), (count, tokens, inner)]
            value = self.noise(*random_.choice(shapes if operation is Operation.PROJECT_OUT else [(), *shapes]))
        where = self.positions(batch)
        if rows is not None and (isinstance(where, Tensor | Marked)):
            where = At([1])
        return Edit(site, operation, value, where, rows, part)

    def site(self, *, pattern: bool = True) -> Site:
        sites = [site for site in self.subject.sites() if pattern or site.kind is not SiteKind.PATTERN]
        return self.random.choice(sites)

    def edits(self, batch: Batch) -> tuple[Edit, ...]:
        return tuple(self.edit(batch) for _ in range(self.random.choice([0, 0, 1, 1, 2, 3])))

    def request(self) -> Request:
        batch, random_ = self.batch(left=self.random.random() < 0.5), self.random
        capture = {self.site(pattern=random_.random() < 0.2) for _ in range(random_.randint(0, 3))}
        edits, start, objectives = self.edits(batch), None, None
        if random_.random() < 0.2:
            # Resumed, and so with nothing to see of the layers before.
            start = (Site(layer=0, kind=SiteKind.RESID_POST), self.noise(*batch.ids.shape, 32))
            capture = {site for site in capture if site.layer > 0}
            edits = tuple(edit for edit in edits if edit.site.layer > 0)
        if capture and random_.random() < 0.4:
            objectives = tuple(self.objective(batch, resumed=start is not None) for _ in range(random_.randint(1, 2)))
        grad_of = objectives[0] if objectives and random_.random() < 0.5 else objectives
        logits: bool | Tensor = random_.random() < 0.4
        if logits and random_.random() < 0.5:
            logits = torch.tensor([random_.choice(row.nonzero().flatten().tolist()) for row in batch.mask])
        return Request(batch, frozenset(capture), edits, logits, start, grad_of)

    def objective(self, batch: Batch, *, resumed: bool) -> Objective:
        site = None if self.random.random() < 0.6 else self.site(pattern=False)
        if site is not None and resumed and site.layer == 0:
            site = None
        weights = self.noise(300 if site is None else self.subject.width_of(site))
        # What stands at padding has a gradient of its own and is nobody's business.
        return Objective(weights / len(weights), site, self.random.choice([None, At([-1]), TokenIs(range(200))]))

    def continuation(self) -> Continuation:
        random_, batch = self.random, self.batch(left=True)
        temperature = random_.choice([0.0, 0.0, 1.0])
        stop = frozenset(range(20)) if random_.random() < 0.5 else frozenset()
        edits = tuple(e for e in self.edits(batch) if e.site.kind is not SiteKind.PATTERN or e.value.ndim < 2)
        return Continuation(batch, random_.randint(1, 8), edits, temperature, random_.randint(0, 9), stop)


def alone(subject: Subject, request: Request | Continuation) -> Captured | Completions:
    """What the subject gives without any company."""
    if isinstance(request, Continuation):
        return subject.generate(
            request.batch,
            max_new_tokens=request.max_new_tokens,
            edits=request.edits,
            temperature=request.temperature,
            seed=request.seed,
            stop=request.stop,
        )
    return subject.run(
        request.batch,
        capture=request.capture,
        edits=request.edits,
        logits=request.logits,
        start=request.start,
        grad_of=request.grad_of,
    )


def real(x: Tensor, mask: Tensor, kind: SiteKind | None = None, leading: int = 0) -> Tensor:
    """What counts of activations: those of tokens that are no padding."""
    if kind is SiteKind.PATTERN:
        x = torch.where(mask[:, None, None, :], x, 0).transpose(leading + 1, leading + 2)
    return x[(slice(None),) * leading + (mask,)]


def assert_same(
    found: Captured | Completions, expected: Captured | Completions, request: Request | Continuation
) -> None:
    """That two answers are one, up to rounding, at everything but padding."""
    if isinstance(expected, Completions):
        assert isinstance(found, Completions)
        assert (found.texts, found.new, found.usage) == (expected.texts, expected.new, expected.usage)
        return
    assert isinstance(found, Captured)
    mask = request.batch.mask
    assert set(found.sites) == set(expected.sites) == set(request.capture)
    for site, value in expected.sites.items():
        assert found.sites[site].shape == value.shape
        torch.testing.assert_close(real(found.sites[site], mask, site.kind), real(value, mask, site.kind), **CLOSE)
    assert (found.logits is None) == (expected.logits is None)
    if expected.logits is not None:
        assert found.logits.shape == expected.logits.shape
        at_places = expected.logits.ndim == 2
        ours, theirs = (x if at_places else real(x, mask) for x in (found.logits, expected.logits))
        torch.testing.assert_close(ours, theirs, **CLOSE)
    assert set(found.grads) == set(expected.grads)
    leading = int(isinstance(request.grad_of, tuple))
    for site, grad in expected.grads.items():
        assert found.grads[site].shape == grad.shape
        ours, theirs = (real(g, mask, site.kind, leading) for g in (found.grads[site], grad))
        torch.testing.assert_close(ours, theirs, **CLOSE)
    if expected.objective is not None:
        torch.testing.assert_close(found.objective, expected.objective, **CLOSE)
    assert found.usage == expected.usage
