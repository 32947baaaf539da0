"""The same computation in other coordinates: what a compiled model is put through so that it gives less away.

All of it is exact except the noise and the squeeze, which are knobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from autointerp.eval.organisms.rasp._causal import Attend
from autointerp.eval.organisms.rasp._compile import SPECIAL, Compiled
from autointerp.eval.organisms.rasp._language import Encoding, Value
from autointerp.eval.organisms.rasp._layout import BOS_DIRECTION, lay_out
from autointerp.eval.organisms.rasp._weights import Floats, Head, Neurons, Weights


@dataclass(frozen=True, slots=True)
class Disguise:
    """How far from its compiled form a model is put.

    Attributes
    ----------
    squeeze: the width of the stream, as a part of what still holds every variable without loss.
    noise: standard deviation of what is added to each weight, in units of the root mean square of those of its unit.
    spare_heads, spare_neurons: components a layer that belong to no variable; neurons as a part of those that do.
    """

    squeeze: float = 1.0
    noise: float = 0.0
    spare_heads: int = 1
    spare_neurons: float = 0.25


def renamed(compiled: Compiled, names: Mapping[Value, Value]) -> Compiled:
    """Other tokens in the place of those in `names`, in the model and in the truth alike."""
    texts = {str(old): str(new) for old, new in names.items()}
    strings = tuple(texts.get(text, text) for text in compiled.strings)
    return replace(compiled, model=compiled.model.renamed(names), strings=strings)


def shuffled(compiled: Compiled, random: np.random.Generator) -> Compiled:
    """Another order of token ids, directions of the stream, heads and neurons."""
    ids = np.r_[: len(SPECIAL), len(SPECIAL) + random.permutation(len(compiled.strings) - len(SPECIAL))]
    renumbered = replace(
        compiled,
        strings=tuple(compiled.strings[i] for i in ids),
        weights=replace(
            compiled.weights, tokens=compiled.weights.tokens[ids], unembedding=compiled.weights.unembedding[ids]
        ),
    )
    turn = np.eye(compiled.weights.stream)[random.permutation(compiled.weights.stream)]
    return _rebased(_reordered(renumbered, random), turn, turn.T, np.zeros(len(turn)))


def disguised(compiled: Compiled, disguise: Disguise, random: np.random.Generator) -> Compiled:
    """Rotate the stream and the insides of heads, let directions share dimensions, add idle components and noise.

    A one-hot variable of n values loses nothing in n - 1 dimensions, as the corners of a simplex; `squeeze` below 1 goes
    further, and then every variable reads a little of all the others.

    Call it on a model as the compiler made it, before any `shuffled`: the directions are those of its layout.
    """
    into, back, shift = _superposition(compiled)
    narrow = into.shape[1]
    width = max(2, round(disguise.squeeze * narrow))
    turn = _rotation(narrow, random)[:, :width]
    wide = _with_spares(_rebased(compiled, into @ turn, turn.T @ back, shift), disguise, random)
    return _noisy(_reordered(_turned_inside(wide, random), random), disguise.noise, random)


def rotated(compiled: Compiled, random: np.random.Generator) -> Compiled:
    """A disguise that costs nothing: another order of everything, and rotations of the stream and of the insides of heads.

    What is written into the stream is zero where it was, so that zero ablation does what it did.
    """
    turn = _rotation(compiled.weights.stream, random)
    return _turned_inside(_rebased(shuffled(compiled, random), turn, turn.T, np.zeros(len(turn))), random)


def _superposition(compiled: Compiled) -> tuple[Floats, Floats, Floats]:
    """Matrices into a narrower stream and back, and a shift, such that x = (x @ into) @ back + shift for what occurs."""
    layout = lay_out(compiled.model)
    narrow = 1 + sum(1 if v.encoding is Encoding.NUMERICAL else len(v.values) - 1 for v in layout.model.variables)
    into, back, shift = np.zeros((layout.width, narrow)), np.zeros((narrow, layout.width)), np.zeros(layout.width)
    into[BOS_DIRECTION, 0] = back[0, BOS_DIRECTION] = 1.0
    at = 1
    for variable in layout.model.variables:
        start, stop = layout.directions[variable.name]
        if variable.encoding is Encoding.NUMERICAL:
            into[start, at] = back[at, start] = 1.0
            at += 1
            continue
        count = stop - start
        corners = _sum_zero_basis(count)
        into[start:stop, at : at + count - 1] = corners
        back[at : at + count - 1, start:stop] = corners.T
        shift[start:stop] = 1.0 / count
        if not isinstance(variable, Attend):
            # Only a head writes a value on BOS: there the others add up to 0, not to 1.
            back[0, start:stop] = -1.0 / count
        at += count - 1
    return into, back, shift


def _sum_zero_basis(count: int) -> Floats:
    """Orthonormal columns whose entries add up to zero, [count, count - 1] (Helmert's)."""
    basis = np.zeros((count, count - 1))
    for column in range(count - 1):
        basis[: column + 1, column] = 1.0
        basis[column + 1, column] = -(column + 1.0)
    norms: Floats = np.linalg.norm(basis, axis=0, keepdims=True)
    return basis / norms


def _rotation(size: int, random: np.random.Generator) -> Floats:
    q, r = np.linalg.qr(random.standard_normal((size, size)))
    rotation: Floats = q * np.sign(np.diag(r))
    return rotation


def _rebased(compiled: Compiled, into: Floats, back: Floats, shift: Floats) -> Compiled:
    """The model on the stream h = x @ into; whatever read x now reads h @ back + shift."""
    weights = compiled.weights

    def head(h: Head) -> Head:
        return Head(
            q=h.q @ back.T,
            q_bias=h.q_bias + h.q @ shift,
            k=h.k @ back.T,
            k_bias=h.k_bias + h.k @ shift,
            v=h.v @ back.T,
            v_bias=h.v_bias + h.v @ shift,
            o=into.T @ h.o,
        )

    changed = Weights(
        tokens=weights.tokens @ into,
        positions=weights.positions @ into,
        heads=[[head(h) for h in row] for row in weights.heads],
        neurons=[Neurons(n.up @ back.T, n.bias + n.up @ shift, into.T @ n.down) for n in weights.neurons],
        # The head over the vocabulary has no bias: all the output's logits lose the same constant.
        unembedding=weights.unembedding @ back.T,
    )
    return replace(compiled, weights=changed, codes={name: code @ into for name, code in compiled.codes.items()})


def _reordered(compiled: Compiled, random: np.random.Generator) -> Compiled:
    """Heads and neurons of each layer in another order."""
    weights, parts = compiled.weights, dict(compiled.parts)
    heads, neurons = [], []
    for layer, (row, units) in enumerate(zip(weights.heads, weights.neurons, strict=True)):
        order, by_unit = random.permutation(len(row)), random.permutation(len(units.bias))
        heads.append([row[i] for i in order])
        neurons.append(Neurons(units.up[by_unit], units.bias[by_unit], units.down[:, by_unit]))
        moved = {"head": np.argsort(order), "mlp": np.argsort(by_unit)}
        for name, part in parts.items():
            if part.layer == layer:
                places = tuple(sorted(int(moved[part.kind][i]) for i in part.members))
                parts[name] = replace(part, members=places)
    return replace(compiled, weights=replace(weights, heads=heads, neurons=neurons), parts=parts)


def _with_spares(compiled: Compiled, disguise: Disguise, random: np.random.Generator) -> Compiled:
    """Components that look at the stream as the others do, and write nothing (but for the noise to come).

    The empty ones that make all layers alike become such components too.
    """
    weights = compiled.weights
    stream, width = weights.stream, len(weights.heads[0][0].q)
    busy = [head for row in weights.heads for head in row if head.o.any()]
    sizes = {name: float(np.mean([np.std(getattr(h, name)) for h in busy] or [1.0])) for name in ("q", "k", "v")}

    def idle_head() -> Head:
        drawn = {name: size * random.standard_normal((width, stream)) for name, size in sizes.items()}
        return replace(Head.zeros(width, stream), **drawn)

    def idle_neurons(count: int) -> Neurons:
        up, bias = random.standard_normal((count, stream)) * stream**-0.5, 0.5 * random.standard_normal(count)
        return replace(Neurons.zeros(count, stream), up=up, bias=bias)

    def filled(units: Neurons) -> Neurons:
        drawn, own = idle_neurons(len(units.bias)), np.abs(units.down).sum(axis=0) > 0
        up, bias = np.where(own[:, None], units.up, drawn.up), np.where(own, units.bias, drawn.bias)
        spare = int(np.ceil(disguise.spare_neurons * len(units.bias)))
        return Neurons.joined([Neurons(up, bias, units.down), idle_neurons(spare)])

    heads = [
        [*(head if head.o.any() else idle_head() for head in row), *(idle_head() for _ in range(disguise.spare_heads))]
        for row in weights.heads
    ]
    return replace(compiled, weights=replace(weights, heads=heads, neurons=[filled(n) for n in weights.neurons]))


def _turned_inside(compiled: Compiled, random: np.random.Generator) -> Compiled:
    """Rotate queries with keys and values with outputs, and move scale between the two sides of each neuron."""

    def head(h: Head) -> Head:
        match_, move = _rotation(len(h.q), random), _rotation(len(h.q), random)
        q, k, v = match_ @ h.q, match_ @ h.k, move @ h.v
        return Head(q, match_ @ h.q_bias, k, match_ @ h.k_bias, v, move @ h.v_bias, h.o @ move.T)

    def units(n: Neurons) -> Neurons:
        into, out = np.linalg.norm(np.c_[n.up, n.bias], axis=1), np.linalg.norm(n.down, axis=0)
        even = np.sqrt(np.divide(out, into, out=np.ones_like(out), where=(into > 0) & (out > 0)))
        scale = even * np.exp(0.3 * random.standard_normal(len(n.bias)))
        return Neurons(n.up * scale[:, None], n.bias * scale, n.down / scale)

    weights = compiled.weights
    heads = [[head(h) for h in row] for row in weights.heads]
    return replace(compiled, weights=replace(weights, heads=heads, neurons=[units(n) for n in weights.neurons]))


def _noisy(compiled: Compiled, noise: float, random: np.random.Generator) -> Compiled:
    def size(x: Floats, axis: int | None = None) -> Floats:
        root: Floats = np.sqrt(np.mean(x**2, axis=axis, keepdims=axis is not None)) if x.size else np.zeros(1)
        return root

    def add(x: Floats, sizes: Floats) -> Floats:
        noisy: Floats = x + noise * sizes * random.standard_normal(x.shape)
        return noisy

    def into(x: Floats, bias: Floats) -> tuple[Floats, Floats]:
        sizes = size(np.c_[x, bias], axis=1)
        return add(x, sizes), add(bias, sizes[:, 0])

    weights = compiled.weights
    # What writes nothing gets the noise of what does.
    from_heads = size(np.stack([head.o for row in weights.heads for head in row]))
    from_units = size(np.concatenate([units.down for units in weights.neurons], axis=1))

    def head(h: Head) -> Head:
        q, k, v = (into(getattr(h, name), getattr(h, f"{name}_bias")) for name in ("q", "k", "v"))
        return Head(*q, *k, *v, add(h.o, np.maximum(size(h.o), from_heads)))

    def units(n: Neurons) -> Neurons:
        return Neurons(*into(n.up, n.bias), add(n.down, np.maximum(size(n.down, axis=0), from_units)))

    changed = Weights(
        tokens=add(weights.tokens, size(weights.tokens)),
        positions=add(weights.positions, size(weights.positions)),
        heads=[[head(h) for h in row] for row in weights.heads],
        neurons=[units(n) for n in weights.neurons],
        unembedding=add(weights.unembedding, size(weights.unembedding)),
    )
    return replace(compiled, weights=changed)
