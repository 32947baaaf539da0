"""A program compiled: from expressions to a causal model, from there to places, from there to weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from autointerp.errors import OrganismError
from autointerp.eval.organisms.rasp._attention import compile_head, head_width, widened
from autointerp.eval.organisms.rasp._causal import Attend, CausalModel, Given
from autointerp.eval.organisms.rasp._language import Program
from autointerp.eval.organisms.rasp._layout import BOS_DIRECTION, Layout, Limits, lay_out
from autointerp.eval.organisms.rasp._lowering import lower
from autointerp.eval.organisms.rasp._votes import compile_units
from autointerp.eval.organisms.rasp._weights import Floats, Head, Neurons, Weights

#: The ids before those of a program's own tokens.
BOS, PAD, UNKNOWN = 0, 1, 2
SPECIAL = ("<bos>", "<pad>", "<unk>")
#: Logit of the answer; all others are 0.
_CONFIDENCE = 10.0


@dataclass(frozen=True, slots=True)
class Part:
    """The component that computes a variable: one head of a layer, or some units of its MLP, by number."""

    layer: int
    kind: str
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A causal model and the transformer that computes it.

    Attributes
    ----------
    strings: the text of each token id, special ones first.
    parts: the component of each variable that is not given by the input.
    codes: what each value of a given variable adds to the embedding, [values, stream].
    """

    model: CausalModel
    weights: Weights
    strings: tuple[str, ...]
    parts: dict[str, Part]
    codes: dict[str, Floats]


def compile_program(program: Program, limits: Limits | None = None, *, sharpness: float = 30.0) -> Compiled:
    """Compile a program to weights that compute it exactly on every input it is defined on.

    `sharpness` is how much higher a selected key scores than one that is not: e to the minus half of it is what leaks to the
    others.

    Raises OrganismError with all the reasons why a program cannot be compiled or is larger than `limits` (Tracr's pipeline,
    Lindner et al. 2023, with BOS kept constant instead of clean).
    """
    lowered = lower(program)
    return _compiled(program.name, lowered.model, list(lowered.reasons), limits, sharpness)


def compile_model(name: str, model: CausalModel, limits: Limits | None = None, *, sharpness: float = 30.0) -> Compiled:
    """Compile a causal model that no program stands for. Raises OrganismError as `compile_program` does."""
    return _compiled(name, model, [], limits, sharpness)


def _compiled(name: str, model: CausalModel, reasons: list[str], limits: Limits | None, sharpness: float) -> Compiled:
    strings = _strings(model)
    if doubles := sorted({s for s in strings if strings.count(s) > 1}):
        reasons.append(f"different values read alike as tokens: {', '.join(doubles)}")
    layout = lay_out(model)
    reasons += _too_large(layout, limits or Limits())
    if reasons:
        raise OrganismError(f"{name} cannot be compiled: {'; '.join(reasons)}")
    return assemble(layout, strings, sharpness)


def assemble(layout: Layout, strings: tuple[str, ...], sharpness: float) -> Compiled:
    """The weights of a layout."""
    model = layout.model
    parts: dict[str, Part] = {}
    heads: list[list[Head]] = []
    neurons: list[Neurons] = []
    for layer in range(layout.depth):
        row: list[Head] = []
        for variable in layout.heads(layer):
            parts[variable.name] = Part(layer, "head", (len(row),))
            row.append(compile_head(layout, variable, sharpness))
        heads.append(row)
        units: list[Neurons] = []
        for lookup in layout.lookups(layer):
            start = sum(len(part.bias) for part in units)
            units.append(compile_units(layout, lookup))
            parts[lookup.name] = Part(layer, "mlp", tuple(range(start, start + len(units[-1].bias))))
        neurons.append(Neurons.joined(units) if units else Neurons.zeros(0, layout.width))
    weights = _even(Weights(*_embeddings(layout, strings), heads, neurons, _unembedding(layout, strings)))
    codes = {v.name: layout.write(v) for v in model.variables if isinstance(v, Given)}
    return Compiled(model, weights, strings, parts, codes)


def _strings(model: CausalModel) -> tuple[str, ...]:
    values = dict.fromkeys((*model.vocabulary, *model[model.output].values))
    return (*SPECIAL, *map(str, values))


def _too_large(layout: Layout, limits: Limits) -> list[str]:
    """What a layout needs more of than is allowed."""
    widths = [head_width(layout, v) for v in layout.model.variables if isinstance(v, Attend)]
    needs = (
        ("residual dimensions", layout.width, limits.width),
        ("layers", layout.depth, limits.layers),
        ("heads in a layer", max(len(layout.heads(i)) for i in range(layout.depth)), limits.heads),
        ("dimensions in a head", max(widths, default=0), limits.head_width),
        (
            "neurons in a layer",
            max(sum(len(compile_units(layout, v).bias) for v in layout.lookups(i)) for i in range(layout.depth)),
            limits.neurons,
        ),
    )
    return [f"it needs {need} {what}, {most} are allowed" for what, need, most in needs if need > most]


def _embeddings(layout: Layout, strings: tuple[str, ...]) -> tuple[Floats, Floats]:
    model = layout.model
    tokens = np.zeros((len(strings), layout.width))
    positions = np.zeros((model.length + 1, layout.width))
    tokens[BOS, BOS_DIRECTION] = 1.0
    for variable in model.variables:
        if not isinstance(variable, Given):
            continue
        written = layout.write(variable)
        if variable.origin == "indices":
            positions[1:] += written
        for value, own in enumerate(model.vocabulary):
            if variable.origin != "indices":
                tokens[strings.index(str(own), len(SPECIAL))] += written[value if variable.origin == "tokens" else 0]
    return tokens, positions


def _unembedding(layout: Layout, strings: tuple[str, ...]) -> Floats:
    output = layout.model[layout.model.output]
    unembedding = np.zeros((len(strings), layout.width))
    for value, read in zip(output.values, layout.read(output), strict=False):
        unembedding[strings.index(str(value), len(SPECIAL))] = _CONFIDENCE * read
    return unembedding


def _even(weights: Weights) -> Weights:
    """The same number of heads and units in each layer, at least one, and one width for all heads."""
    width = max((len(head.q) for row in weights.heads for head in row), default=1)
    count = max(1, *(len(row) for row in weights.heads))
    units = max(1, *(len(part.bias) for part in weights.neurons))
    stream = weights.stream
    return replace(
        weights,
        heads=[
            [*(widened(head, width) for head in row), *(Head.zeros(width, stream) for _ in range(count - len(row)))]
            for row in weights.heads
        ],
        neurons=[Neurons.joined([p, Neurons.zeros(units - len(p.bias), stream)]) for p in weights.neurons],
    )
