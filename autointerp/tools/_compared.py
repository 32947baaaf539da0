"""Next-token predictions before and after a change, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from autointerp.tools._tool import Result


class TokenChange(Result):
    """A possible next token: its probability before and after, and the change of its logit less the mean change."""

    token: str
    before: float
    after: float
    logit_change: float


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The predictions of some texts before and after a change.

    Attributes
    ----------
    names: every token of the vocabulary as text.
    log_probabilities: before and after, [2, texts, vocabulary].
    change: of the logits, less its mean over the vocabulary, which no softmax sees; the mean over texts, [vocabulary].
    """

    names: Sequence[str]
    log_probabilities: Tensor
    change: Tensor

    @classmethod
    def of(cls, names: Sequence[str], before: Tensor, after: Tensor) -> Compared:
        """From logits [texts, vocabulary]."""
        change = (after - before).mean(0)
        return cls(names, torch.stack([before, after]).log_softmax(-1), change - change.mean())

    def kl(self) -> float:
        """KL(before ‖ after) in nats, the mean over texts."""
        return float(_kl(*self.log_probabilities).mean())

    def extremes(self, count: int) -> tuple[tuple[TokenChange, ...], tuple[TokenChange, ...]]:
        """The tokens whose logits rise and those whose logits fall most, most first, up to `count` of each."""
        count = min(count, len(self.change))
        high, low = self.change.topk(count), self.change.topk(count, largest=False)
        raised, lowered = int((high.values > 0).sum()), int((low.values < 0).sum())
        listed = self.tokens(torch.cat([high.indices[:raised], low.indices[:lowered]]))
        return listed[:raised], listed[raised:]

    def tokens(self, ids: Tensor) -> tuple[TokenChange, ...]:
        """What happens to some tokens, ids [tokens]."""
        if not len(ids):
            return ()
        ids = ids.to(self.change.device)
        before, after = self.log_probabilities[:, :, ids].exp().mean(1).tolist()
        rows = zip(ids.tolist(), before, after, self.change[ids].tolist(), strict=True)
        return tuple(TokenChange(token=self.names[i], before=b, after=a, logit_change=c) for i, b, a, c in rows)


def kl(before: Tensor, after: Tensor) -> Tensor:
    """KL(before ‖ after) in nats of logits [..., vocabulary]."""
    return _kl(before.log_softmax(-1), after.log_softmax(-1))


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """The same of log-probabilities; rounding may take it below zero."""
    return (p.exp() * (p - q)).sum(-1).clamp(min=0.0)


def told(changes: Sequence[TokenChange]) -> str:
    """Changes of tokens on one line."""
    return ", ".join(f"{c.token!r} {c.logit_change:+.2f} ({c.before:.3f} → {c.after:.3f})" for c in changes) or "none"
