"""What is added when a feature is steered, what is added instead as a control, and how much of it makes how much difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site
from autointerp.scoring._exam import Exam

Writes = Mapping[Site, Tensor]

_DOUBLINGS, _HALVINGS = 12, 8


def matched_writes(exam: Exam, feature: int | None = None) -> dict[Site, Tensor]:
    """What another feature writes, at the norms of the feature's own; the matched one unless another is named.

    One that writes nothing somewhere adds nothing there.
    """
    own = exam.dictionary.writes(exam.feature)
    other = exam.dictionary.writes(exam.matched if feature is None else feature)
    return {site: v * (own[site].norm() / v.norm().clamp(min=1e-30)) for site, v in other.items() if site in own}


def random_writes(exam: Exam) -> dict[Site, Tensor]:
    """Random directions at the sites that the feature writes to, at the norms of its own."""
    generator = torch.Generator().manual_seed(exam.seed)
    found = {}
    for site, vector in exam.dictionary.writes(exam.feature).items():
        random = torch.randn(vector.shape, generator=generator)
        found[site] = random * (vector.norm() / random.norm())
    return found


def edits_of(writes: Writes, strength: float) -> tuple[Edit, ...]:
    """Steering: `strength` times what one unit writes, added at every place."""
    return tuple(Edit(site, Operation.ADD, strength * vector) for site, vector in writes.items())


def strength_for(
    subject: Subject, writes: Writes, prompts: NDArray[np.int32], target: float, *, sign: int = 1
) -> float | None:
    """The strength at which KL(clean ‖ steered) of the token after the prompts is `target` nats in the mean.

    Found by doubling and halving, to within half a percent. `prompts` are ids [prompts, tokens] of one length. None where no
    strength that was tried reaches it.
    """
    ids = torch.from_numpy(np.asarray(prompts)).long()
    clean = _next(subject, ids, ())
    norm = max(float(vector.norm()) for vector in writes.values())
    if norm <= 0:
        return None

    def moved(strength: float) -> float:
        steered = _next(subject, ids, edits_of(writes, sign * strength))
        value = (clean.exp() * (clean - steered)).sum(-1).mean()
        return float(value) if torch.isfinite(value) else float("inf")

    low, high = 0.0, 1.0 / norm
    for _ in range(_DOUBLINGS):
        if moved(high) >= target:
            break
        low, high = high, 2 * high
    else:
        return None
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if moved(middle) >= target else (middle, high)
    return sign * high


def continuations(
    subject: Subject, prompts: Sequence[Sequence[int]], writes: Writes, strength: float, *, tokens: int, seed: int
) -> list[str]:
    """What the model writes after prompts while it is steered; the new text alone."""
    made = subject.generate(
        [list(prompt) for prompt in prompts],
        max_new_tokens=tokens,
        edits=edits_of(writes, strength) if strength else (),
        temperature=1.0,
        seed=seed,
    )
    return ["".join(subject.strings[token] for token in new) for new in made.new]


def _next(subject: Subject, ids: Tensor, edits: tuple[Edit, ...]) -> Tensor:
    logits = subject.run(ids, edits=edits, logits=True).logits
    assert logits is not None
    return logits[:, -1].double().cpu().log_softmax(-1)
