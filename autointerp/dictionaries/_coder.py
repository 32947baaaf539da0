"""The computation that most file formats share: an affine encoder, an activation rule, an affine decoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from autointerp.dictionaries._normalise import Constant, Normalisation
from autointerp.dictionaries._one_output import OneOutput
from autointerp.dictionaries._protocol import Sparse
from autointerp.dictionaries._rules import Rule, Select
from autointerp.dictionaries._stored import Stored
from autointerp.errors import DictionaryError
from autointerp.records import Site

_CHUNK = 512
_KEPT = 64
_TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a format reads out of its files, all in the files' own units.

    Activations are rule((x - b_dec) E' + b_enc), the output is activations D + b_dec + x S.

    Attributes
    ----------
    encoder, decoder: [features, width] E and [features, output width] D.
    b_enc, b_dec: [features] and [output width].
    centred: whether b_dec is subtracted from the input.
    unit_decoder: decoder rows are brought to unit norm and activations made larger by as much as the rows were.
    decoder_gain: by which decoder rows are multiplied, [features]: activations are not affected.
    skip: S [width, output width], past the features.
    input_gain: what the input is divided by before anything else, [width].
    """

    encoder: Stored
    decoder: Stored
    rule: Rule
    b_enc: Stored | None = None
    b_dec: Stored | None = None
    centred: bool = False
    normalisation: Normalisation = field(default_factory=Constant)
    unit_decoder: bool = False
    decoder_gain: Stored | None = None
    skip: Stored | None = None
    input_gain: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Encoder:
    """A run of features ready to be computed: weights [width, features], biases and the rule."""

    weights: Tensor
    biases: Tensor
    select: Select


class Coder(OneOutput):
    """A dictionary whose weights lie in files. They are read when first needed: all at once, or one feature's alone."""

    def __init__(self, name: str, fingerprint: str, sites: tuple[Site, Site], parts: Parts) -> None:
        size, width = parts.encoder.shape
        super().__init__(name, fingerprint, sites, size, width, parts.decoder.shape[1])
        self._parts = parts
        self._encoders: dict[torch.device, _Encoder] = {}
        self._copies: dict[torch.device, Tensor] = {}
        self._singles: dict[tuple[int, int, torch.device], _Encoder] = {}

    def encode(self, x: Tensor) -> Sparse:
        """Activations of all features; x float [positions, width]. The first call takes the encoder in."""
        self._check_width(x)
        if x.device not in self._encoders:
            self._encoders[x.device] = self._encoder(0, self.size, x.device)
        encoder = self._encoders[x.device]
        return encoder.select(torch.addmm(encoder.biases, self._input(x), encoder.weights))

    def encode_one(self, x: Tensor, feature: int) -> Tensor:
        """Activation of one feature, [...] for x [..., width]; reads the weights of the features it competes with alone."""
        self._check_feature(feature)
        self._check_width(x)
        flat = x.reshape(-1, self.width)
        start, stop = self._parts.rule.rivals(feature, self.size)
        if (start, stop) == (0, self.size):
            found = [self.encode(rows) for rows in flat.split(_CHUNK)]
        else:
            encoder = self._single(start, stop, x.device)
            found = [
                encoder.select(torch.addmm(encoder.biases, self._input(rows), encoder.weights))
                for rows in flat.split(_CHUNK)
            ]
        acts = torch.zeros(len(flat), device=x.device)
        for place, part in enumerate(found):
            if stop - start == 1:
                acts[place * _CHUNK + part.rows] = part.values
                continue
            here = part.features == feature if stop - start == self.size else part.features == feature - start
            acts[place * _CHUNK + part.rows[here]] = part.values[here]
        return acts.view(x.shape[:-1])

    def decode(self, acts: Sparse, positions: int, x: Tensor | None = None) -> Tensor:
        """What the activations stand for, [positions, output_width]; x [positions, width] where the format needs it."""
        parts = self._parts
        if x is None and (parts.skip is not None or parts.normalisation.length is None):
            reason = "it has a connection past its features" if parts.skip is not None else "it normalises every input"
            raise DictionaryError(
                f"{self.name} cannot be decoded from activations alone, since {reason}: pass x as well"
            )
        out = weighted_sums(acts, positions, self._decoder_on(acts.values.device))
        if parts.b_dec is not None:
            out += self._bias.to(out.device) * (parts.normalisation.length or 1.0)
        if x is not None and parts.normalisation.length is None:
            offset = parts.normalisation.offset(x)
            out = out * parts.normalisation.scale(x)[:, None]
            out += offset[:, None] if isinstance(offset, Tensor) else offset
        if x is not None and parts.skip is not None:
            out += self._before_gain(x) @ self._skip.to(x.device)
        return out

    def direction(self, feature: int) -> Tensor:
        """The decoder row of a feature as it adds to the output, [output_width]."""
        self._check_feature(feature)
        if "_decoder" in self.__dict__:
            return self._decoder[feature].clone()
        return self._rows(self._parts.decoder, feature, feature + 1)[0]

    def directions(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Decoder rows, [features, output_width]."""
        stop = self.size if stop is None else min(stop, self.size)
        if "_decoder" in self.__dict__ or (start, stop) == (0, self.size):
            return self._decoder[start:stop]
        return self._rows(self._parts.decoder, start, stop)

    def scale(self, x: Tensor) -> Tensor:
        """One at every position, unless the dictionary normalises every input by itself."""
        if self._parts.normalisation.length is not None:
            return super().scale(x)
        return self._parts.normalisation.scale(x)

    def _before_gain(self, x: Tensor) -> Tensor:
        gain = self._parts.input_gain
        return x.float() if gain is None else x.float() / gain.to(x.device)

    def _input(self, x: Tensor) -> Tensor:
        """What the encoder's weights are applied to, [positions, width]."""
        x = self._parts.normalisation.prepare(self._before_gain(x))
        return x - self._bias.to(x.device) if self._parts.centred else x

    @cached_property
    def _bias(self) -> Tensor:
        assert self._parts.b_dec is not None
        return self._parts.b_dec.read()

    def _encoder(self, start: int, stop: int, device: torch.device) -> _Encoder:
        parts, everything = self._parts, stop - start == self.size
        part = parts.encoder.narrow(0, start, stop)
        weights = part.whole() if everything else part.read()
        biases = torch.zeros(stop - start) if parts.b_enc is None else parts.b_enc.narrow(0, start, stop).read()
        if parts.unit_decoder:
            norms = self._norms(start, stop)
            weights, biases = weights * norms[:, None], biases * norms
        return _Encoder(weights.to(device).T, biases.to(device), parts.rule.of(start, stop, device))

    def _single(self, start: int, stop: int, device: torch.device) -> _Encoder:
        """The encoder of few features: a part of the whole one where that is there, or else read and kept for a while."""
        if (whole := self._encoders.get(device)) is not None:
            select = self._parts.rule.of(start, stop, device)
            return _Encoder(whole.weights[:, start:stop], whole.biases[start:stop], select)
        key = (start, stop, device)
        if key not in self._singles:
            if len(self._singles) >= _KEPT:
                self._singles.pop(next(iter(self._singles)))
            self._singles[key] = self._encoder(start, stop, device)
        return self._singles[key]

    def _norms(self, start: int, stop: int) -> Tensor:
        """Norms of the decoder rows as the file has them, [features]."""
        part = self._parts.decoder.narrow(0, start, stop)
        values = part.whole() if stop - start == self.size else part.read()
        norms: Tensor = values.norm(dim=1)
        return norms

    @cached_property
    def _decoder(self) -> Tensor:
        return self._rows(self._parts.decoder, 0, self.size).contiguous()

    def _rows(self, decoder: Stored, start: int, stop: int) -> Tensor:
        """Rows of a decoder in the units of the output site, [features, output width]."""
        parts = self._parts
        part = decoder.narrow(0, start, stop)
        rows = part.whole() if stop - start == self.size else part.read()
        if parts.unit_decoder:
            rows = rows / self._norms(start, stop).clamp(min=_TINY)[:, None]
        if parts.decoder_gain is not None:
            rows = rows * parts.decoder_gain.narrow(0, start, stop).read()[:, None]
        length = parts.normalisation.length
        return rows if length is None or length == 1.0 else rows * length

    def _decoder_on(self, device: torch.device) -> Tensor:
        if device.type == "cpu":
            return self._decoder
        if device not in self._copies:
            self._copies[device] = self._decoder.to(device)
        return self._copies[device]

    @cached_property
    def _skip(self) -> Tensor:
        assert self._parts.skip is not None
        return self._parts.skip.whole()


def weighted_sums(acts: Sparse, positions: int, rows: Tensor) -> Tensor:
    """The sum of `rows` [features, width] that activations make of them at each position, [positions, width]."""
    if positions == 0 or len(acts.rows) == 0:
        return torch.zeros(positions, rows.shape[1], device=rows.device)
    starts = torch.searchsorted(acts.rows, torch.arange(positions, device=acts.rows.device))
    return F.embedding_bag(acts.features, rows, starts, mode="sum", per_sample_weights=acts.values)
