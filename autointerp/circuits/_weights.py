"""How each part of a model reads the residual stream and writes to it, from the model's own modules and checked on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from autointerp.circuits._scaling import Norm, Scaling, scaling_of
from autointerp.errors import ModelError
from autointerp.models import Columns, Point, Subject
from autointerp.records import Site, SiteKind

#: Of the largest activation: by how much a norm that is tried may miss what the model computed.
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A linear map of the normed stream, cut into heads: weight [heads, head width, width], bias [heads, head width]."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        """x [rows, heads, tokens, width], a stream for each head, to [rows, tokens, heads × head width]."""
        found = torch.einsum("rhtd,hed->rthe", x, self.weight)
        return (found if self.bias is None else found + self.bias).flatten(2)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """How one layer reads and writes.

    `written` [heads, head width, width] is what a head's output adds to the stream, None where a norm comes after the sum.
    `scaling` and `mlp_scaling` are the formulas of the norms, None where they are not known.
    """

    norm: Norm
    q: Projection
    k: Projection
    v: Projection
    mlp_norm: Norm
    parallel: bool
    written: Tensor | None
    scaling: Scaling | None
    mlp_scaling: Scaling | None

    @property
    def readers(self) -> Tensor:
        """What all queries, keys and values make of the normed stream, [targets, head width, width]."""
        return torch.cat([one.weight for one in self.projections.values()])

    @property
    def folded(self) -> Tensor:
        """The same with the weight of the norm in it; the norm has to have a formula."""
        assert self.scaling is not None
        return self.readers * self.scaling.weight

    def projected(self, streams: Tensor) -> dict[SiteKind, Tensor]:
        """Queries, keys and values [rows, tokens, heads × head width] of a stream for each, [rows, targets, tokens, width]."""
        scaling, found, first = self.scaling, {}, 0
        if scaling is None:
            normed = self.norm(streams)
        else:
            # Dividing behind the weights spares passes over streams, of which there are as many as targets.
            core = scaling.core(streams)
            spread = scaling.spread(core)
            normed = torch.einsum("rhtd,hed->rhte", core, self.folded).div_(spread[..., None])
        for kind, one in self.projections.items():
            some = normed[:, first : first + len(one.weight)]
            if scaling is None:
                found[kind] = one(some)
            else:
                offset = one.weight @ scaling.bias
                offset = offset if one.bias is None else offset + one.bias
                found[kind] = (some + offset[:, None]).transpose(1, 2).flatten(2)
            first += len(one.weight)
        return found

    @property
    def mlp_bare(self) -> bool:
        """Whether the MLP reads the stream as it is."""
        return self.mlp_norm is identity

    @property
    def projections(self) -> dict[SiteKind, Projection]:
        """By kind of site."""
        return {SiteKind.Q: self.q, SiteKind.K: self.k, SiteKind.V: self.v}


def identity(x: Tensor) -> Tensor:
    """What stands where there is no norm."""
    return x


def head_counts(subject: Subject) -> list[int]:
    """How many heads each layer has. Raises ModelError for a model whose heads cannot be counted."""
    sites = [Site(layer=layer, kind=SiteKind.PATTERN) for layer in range(subject.layers)]
    if set(sites) <= set(subject.sites()):
        seen = subject.run(torch.tensor([subject.probe]), capture=sites).sites
        return [seen[site].shape[1] for site in sites]
    config: Any = getattr(subject.module, "config", None)
    text = config.get_text_config() if hasattr(config, "get_text_config") else None
    count = getattr(text, "num_attention_heads", None)
    if count is None:
        raise ModelError(f"{subject.name} does not say how many heads it has: give Subject.wrap a pattern site")
    return [int(count)] * subject.layers


def read_layers(subject: Subject) -> list[Layer]:
    """Every layer of a model.

    Raises ModelError where the model lacks a site, a module does not do what it should, or a sum of sites did not hold when
    the model was loaded.
    """
    kinds = (SiteKind.RESID_PRE, SiteKind.Q, SiteKind.K, SiteKind.V, SiteKind.HEAD_OUT, SiteKind.ATTN_OUT)
    needed = [
        Site(layer=layer, kind=kind)
        for layer in range(subject.layers)
        for kind in (*kinds, SiteKind.MLP_IN, SiteKind.MLP_OUT, SiteKind.RESID_POST)
    ]
    if missing := set(needed) - set(subject.sites()):
        lowest = min(missing, key=str)
        raise ModelError(f"{subject.name} has no site {lowest}: its circuits cannot be cut into heads and MLPs")
    seen, inputs = _observe(subject, needed)
    counts = head_counts(subject)
    return [_layer(subject, layer, counts[layer], seen, inputs) for layer in range(subject.layers)]


def final_norm(subject: Subject) -> Norm:
    """What lies between the stream and the head."""
    path = subject.anatomy.norm
    norm: Norm = identity if path is None else subject.module.get_submodule(path)
    return norm


def final_scaling(subject: Subject, norm: Norm) -> Scaling | None:
    """The formula of that."""
    site = Site(layer=subject.layers - 1, kind=SiteKind.RESID_POST)
    return scaling_of(norm, subject.run(torch.tensor([subject.probe]), capture=[site]).sites[site][0])


def _layer(subject: Subject, layer: int, heads: int, seen: dict[Site, Tensor], inputs: dict[str, Tensor]) -> Layer:
    def at(kind: SiteKind) -> Site:
        return Site(layer=layer, kind=kind)

    def read(kind: SiteKind) -> Tensor:
        return seen[at(kind)]

    pre, mid = read(SiteKind.RESID_PRE), read(SiteKind.RESID_PRE) + read(SiteKind.ATTN_OUT)
    post = mid + read(SiteKind.MLP_OUT)
    if not _close(post, read(SiteKind.RESID_POST)):
        raise ModelError(
            f"{subject.name}: at layer {layer} resid_post is not resid_pre + attn_out + mlp_out, so no edge of a circuit means "
            "anything: correct the sites given to Subject.wrap"
        )
    size = read(SiteKind.HEAD_OUT).shape[-1] // heads
    normed = inputs[_path(subject, at(SiteKind.Q))]
    norm = _norm(subject, layer, pre, normed)
    q, k, v = (_projection(subject, at(kind), size) for kind in (SiteKind.Q, SiteKind.K, SiteKind.V))
    found = next(
        (
            (candidate, parallel)
            for parallel, stream in ((False, mid), (True, pre))
            for candidate in _candidates(subject, layer)
            if _close(_tried(candidate, stream), read(SiteKind.MLP_IN))
        ),
        None,
    )
    if norm is None or found is None:
        part = "attention" if norm is None else "the MLP"
        raise ModelError(f"{subject.name}: no norm of layer {layer} maps the residual stream to what {part} reads")
    width = read(SiteKind.HEAD_OUT).shape[-1]
    written = subject.to_residual(at(SiteKind.HEAD_OUT), torch.eye(width, device=pre.device, dtype=pre.dtype))
    cut = None if written is None else written.detach().unflatten(0, (heads, size))
    mlp_norm, parallel = found
    read_by_mlp = (pre if parallel else mid)[0]
    return Layer(norm, q, k, v, mlp_norm, parallel, cut, scaling_of(norm, pre[0]), scaling_of(mlp_norm, read_by_mlp))


def _norm(subject: Subject, layer: int, stream: Tensor, read: Tensor) -> Norm | None:
    return next((c for c in _candidates(subject, layer) if _close(_tried(c, stream), read)), None)


def _candidates(subject: Subject, layer: int) -> Iterable[Norm]:
    """What may lie before attention or MLP: nothing, or a norm in the block."""
    yield identity
    block = subject.module.get_submodule(subject.anatomy.blocks[layer])
    for child in block.modules():
        if isinstance(child, nn.LayerNorm | nn.RMSNorm) or "norm" in type(child).__name__.lower():
            yield child


def _tried(norm: Norm, x: Tensor) -> Tensor | None:
    try:
        with torch.no_grad():
            found: Tensor = norm(x)
        return found
    except RuntimeError:
        # A norm of another width, such as that of queries.
        return None


def _close(found: Tensor | None, wanted: Tensor) -> bool:
    if found is None or found.shape != wanted.shape:
        return False
    return bool((found - wanted).abs().max() <= _TOLERANCE * wanted.abs().max().clamp(min=1e-6))


def _path(subject: Subject, site: Site) -> str:
    point = subject.anatomy.points[site]
    if not isinstance(point, Point | Columns) or getattr(point, "end", "output") != "output":
        raise ModelError(f"{subject.name} has {site} at {point}, which is not what a layer puts out")
    return point.module


def _projection(subject: Subject, site: Site, size: int) -> Projection:
    """The weights behind queries, keys or values. Raises ModelError where no linear layer computes them."""
    point = subject.anatomy.points[site]
    module = subject.module.get_submodule(_path(subject, site))
    if isinstance(module, nn.Linear):
        weight = module.weight.detach()
    elif isinstance(module, Conv1D):
        weight = module.weight.detach().T
    else:
        raise ModelError(f"{subject.name} computes {site} by a {type(module).__name__}, not by a linear layer")
    bias = None if module.bias is None else module.bias.detach()
    if isinstance(point, Columns):

        def cut(x: Tensor) -> Tensor:
            columns: Tensor = x.unflatten(0, (point.groups, -1))[:, point.start : point.stop].flatten(0, 1)
            return columns

        weight, bias = cut(weight), None if bias is None else cut(bias)
    return Projection(weight.unflatten(0, (-1, size)), None if bias is None else bias.unflatten(0, (-1, size)))


def _observe(subject: Subject, sites: list[Site]) -> tuple[dict[Site, Tensor], dict[str, Tensor]]:
    """One run over the probe: activations by site, and what the modules that compute queries read, by path."""
    paths = {_path(subject, site) for site in sites if site.kind is SiteKind.Q}
    with _watching(subject.module, paths) as inputs:
        seen = subject.run(torch.tensor([subject.probe]), capture=sites).sites
    if absent := sorted(paths - inputs.keys()):
        raise ModelError(f"{subject.name}: a forward pass does not come by {absent[0]}")
    return seen, inputs


@contextmanager
def _watching(module: Any, paths: Iterable[str]) -> Iterator[dict[str, Tensor]]:
    """The first inputs of some modules, filled in while the context is open."""
    inputs: dict[str, Tensor] = {}

    def watch(path: str) -> Any:
        def hook(_: Any, arguments: tuple[Any, ...]) -> None:
            inputs[path] = arguments[0].detach().clone()

        return module.get_submodule(path).register_forward_pre_hook(hook)

    handles = [watch(path) for path in paths]
    try:
        yield inputs
    finally:
        for handle in handles:
            handle.remove()
