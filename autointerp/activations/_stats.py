"""What the index and the weights say of one feature."""

from __future__ import annotations

from autointerp.activations._feature import stats_of
from autointerp.activations._index import Index
from autointerp.activations._weights import extreme, nearest, neighbours, token_logits
from autointerp.dictionaries import Dictionary
from autointerp.models import Subject
from autointerp.records import FeatureStats, TokenLogit


def feature_stats(subject: Subject, dictionary: Dictionary, index: Index, feature: int) -> FeatureStats:
    """Counts over the whole index, logits through the unembedding alone, and the nearest features by direction.

    Logits are left out where the model has none, or where what the dictionary writes to reaches the residual stream in no
    linear way. What the index has stored of the same model and dictionary is not computed again.
    """
    stats = stats_of(index.stored, index.vocabulary, feature, index.meta.tokens)
    same = index.meta.dictionary == dictionary.fingerprint
    found: dict[str, object] = {}
    if dictionary.size > 1 and not (same and stats.neighbours):
        numbers, cosines = nearest(dictionary, range(feature, feature + 1))
        found["neighbours"] = neighbours(numbers[0], cosines[0])
    if not (same and index.meta.model == subject.fingerprint and stats.top_logits):
        found["top_logits"], found["bottom_logits"] = _logits(subject, dictionary, feature)
    return stats.model_copy(update=found)


def _logits(
    subject: Subject, dictionary: Dictionary, feature: int
) -> tuple[tuple[TokenLogit, ...], tuple[TokenLogit, ...]]:
    unembedding = subject.unembedding
    written = subject.to_residual(dictionary.output_site, dictionary.direction(feature)[None])
    if unembedding is None or written is None:
        return (), ()
    tokens, logits = extreme(unembedding, written)
    return token_logits([subject.strings[i] for i in tokens[0].tolist()], logits[0])
