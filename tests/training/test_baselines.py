"""Kneser-Ney against an implementation with dictionaries, and the compressor's two figures."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from training.pystdlib.baselines import KneserNey, modified_discounts, xz_bits_per_byte, xz_bits_per_byte_after

VOCABULARY = 5
ORDER = 4


def tiny_stream(length: int, seed: int = 0) -> list[int]:
    """Tokens below VOCABULARY - 1 with some structure: the last one of the vocabulary is never seen."""
    chooser = random.Random(seed)
    stream = [0]
    while len(stream) < length:
        stream.append((stream[-1] * 2 + 1) % 4 if chooser.random() < 0.6 else chooser.randrange(VOCABULARY - 1))
    return stream


def brute_force(stream: list[int], order: int, context: tuple[int, ...], token: int, *, highest: bool = True) -> float:
    """Chen & Goodman (1999), written from the formulas with dictionaries, one probability at a time."""
    if order == 0:
        return 1 / VOCABULARY
    context = context[max(0, len(context) - order + 1) :]
    below = brute_force(stream, order - 1, context, token, highest=False)
    grams = Counter(tuple(stream[i : i + order]) for i in range(len(stream) - order + 1))
    if not highest:
        longer = {tuple(stream[i : i + order + 1]) for i in range(len(stream) - order)}
        grams = Counter(gram[1:] for gram in longer)
    n = Counter(grams.values())
    if n[1] and n[2] and n[3]:
        y = n[1] / (n[1] + 2 * n[2])
        discount = [min(max(j - (j + 1) * y * n[j + 1] / n[j], 0), j) for j in (1, 2, 3)]
    else:
        discount = [0.5, 0.5, 0.5]
    total = sum(count for gram, count in grams.items() if gram[:-1] == context)
    if total == 0:
        return below
    taken = sum(discount[min(count, 3) - 1] for gram, count in grams.items() if gram[:-1] == context)
    count = grams[(*context, token)]
    direct = count - discount[min(count, 3) - 1] if count else 0
    return (direct + taken * below) / total


@pytest.mark.parametrize("length", [12, 300])
@pytest.mark.parametrize("order", range(1, ORDER + 1))
def test_every_context_sums_to_one_and_equals_brute_force(length: int, order: int) -> None:
    stream = tiny_stream(length)
    model = KneserNey(np.array(stream), VOCABULARY, ORDER)
    unseen = 0
    for context in itertools.product(range(VOCABULARY), repeat=order - 1):
        unseen += all(tuple(stream[i : i + order - 1]) != context for i in range(length))
        found = [model.probabilities(np.array([*context, w]))[order - 1][-1] for w in range(VOCABULARY)]
        assert sum(found) == pytest.approx(1.0, abs=1e-12)
        assert min(found) > 0
        assert found == pytest.approx([brute_force(stream, order, context, w) for w in range(VOCABULARY)], abs=1e-12)
    assert unseen > 0 or order == 1


def test_a_whole_stream_at_once_is_the_same_as_token_by_token() -> None:
    stream, text = tiny_stream(300), tiny_stream(40, seed=1)
    found = KneserNey(np.array(stream, dtype=np.int32), VOCABULARY, ORDER).probabilities(np.array(text, dtype=np.int32))
    for order, probabilities in enumerate(found, 1):
        expected = [
            brute_force(stream, order, tuple(text[i - order + 1 : i]), text[i]) for i in range(order - 1, len(text))
        ]
        assert probabilities[order - 1 :] == pytest.approx(expected, abs=1e-12)


def test_the_largest_context_at_the_end_of_the_stream_backs_off() -> None:
    # 3 occurs only at the very end: nothing is known of what follows it.
    stream = [0, 1, 0, 1, 2, 0, 3]
    model = KneserNey(np.array(stream), VOCABULARY, 2)
    assert model.probabilities(np.array([3, 0]))[1][-1] == brute_force(stream, 1, (), 0, highest=False)
    assert sum(model.probabilities(np.array([3, w]))[1][-1] for w in range(VOCABULARY)) == pytest.approx(1.0)


def test_discounts_of_known_counts() -> None:
    # n1..n4 = 4, 2, 1, 1: y = 4 / 8.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])
    assert modified_discounts(counts) == pytest.approx([0.0, 1 - 2 * 0.5 * 2 / 4, 2 - 3 * 0.5 * 1 / 2, 3 - 4 * 0.5 * 1])


def test_too_few_tokens_are_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens are too few for order 3"):
        KneserNey(np.array([0, 1]), VOCABULARY, 3)


def test_xz_finds_in_its_history_what_it_has_seen_before() -> None:
    text = random.Random(0).randbytes(5000)
    assert xz_bits_per_byte(text) > 8
    assert xz_bits_per_byte_after(text, text) < 0.2
    assert xz_bits_per_byte_after(random.Random(1).randbytes(5000), text) == pytest.approx(8, rel=0.02)
