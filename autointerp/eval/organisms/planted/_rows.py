"""Encoder and decoder rows for new latents that are like those of the dictionary they join.

What a planted latent finds in the host's stream where it is silent varies as much as with others; only one that is active often
reads where the stream varies little, so that what it has to be there can be written with little change. The network reads and
writes all of them at once: no planted latent reads what another writes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autointerp.errors import OrganismError
from autointerp.eval.organisms.planted._host import Floats, Host

#: A planted latent takes up a direction of the stream that the host has to do without.
_MOST_OF_WIDTH = 4
#: A latent that is active more often than this reads where the stream varies little.
_OFTEN = 0.1
#: How much a direction favours where the stream varies little: the powers of the deviation that it is weighed with.
_POWERS = np.linspace(-1.5, 0.5, 17)
#: Rows of the dictionary that new ones are compared with.
_COMPARED = 2048


@dataclass(frozen=True, eq=False)
class Rows:
    """New latents: encoder and decoder [latents, width], b_enc and threshold [latents], as they will be in the files."""

    encoder: Floats
    decoder: Floats
    b_enc: Floats
    threshold: Floats

    def joined(self, other: Rows) -> Rows:
        """These, then others."""
        return Rows(
            *(
                np.concatenate([getattr(self, n), getattr(other, n)])
                for n in ("encoder", "decoder", "b_enc", "threshold")
            )
        )


class RowMaker:
    """Draws rows for one host."""

    def __init__(self, host: Host, random: np.random.Generator) -> None:
        self._host, self._source, self._random = host, host.source, random
        numbers = np.array([pattern.number for pattern in host.patterns])[:_COMPARED]
        self._numbers = numbers
        self._encoder, self._decoder = self._source.tensor("W_enc").T[numbers], self._source.tensor("W_dec")[numbers]
        self._encoding, self._decoding = _units(self._encoder), _units(self._decoder)
        self._nearest = [_nearest(rows) for rows in (self._encoding, self._decoding)]
        self._aligned = (self._encoding * self._decoding).sum(1)
        # What a latent finds on an average input is, with most, well below what it takes to be active.
        centre = host.stream.mean(0) - (self._source.tensor("b_dec") if self._source.centred else 0)
        self._centre = centre / max(float(np.linalg.norm(centre)), 1e-12)
        self._centring = self._encoding @ self._centre

    def planted(self, densities: Floats, *, modest: bool) -> Rows:
        """Latents that the network writes, active at these shares of positions; modest ones cost the host less.

        Raises OrganismError for more of them than the stream has room for.
        """
        count, width = len(densities), self._source.width
        if count > width // _MOST_OF_WIDTH:
            raise OrganismError(
                f"{count} latents are too many for a stream of width {width}, which has room for {width // _MOST_OF_WIDTH}:"
                " plant fewer"
            )
        low = (densities > _OFTEN) | modest
        like = self._random.integers(len(self._numbers), size=count)
        encoder, decoder = self._pairs(self._starts(low), np.where(low, 0.0, self._centring[like]))
        decoder = decoder + np.linalg.lstsq(encoder, np.eye(count) - encoder @ decoder.T, rcond=None)[0].T
        norms = np.linalg.norm(decoder, axis=1, keepdims=True)
        return self._finished(encoder * norms, decoder / norms, like)

    def noise(self, densities: Floats) -> Rows:
        """Random directions, active at these shares of the positions of the sample."""
        rows = self._random_rows(len(densities))
        found = self._host.stream @ rows.encoder.T + self._source.offsets(rows.encoder, np.zeros(len(densities)))
        levels = [np.quantile(column, 1 - density) for column, density in zip(found.T, densities, strict=True)]
        return self._with_bias(rows, rows.threshold - np.array(levels))

    def dead(self, count: int) -> Rows:
        """Rows like the others' with a bias that no input of the sample comes near to."""
        rows = self._random_rows(count)
        found = self._host.stream @ rows.encoder.T + self._source.offsets(rows.encoder, np.zeros(count))
        return self._with_bias(rows, rows.threshold - found.max(0) - 2 * np.ptp(found, axis=0))

    def _random_rows(self, count: int) -> Rows:
        like = self._random.integers(len(self._numbers), size=count)
        starts = _units(self._random.normal(size=(count, self._source.width)))
        return self._finished(*self._pairs(starts, self._centring[like]), like)

    def _with_bias(self, rows: Rows, b_enc: Floats) -> Rows:
        return Rows(rows.encoder, rows.decoder, self._source.rounded("b_enc", b_enc), rows.threshold)

    def _starts(self, low: NDArray[np.bool_]) -> Floats:
        """Directions along which the stream varies about as much as along the encoder rows of others, [latents, width].

        Where `low`, as little as along any.
        """
        values, vectors = np.linalg.eigh(np.cov(self._host.stream.T))
        deviations = np.sqrt(np.maximum(values, 1e-9))
        usual = np.linalg.norm(self._encoding @ (vectors * deviations), axis=1)
        found = []
        for wanted, least in zip(self._random.choice(usual, size=len(low)), low, strict=True):
            drawn = self._random.normal(size=len(values))
            weighed = _units(drawn * deviations ** _POWERS[:, None])
            off = np.abs(np.log(np.linalg.norm(weighed * deviations, axis=1) / wanted))
            found.append(vectors @ weighed[0 if least else int(off.argmin())])
        return np.stack(found)

    def _pairs(self, encoding: Floats, centring: Floats) -> tuple[Floats, Floats]:
        """Encoder and decoder rows from the directions that the encoder starts from, [latents, width]; e · d is 1 for each.

        `centring` is their cosine to the average input.
        """
        near, aligned, lengths = (self._random.integers(len(self._numbers), size=len(encoding)) for _ in range(3))
        cosines = [self._random.choice(nearest, size=len(encoding)) for nearest in self._nearest]
        encoding = _towards(encoding, self._encoding[near], cosines[0])
        encoding = _towards(encoding, np.broadcast_to(self._centre, encoding.shape), centring)
        # The decoder row: as close to the encoder row, and as close to another decoder row, as is usual.
        aligned = np.clip(self._aligned[aligned], 0.1, 0.99)
        across = np.sqrt(1 - aligned**2)
        other = self._decoding[near]
        along = (other * encoding).sum(1)
        rest, free = _without(other, encoding), _without(self._random.normal(size=encoding.shape), encoding)
        wanted = (cosines[1] - aligned * along) / across / np.maximum(np.linalg.norm(rest, axis=1), 1e-9)
        sideways = _towards(_units(free), _units(rest), np.clip(wanted, -0.95, 0.95))
        decoding = aligned[:, None] * encoding + across[:, None] * sideways
        norms = np.linalg.norm(self._decoder[lengths], axis=1)
        return encoding / (aligned * norms)[:, None], decoding * norms[:, None]

    def _finished(self, encoder: Floats, decoder: Floats, like: NDArray[np.int64]) -> Rows:
        norms = self._random.choice(np.linalg.norm(self._decoder, axis=1), size=len(decoder))[:, None]
        decoder = decoder / np.linalg.norm(decoder, axis=1, keepdims=True) * norms
        encoder = encoder / (encoder * decoder).sum(1, keepdims=True)
        like = self._numbers[like]
        return Rows(
            self._source.rounded("W_enc", encoder),
            self._source.rounded("W_dec", decoder),
            self._source.rounded("b_enc", self._source.tensor("b_enc")[like]),
            self._source.threshold[like],
        )


def _units(rows: Floats) -> Floats:
    found: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


def _without(rows: Floats, units: Floats) -> Floats:
    """Rows less their parts along units, row by row."""
    found: Floats = rows - (rows * units).sum(1, keepdims=True) * units
    return found


def _towards(units: Floats, others: Floats, cosines: Floats) -> Floats:
    """Units in the planes of units and others, at these cosines to the others."""
    rest = _units(_without(units, others))
    found: Floats = cosines[:, None] * others + np.sqrt(1 - cosines**2)[:, None] * rest
    return found


def _nearest(units: Floats) -> Floats:
    """The largest cosine of each row to another one."""
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1)
    found: Floats = cosines.max(1)
    return found
