"""Where each variable of a causal model goes: its layer, its head or MLP, its directions of the residual stream."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autointerp.eval.organisms.rasp._causal import Attend, CausalModel, Given, Lookup, Standby, Variable, Vote
from autointerp.eval.organisms.rasp._language import Encoding
from autointerp.eval.organisms.rasp._weights import Floats

#: The first direction of the stream says "this is BOS".
BOS_DIRECTION = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest model that a program may become."""

    width: int = 256
    layers: int = 12
    heads: int = 8
    neurons: int = 1024
    head_width: int = 128


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a model's variables in a transformer.

    Attributes
    ----------
    layers: layer of each variable that a head or an MLP computes.
    directions: first and one-past-last direction of each variable in the residual stream.
    """

    model: CausalModel
    depth: int
    layers: dict[str, int]
    directions: dict[str, tuple[int, int]]
    width: int

    def heads(self, layer: int) -> list[Attend]:
        """The variables that heads of a layer compute."""
        return [v for v in self.model.variables if isinstance(v, Attend) and self.layers[v.name] == layer]

    def lookups(self, layer: int) -> list[Lookup | Vote | Standby]:
        """The variables that the MLP of a layer computes."""
        return [
            v for v in self.model.variables if isinstance(v, Lookup | Vote | Standby) and self.layers[v.name] == layer
        ]

    def write(self, variable: Variable) -> Floats:
        """What each value adds to the stream, [values, width]."""
        start, stop = self.directions[variable.name]
        written = np.zeros((len(variable.values), self.width))
        if variable.encoding is Encoding.NUMERICAL:
            written[:, start] = [float(value) for value in variable.values]
        else:
            written[:, start:stop] = np.eye(len(variable.values))
        return written

    def read(self, variable: Variable) -> Floats:
        """Linear functions of the stream that give a variable back: [values or 1, width], zero on BOS.

        BOS holds the same vector for every input, so what lies in a variable's directions there is known, and subtracted.
        """
        start, stop = self.directions[variable.name]
        reading = np.zeros((stop - start, self.width))
        reading[:, start:stop] = np.eye(stop - start)
        if isinstance(variable, Attend):
            # A share is all of BOS's own attention: 1, which its values begin with.
            at_bos = 0 if variable.source is None else variable.default
            reading[:, BOS_DIRECTION] -= self.write(variable)[at_bos, start:stop]
        return reading


def lay_out(model: CausalModel) -> Layout:
    """Give each variable the first layer in which all that it is computed from is there.

    A layer is attention and then an MLP, so an MLP's variable may share the layer of a head that it reads.
    """
    # Counted in sublayers: -1 for the embedding, even numbers for attention, odd ones for MLPs.
    when: dict[str, int] = {}
    directions: dict[str, tuple[int, int]] = {}
    width = BOS_DIRECTION + 1
    for variable in model.variables:
        after = max((when[parent] for parent, _ in variable.parents), default=-1) + 1
        is_mlp = isinstance(variable, Lookup | Vote | Standby)
        when[variable.name] = -1 if isinstance(variable, Given) else after + (after + is_mlp) % 2
        size = 1 if variable.encoding is Encoding.NUMERICAL else len(variable.values)
        directions[variable.name] = (width, width + size)
        width += size
    layers = {name: sublayer // 2 for name, sublayer in when.items() if sublayer >= 0}
    return Layout(model, max(layers.values(), default=0) + 1, layers, directions, width)
