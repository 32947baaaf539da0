"""Whether the sites of a model are where its map says: what has to hold between the activations of one run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from autointerp.models._anatomy import Addition, Anatomy, Projection
from autointerp.records import Site, SiteKind

#: The largest error that rounding may make in float32, as a share of the activations' length.
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was measured.

    Attributes
    ----------
    claim: what has to hold.
    layer: at which layer; None for what is of no layer.
    error: by how much it is missed: the largest distance over all tokens, as a share of the length of the activations
        there. Not a number where activations are not finite.
    limit: the error up to which it counts as rounding.
    """

    claim: str
    layer: int | None
    error: float
    limit: float

    @property
    def name(self) -> str:
        """The claim and its layer."""
        return self.claim if self.layer is None else f"layer {self.layer}: {self.claim}"

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return self.error <= self.limit


def tolerance(dtype: torch.dtype) -> float:
    """The error that counts as rounding in a number format."""
    return max(_TOLERANCE, 8 * torch.finfo(dtype).eps)


def distance(found: Tensor, expected: Tensor) -> float:
    """The largest distance of two sets of vectors over all tokens, as a share of the expected one's length."""
    found, expected = found.double(), expected.double()
    lengths = expected.norm(dim=-1).clamp(min=torch.finfo(torch.float32).tiny)
    return float(((found - expected).norm(dim=-1) / lengths).max())


def additions(anatomy: Anatomy, module: nn.Module, seen: Mapping[Site, Tensor]) -> Iterator[Check]:
    """Check every sum of sites; `seen` are the activations of one run."""
    for rule in anatomy.additions:
        absent = rule.norm is not None and any(p.is_meta for p in module.get_submodule(rule.norm).parameters())
        if rule.total in seen and all(term in seen for term in rule.terms) and not absent:
            yield _addition(rule, module, seen)


def projections(anatomy: Anatomy, module: nn.Module, seen: Mapping[Site, Tensor]) -> Iterator[tuple[Projection, Check]]:
    """Check every layer that maps one site to another."""
    for rule in anatomy.projections:
        if rule.source in seen and rule.target in seen:
            mapped = apply(module, rule.path, seen[rule.source])
            after = "" if rule.norm is None else ", normed"
            mapped = mapped if rule.norm is None else apply(module, rule.norm, mapped)
            part = rule.path.rpartition(".")[2]
            claim = f"{rule.target.kind} = {rule.source.kind} through {part}{after}"
            yield rule, compare(claim, rule.target.layer, mapped, seen[rule.target])


def pattern(anatomy: Anatomy, layer: int, seen: Mapping[Site, Tensor]) -> Iterator[Check]:
    """Check that a pattern's rows sum to one, and that the values mixed with it are what leaves the heads."""
    weights, values, mixed = (
        seen.get(Site(layer=layer, kind=k)) for k in (SiteKind.PATTERN, SiteKind.V, SiteKind.HEAD_OUT)
    )
    if weights is None:
        return
    totals = weights.sum(-1)
    yield compare("pattern sums to 1", layer, totals, torch.ones_like(totals))
    clipped = getattr(anatomy.points.get(Site(layer=layer, kind=SiteKind.V)), "overwritten", False)
    if values is None or mixed is None or clipped:
        return
    heads = mixed.unflatten(-1, (weights.shape[1], -1))
    shared = values.unflatten(-1, (-1, heads.shape[-1])).transpose(1, 2)
    expected = weights @ shared.repeat_interleave(weights.shape[1] // shared.shape[1], dim=1)
    yield compare("head_out = pattern × v", layer, heads, expected.transpose(1, 2))


def head(anatomy: Anatomy, module: nn.Module, final: Tensor | None, logits: Tensor | None) -> Iterator[Check]:
    """Check that the head maps the final site to the logits."""
    if anatomy.unembed is None or final is None or logits is None:
        return
    mapped = apply(module, anatomy.unembed, final)
    if anatomy.softcap is not None:
        mapped = anatomy.softcap * torch.tanh(mapped / anatomy.softcap)
    yield compare(f"logits = final through {anatomy.unembed.rpartition('.')[2]}", None, mapped, logits)


def apply(module: nn.Module, path: str, x: Tensor) -> Tensor:
    """What a part of a model makes of a vector."""
    part = module.get_submodule(path)
    where = next(part.parameters(), x)
    with torch.no_grad():
        result: Tensor = part(x.to(where.device, where.dtype))
    return result


def weight_of(module: nn.Module) -> Tensor | None:
    """The matrix [outputs, inputs] of a layer that is affine, or None."""
    if isinstance(module, nn.Linear):
        return module.weight.detach()
    if isinstance(module, Conv1D):
        weight: Tensor = module.weight.detach().T
        return weight
    return None


def folded(norm: nn.Module, weight: Tensor) -> Tensor | None:
    """The matrix [outputs, width] for vectors that go through `norm` first, but for the division by their length there.

    What a norm multiplies by, and whether it takes the mean away, is found by trying it out; None for a module that is no
    such norm. Holds for LayerNorm (Ba et al., 2016), RMSNorm (Zhang & Sennrich, 2019) and their variants.
    """
    flat = torch.ones(weight.shape[1], dtype=torch.float64, device=weight.device)
    sign = torch.cumprod(-flat, 0)
    balanced = sign - sign.mean()
    ramp = torch.linspace(-1.0, 2.0, len(flat), dtype=torch.float64, device=weight.device)
    exact = deepcopy(norm).double().to(weight.device)

    def scaled(x: Tensor) -> Tensor:
        # So long that the epsilon in the norm does not count.
        result: Tensor = exact(1e4 * x) - exact(torch.zeros_like(x))
        return result

    with torch.no_grad():
        try:
            gain = scaled(balanced) * balanced.square().mean().sqrt() / balanced
            centred = not torch.allclose(scaled(flat), gain, rtol=1e-3, atol=1e-6)
            left = ramp - ramp.mean() if centred else ramp
            fits = torch.allclose(scaled(ramp), gain * left / left.square().mean().sqrt(), rtol=1e-3, atol=1e-5)
        except RuntimeError:
            return None
    if not fits:
        return None
    result = weight * gain.to(weight.dtype)
    return result - result.mean(dim=1, keepdim=True) if centred else result


def _addition(rule: Addition, module: nn.Module, seen: Mapping[Site, Tensor]) -> Check:
    expected = seen[rule.total]
    terms = " + ".join(term.kind for term in rule.terms)
    terms = terms if rule.norm is None else f"norm({terms})"
    claim, layer = f"{rule.total.kind} = {terms}", rule.total.layer
    if any(seen[term].shape != expected.shape for term in rule.terms):
        return Check(claim, layer, math.inf, tolerance(expected.dtype))
    total = sum((seen[term] for term in rule.terms[1:]), start=seen[rule.terms[0]])
    return compare(claim, layer, total if rule.norm is None else apply(module, rule.norm, total), expected)


def compare(claim: str, layer: int | None, found: Tensor, expected: Tensor) -> Check:
    """How far two readings that have to be the same are apart."""
    error = distance(found, expected) if found.shape == expected.shape else math.inf
    return Check(claim, layer, error, tolerance(expected.dtype))
