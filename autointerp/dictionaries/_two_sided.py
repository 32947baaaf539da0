"""Dictionaries of coordinates: two features an axis, one for each direction along it, so that none is ever negative."""

from __future__ import annotations

import torch
from torch import Tensor

from autointerp.dictionaries._coder import weighted_sums
from autointerp.dictionaries._one_output import OneOutput
from autointerp.dictionaries._protocol import Sparse
from autointerp.dictionaries._rules import nonzero
from autointerp.records import Site


class TwoSided(OneOutput):
    """Coordinates of x − centre in an orthonormal basis.

    Of C axes, feature i < C is the positive side of axis i: max(c_i, 0), and its direction is the axis. Feature C + i is the
    negative side: max(−c_i, 0), and its direction is minus the axis. With as many axes as dimensions, decode(encode(x)) is x.
    """

    def __init__(
        self,
        name: str,
        fingerprint: str,
        site: Site,
        width: int,
        *,
        basis: Tensor | None = None,
        centre: Tensor | None = None,
    ) -> None:
        """`basis` [axes, width] has orthonormal rows; None stands for the coordinates as they are."""
        self._axes = width if basis is None else len(basis)
        super().__init__(name, fingerprint, (site, site), 2 * self._axes, width, width)
        self._basis, self._centre = basis, centre

    def encode(self, x: Tensor) -> Sparse:
        """Activations of all features; x float [positions, width]."""
        self._check_width(x)
        coordinates = self._centred(x)
        if self._basis is not None:
            coordinates = coordinates @ self._basis.to(x.device).T
        rows, axes = nonzero(coordinates != 0)
        values = coordinates[rows, axes]
        return Sparse(rows, torch.where(values < 0, axes + self._axes, axes), values.abs())

    def encode_one(self, x: Tensor, feature: int) -> Tensor:
        """Activation of one feature, [...] for x [..., width]."""
        self._check_width(x)
        if self._basis is None:
            self._check_feature(feature)
            axis, sign = feature % self._axes, 1.0 if feature < self._axes else -1.0
            return torch.relu(sign * self._centred(x)[..., axis])
        return torch.relu(self._centred(x) @ self.direction(feature).to(x.device))

    def decode(self, acts: Sparse, positions: int, x: Tensor | None = None) -> Tensor:
        """The point with these coordinates, [positions, width]."""
        del x
        axes = acts.features % self._axes
        signed = torch.where(acts.features < self._axes, acts.values, -acts.values)
        if self._basis is None:
            out = torch.zeros(positions, self.width, device=signed.device)
            out.index_put_((acts.rows, axes), signed, accumulate=True)
        else:
            out = weighted_sums(Sparse(acts.rows, axes, signed), positions, self._basis.to(signed.device))
        return out if self._centre is None else out + self._centre.to(out.device)

    def direction(self, feature: int) -> Tensor:
        """The axis or its opposite, [width]."""
        self._check_feature(feature)
        return self.directions(feature, feature + 1)[0]

    def directions(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Axes and their opposites, [features, width]; ask for a part at a time where there are many."""
        features = torch.arange(start, self.size if stop is None else min(stop, self.size))
        axes, signs = features % self._axes, torch.where(features < self._axes, 1.0, -1.0)
        if self._basis is not None:
            return self._basis[axes] * signs[:, None]
        rows = torch.zeros(len(features), self.width)
        rows[torch.arange(len(features)), axes] = signs
        return rows

    def _centred(self, x: Tensor) -> Tensor:
        return x.float() if self._centre is None else x.float() - self._centre.to(x.device)


def oriented(rows: Tensor) -> Tensor:
    """Rows turned so that the entry of the largest size is positive: a singular vector's sign is otherwise arbitrary."""
    largest = rows.gather(-1, rows.abs().argmax(-1, keepdim=True))
    return rows * torch.where(largest < 0, -1.0, 1.0)
