"""The token table against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.induction import token_means

VOCABULARY = 12


def by_loop(ids: np.ndarray, lengths: np.ndarray, values: np.ndarray) -> tuple[list[float], list[bool]]:
    seen: dict[int, list[float]] = {token: [] for token in range(VOCABULARY)}
    for row in range(len(ids)):
        for place in range(1, lengths[row]):
            seen[int(ids[row, place])].append(float(values[row, place]))
    everything = [value for found in seen.values() for value in found]
    overall = sum(everything) / len(everything) if everything else 0.0
    means = [sum(found) / len(found) if found else overall for found in seen.values()]
    return means, [bool(found) for found in seen.values()]


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9))
def test_it_is_what_a_loop_gives(seed: int, texts: int, length: int) -> None:
    random = np.random.default_rng(seed)
    ids = random.integers(0, VOCABULARY, (texts, length)).astype(np.int32)
    lengths = random.integers(1, length + 1, texts).astype(np.int32)
    values = random.exponential(size=(texts, length)).astype(np.float32)
    table, seen = token_means(ids, lengths, values, VOCABULARY)
    means, known = by_loop(ids, lengths, values)
    np.testing.assert_allclose(table, means, rtol=1e-5)
    assert seen.tolist() == known
    assert table.shape == (VOCABULARY,)


def test_bos_and_padding_do_not_count() -> None:
    ids = np.array([[0, 3, 3, 0, 0], [0, 4, 0, 0, 0]], dtype=np.int32)
    values = np.array([[9.0, 1.0, 2.0, 9.0, 9.0], [9.0, 6.0, 9.0, 9.0, 9.0]], dtype=np.float32)
    table, seen = token_means(ids, np.array([3, 2], dtype=np.int32), values, 6)
    assert table.tolist() == pytest.approx([3.0, 3.0, 3.0, 1.5, 6.0, 3.0])
    assert seen.tolist() == [False, False, False, True, True, False]
