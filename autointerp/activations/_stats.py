"""What the index and the weights say of one feature."""

from __future__ import annotations

import torch

from autointerp.activations._index import Index
from autointerp.activations._record import LOWEST, PER_OCTAVE
from autointerp.dictionaries import Dictionary
from autointerp.models import Subject
from autointerp.records import FeatureStats, Neighbour, TokenLogit

_LISTED = 10


def feature_stats(subject: Subject, dictionary: Dictionary, index: Index, feature: int) -> FeatureStats:
    """Counts over the whole index, logits through the unembedding alone, and the nearest features by direction."""
    active, tokens = int(index.active[feature]), index.meta.tokens
    direction = dictionary.direction(feature)
    logits = subject.unembedding @ direction
    logits = logits - logits.mean()
    order = logits.argsort(descending=True).tolist()

    def listed(indices: list[int]) -> tuple[TokenLogit, ...]:
        return tuple(TokenLogit(token=subject.strings[i], logit=float(logits[i])) for i in indices)

    counts = index.histogram[feature]
    filled = counts.nonzero()[0]
    low, high = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
    edges = tuple(2.0 ** (LOWEST + i / PER_OCTAVE) for i in range(low, high + 1)) if high else ()
    return FeatureStats(
        tokens=tokens,
        active=active,
        density=active / tokens,
        maximum=float(index.maximum[feature]),
        mean_active=float(index.total[feature]) / active if active else 0.0,
        histogram_edges=edges,
        histogram_counts=tuple(int(c) for c in counts[low:high]),
        top_logits=listed(order[:_LISTED]),
        bottom_logits=listed(order[: -_LISTED - 1 : -1]),
        neighbours=_neighbours(dictionary, feature),
    )


def _neighbours(dictionary: Dictionary, feature: int) -> tuple[Neighbour, ...]:
    unit = torch.nn.functional.normalize(dictionary.directions(), dim=1)
    cosines = unit @ unit[feature]
    cosines[feature] = -2.0
    values, indices = cosines.topk(min(_LISTED, len(cosines) - 1))
    return tuple(Neighbour(index=int(i), cosine=float(v)) for v, i in zip(values, indices, strict=True))
