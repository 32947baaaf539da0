"""Numbers computed from the token ids alone: finite-state machines as tables, and draws from a hash of the text so far."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from autointerp.eval.organisms.planted._machine import LEVELS
from autointerp.eval.organisms.planted._values import PIECES

#: Constants of SplitMix64 (Steele, Lea & Flood, 2014), as signed integers.
_FIRST, _SECOND, _STRIDE = (x - 2**64 for x in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0x9E3779B97F4A7C15))
#: A stream of draws for whether a level is drawn anew, which, and where within it.
_WHETHER, _WHICH, _WHERE = 1, 2, 3


class Extension(nn.Module):
    """Units that depend on the text, with a place in the stream each and an effect on the logits.

    Parameters
    ----------
    vocabulary, width: of the model.
    units: how many.
    cells: the length of the tables of all machines, one behind the other.

    Buffers
    -------
    classes: of each token id for each unit, [units, vocabulary].
    first, sizes: where a unit's table starts, and how many classes it has, [units].
    following, level: the next state's row in the table and the level, [cells]; a cell is `first + state * size + class`.
    quantiles: of the values at each level, with straight lines between, [units, 1 + LEVELS, 1 + PIECES].
    cumulated: the share of positions up to each level, [units, 1 + LEVELS].
    redrawn: the probability that a level is drawn from these shares instead, [units].
    keys: what makes the draws of one unit differ from another's, [units].
    reading, bias, threshold: the unit's activation is what `reading` [units, width] finds in the stream, plus `bias`, where
        that is above `threshold`.
    writing, direction: what is written for one unit of activation, and what it is taken for when it is read, [units, width].
    effect: what one unit of activation adds to the logits, [units, vocabulary].
    """

    classes: Tensor
    first: Tensor
    sizes: Tensor
    following: Tensor
    level: Tensor
    quantiles: Tensor
    cumulated: Tensor
    redrawn: Tensor
    keys: Tensor
    reading: Tensor
    bias: Tensor
    threshold: Tensor
    writing: Tensor
    direction: Tensor
    effect: Tensor

    def __init__(self, vocabulary: int, width: int, units: int, cells: int) -> None:
        super().__init__()
        for name, shape, dtype in (
            ("classes", (units, vocabulary), torch.int16),
            ("first", (units,), torch.int64),
            ("sizes", (units,), torch.int64),
            ("following", (cells,), torch.int16),
            ("level", (cells,), torch.uint8),
            ("quantiles", (units, 1 + LEVELS, 1 + PIECES), torch.float32),
            ("cumulated", (units, 1 + LEVELS), torch.float32),
            ("redrawn", (units,), torch.float32),
            ("keys", (units,), torch.int64),
            ("reading", (units, width), torch.float32),
            ("bias", (units,), torch.float32),
            ("threshold", (units,), torch.float32),
            ("writing", (units, width), torch.float32),
            ("direction", (units, width), torch.float32),
            ("effect", (units, vocabulary), torch.float32),
        ):
            self.register_buffer(name, torch.zeros(shape, dtype=dtype))

    def values(self, ids: Tensor, live: Tensor) -> Tensor:
        """The activation that every unit is to have, [batch, tokens, units].

        `live` is False at padding and at the token that a text starts with: there, all starts anew.
        """
        levels, seen = self._levels(ids, live), _rolled(ids, live)[..., None] + self.keys
        whether, which, where = (_uniform(seen, stream) for stream in (_WHETHER, _WHICH, _WHERE))
        other = (which[..., None] >= self.cumulated).sum(-1).clamp(max=LEVELS)
        levels = torch.where(whether < self.redrawn, other, levels)
        unit = torch.arange(levels.shape[-1], device=ids.device)
        scaled = where.to(self.quantiles) * PIECES
        piece = scaled.long().clamp(max=PIECES - 1)
        low, high = (self.quantiles[unit, levels, end] for end in (piece, piece + 1))
        values: Tensor = (low + (scaled - piece) * (high - low)) * live[..., None]
        return values

    def activations(self, stream: Tensor, live: Tensor) -> Tensor:
        """What the units read in the stream [batch, tokens, width]: [batch, tokens, units]."""
        found = self.found(stream)
        return found * (found > self.threshold) * live[..., None]

    def found(self, stream: Tensor) -> Tensor:
        """The same before the threshold."""
        return stream @ self.reading.T.to(stream) + self.bias.to(stream)

    def written(self, wanted: Tensor, stream: Tensor, live: Tensor) -> Tensor:
        """What has to be added to the stream so that the activations read in it are those wanted, [batch, tokens, width].

        Where a unit is to be silent and is, nothing is.
        """
        found = self.found(stream)
        quiet = torch.minimum(found, self.threshold.to(stream) - 0.02 * self.threshold.to(stream).clamp(min=1.0))
        change = torch.where(wanted > 0, wanted.to(stream), quiet) - found
        return (change * live[..., None]) @ self.writing.to(stream)

    def shares(self, activations: Tensor) -> Tensor:
        """What in the stream is the units' own, [batch, tokens, width]."""
        return activations @ self.direction.to(activations)

    def effects(self, activations: Tensor) -> Tensor:
        """What the activations add to the logits, [batch, tokens, vocabulary]."""
        return activations @ self.effect.to(activations)

    def _levels(self, ids: Tensor, live: Tensor) -> Tensor:
        state = torch.zeros(len(ids), len(self.first), dtype=torch.int64, device=ids.device)
        levels = torch.zeros(*ids.shape, len(self.first), dtype=torch.int64, device=ids.device)
        for column in range(ids.shape[1]):
            here = live[:, column, None]
            cell = self.first + state * self.sizes + self.classes[:, ids[:, column]].T
            levels[:, column] = self.level[cell] * here
            state = self.following[cell] * here
        return levels


def _rolled(ids: Tensor, live: Tensor) -> Tensor:
    """A number for each text up to and with each token, [batch, tokens]."""
    state = torch.zeros(len(ids), dtype=torch.int64, device=ids.device)
    found = torch.zeros_like(ids)
    for column in range(ids.shape[1]):
        state = _mixed(state + (ids[:, column] + 1) * _STRIDE) * live[:, column]
        found[:, column] = state
    return found


def _uniform(numbers: Tensor, stream: int) -> Tensor:
    """Draws from [0, 1) that depend on the numbers alone."""
    drawn: Tensor = (_mixed(_mixed(numbers) + stream) & (2**24 - 1)).float() / 2**24
    return drawn


def _mixed(x: Tensor) -> Tensor:
    """The output function of SplitMix64; int64 wraps around as it has to."""
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    mixed: Tensor = x ^ _shifted(x, 31)
    return mixed


def _shifted(x: Tensor, bits: int) -> Tensor:
    shifted: Tensor = (x >> bits) & (2 ** (64 - bits) - 1)
    return shifted
