"""The weights of a small transformer as arrays, so that a compiler can write them and a change of basis can act on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Head:
    """One attention head: q, k, v are [head width, stream] with biases [head width], o is [stream, head width]."""

    q: Floats
    q_bias: Floats
    k: Floats
    k_bias: Floats
    v: Floats
    v_bias: Floats
    o: Floats

    @classmethod
    def zeros(cls, head: int, stream: int) -> Head:
        """A head that writes nothing."""
        into, bias = np.zeros((head, stream)), np.zeros(head)
        return cls(into, bias, into.copy(), bias.copy(), into.copy(), bias.copy(), np.zeros((stream, head)))


@dataclass(frozen=True, slots=True)
class Neurons:
    """Hidden units of an MLP: up [units, stream] with bias [units], down [stream, units]."""

    up: Floats
    bias: Floats
    down: Floats

    @classmethod
    def zeros(cls, units: int, stream: int) -> Neurons:
        """Units that write nothing."""
        return cls(np.zeros((units, stream)), np.zeros(units), np.zeros((stream, units)))

    @classmethod
    def joined(cls, parts: list[Neurons]) -> Neurons:
        """The units of all parts, one after the other."""
        return cls(
            np.concatenate([p.up for p in parts]),
            np.concatenate([p.bias for p in parts]),
            np.concatenate([p.down for p in parts], axis=1),
        )


@dataclass(frozen=True, slots=True)
class Weights:
    """A whole model: embeddings [vocabulary or positions, stream], heads and neurons per layer, unembedding."""

    tokens: Floats
    positions: Floats
    heads: list[list[Head]]
    neurons: list[Neurons]
    unembedding: Floats

    @property
    def stream(self) -> int:
        """The width of the residual stream."""
        return int(self.tokens.shape[1])
