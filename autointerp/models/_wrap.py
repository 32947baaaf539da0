"""Names for the places in a module that no adapter knows."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models._adapters import projections
from autointerp.models._anatomy import RESIDUAL, Addition, Anatomy, Call, Sum
from autointerp.models._architectures import adapters_for
from autointerp.models._checks import folded, weight_of
from autointerp.models._layout import Layout, Traced
from autointerp.models._open import context_of, ensure_sound
from autointerp.models._points import Point, SitePoint
from autointerp.models._survey import inspect_subject
from autointerp.models._vocabulary import Vocabulary, vocabulary_of
from autointerp.records import Site, SiteKind

if TYPE_CHECKING:
    from autointerp.models._subject import Subject

    S = TypeVar("S", bound=Subject)

_LAYER = "{layer}"
_UNLAYERED = (SiteKind.EMBED, SiteKind.FINAL)


@dataclass(frozen=True, slots=True)
class Wrapping:
    """The arguments of `Subject.wrap`."""

    sites: Mapping[Site | str, SitePoint | str] | None
    tokenizer: Any
    name: str | None
    logits: str | SitePoint | None
    norm: str | None
    sums: Sequence[Sum] | None
    causal: bool
    context: int | None
    bos: int | None
    suffix: tuple[int, ...]
    padding: int | None
    probe: Sequence[int] | None


def wrapped(cls: type[S], module: nn.Module, how: Wrapping) -> S:
    """See `Subject.wrap`."""
    module.eval()
    name = how.name or type(module).__name__
    anatomy, context = _known(module, name) if how.sites is None else (_described(module, how, name), how.context)
    vocabulary = _vocabulary(module, how, name, anatomy)
    probe = how.probe if how.probe is not None or how.tokenizer is not None else range(4)
    if how.sites is not None:
        ids = torch.tensor([[*(probe if probe is not None else vocabulary.encode("A probe.")), *how.suffix]])
        anatomy = replace(anatomy, points=_in_order(module, anatomy, ids, name))
        anatomy = replace(anatomy, blocks=_skippable(anatomy.points), projections=_projections(anatomy.points))
    subject = cls(
        Layout(name, Traced(module), anatomy),
        vocabulary,
        fingerprint=_fingerprint(module),
        context=min(context or sys.maxsize, how.context or sys.maxsize) - len(vocabulary.suffix),
        reason="where the wrapped module is",
        probe=None if probe is None else tuple(probe),
    )
    # Of the layers between sites it is only noted which do what the names promise: see `Survey.linear`.
    claims = [check for check in inspect_subject(subject) if " through " not in check.claim]
    ensure_sound(claims, name, "`sites` says, or `sums` or `causal` claims what this module does not do")
    subject.usage = type(subject.usage)()
    return subject


def _known(module: nn.Module, name: str) -> tuple[Anatomy, int]:
    """The map of a module of transformers whose class has an adapter."""
    config = getattr(module, "config", None)
    rows = adapters_for(str(getattr(config, "model_type", None)))
    if type(module).__name__ not in rows:
        raise ModelError(
            f"{name} is a {type(module).__name__}, for which there is no adapter: give Subject.wrap its sites"
        )
    adapter = rows[type(module).__name__]
    return adapter.anatomy(config), context_of(config, adapter)


def _described(module: nn.Module, how: Wrapping, name: str) -> Anatomy:
    """The map that the caller gives; the order of its points is not known yet."""
    points = dict(_points(module, how.sites or {}, name))
    logits = Point(how.logits) if isinstance(how.logits, str) else how.logits
    if not points and logits is None:
        raise ModelError(f"no sites of {name} were given: name one at least, such as resid_post")
    head = None if logits is None else _part(module, logits.module, name, "logits")
    if how.norm is not None:
        norm = _part(module, how.norm, name, "norm")
        weight = None if head is None else weight_of(head)
        if weight is None or folded(norm, weight) is None:
            raise ModelError(f"{how.norm} of {name} is no LayerNorm or RMSNorm before a linear layer: leave out `norm`")
    return Anatomy(
        points=points,
        causal=how.causal,
        call=_call(module),
        logits=logits,  # type: ignore[arg-type]
        additions=tuple(_additions(points, RESIDUAL if how.sums is None else how.sums, strict=how.sums is not None)),
        unembed=logits.module if logits is not None and head is not None and weight_of(head) is not None else None,
        norm=how.norm,
    )


def _points(
    module: nn.Module, sites: Mapping[Site | str, SitePoint | str], name: str
) -> Iterator[tuple[Site, SitePoint]]:
    """Every site by itself, with the place where it is."""
    for key, value in sites.items():
        point: SitePoint = Point(value) if isinstance(value, str) else value
        kind, layer = (key.kind, key.layer) if isinstance(key, Site) else _parsed(key)
        if layer is not None or kind in _UNLAYERED:
            _part(module, point.module, name, str(key))
            yield Site(layer=layer or 0, kind=kind), point
            continue
        if _LAYER not in point.module:
            raise ModelError(
                f"{key} of {name} is at {point.module!r}, of no layer: put {_LAYER} there, or name {key}.0"
            )
        there = list(_numbers(module, point.module))
        if not there:
            _part(module, point.module.replace(_LAYER, "0"), name, str(key))
        for number in there:
            yield Site(layer=number, kind=kind), _at(point, number)


def _numbers(module: nn.Module, path: str) -> Iterator[int]:
    """The layers that a path with `{layer}` exists for, from 0 up."""
    for number in count():
        try:
            module.get_submodule(path.replace(_LAYER, str(number)))
        except AttributeError:
            return
        yield number


def _at(point: SitePoint, layer: int) -> SitePoint:
    path = point.module.replace(_LAYER, str(layer))
    return replace(point, module=path)  # type: ignore[type-var]


def _parsed(key: str) -> tuple[SiteKind, int | None]:
    kind, dot, layer = key.partition(".")
    try:
        return SiteKind(kind), int(layer) if dot else None
    except ValueError as error:
        raise ModelError(
            f"no site {key!r}: give one of {', '.join(SiteKind)}, with a layer as in resid_post.2"
        ) from error


def _part(module: nn.Module, path: str, name: str, what: str) -> nn.Module:
    try:
        return module.get_submodule(path)
    except AttributeError as error:
        known = ", ".join(part for part, _ in module.named_children()) or "none"
        raise ModelError(f"{name} has no module {path!r} for {what}: its own parts are {known}") from error


def _call(module: nn.Module) -> Call:
    """How the module takes ids, masks and positions, by the names of its arguments."""
    # Of the class: that of the instance is nnsight's own where the module has been wrapped before.
    parameters = list(inspect.signature(type(module).forward).parameters.values())[1:]
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    if not named:
        raise ModelError(f"{type(module).__name__}.forward has no named argument for token ids: give it one")
    ids = "input_ids" if "input_ids" in named else named[0]
    mask, positions = (name if name in named else None for name in ("attention_mask", "position_ids"))
    return Call(ids, mask, positions)


def _additions(points: Mapping[Site, SitePoint], sums: Sequence[Sum], *, strict: bool) -> Iterator[Addition]:
    """The sums at each layer that has their sites. Raises ModelError where a sum was claimed and no layer has them."""
    for rule in sums:
        layers = [site.layer for site in points if site.kind is rule.total]
        found = False
        for layer in layers:
            terms = tuple(Site(layer=layer, kind=kind) for kind in rule.terms)
            if all(term in points for term in terms):
                found = True
                norm = None if rule.norm is None else rule.norm.replace(_LAYER, str(layer))
                yield Addition(Site(layer=layer, kind=rule.total), terms, norm)
        if strict and not found:
            raise ModelError(
                f"no layer has {rule.total} and {', '.join(rule.terms)}: give their sites, or leave the sum out"
            )


def _in_order(module: nn.Module, anatomy: Anatomy, ids: Tensor, name: str) -> dict[Site, SitePoint]:
    """The points in the order in which one forward pass comes by them."""
    visits: list[Site] = []
    with ExitStack() as hooks:
        for site, point in anatomy.points.items():
            part = module.get_submodule(point.module)
            if getattr(point, "end", "output") == "input":
                handle = part.register_forward_pre_hook(lambda *_, site=site: visits.append(site))
            else:
                handle = part.register_forward_hook(lambda *_, site=site: visits.append(site))
            hooks.callback(handle.remove)
        device = next((parameter.device for parameter in module.parameters()), ids.device)
        try:
            with torch.no_grad():
                module(**anatomy.call.keywords(ids.to(device), torch.ones_like(ids, dtype=torch.bool).to(device)))
        except (RuntimeError, IndexError, TypeError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"{name} does not run on the probe {ids[0].tolist()}: {reason:.120}; give `probe`"
            ) from error
    times = Counter(visits)
    for site, point in anatomy.points.items():
        if times[site] != 1:
            raise ModelError(
                f"a forward pass of {name} comes {times[site]} times by {point.module!r}, which holds {site}: a site is in a"
                " module that runs once"
            )
    return {site: anatomy.points[site] for site in visits}


def _skippable(points: Mapping[Site, SitePoint]) -> tuple[str, ...]:
    """The modules whose output is the stream after each layer, where every layer has one."""
    ends = [point for site, point in points.items() if site.kind is SiteKind.RESID_POST]
    plain = all(isinstance(point, Point) and point.end == "output" and point.element is None for point in ends)
    return tuple(point.module for point in ends) if plain else ()


def _projections(points: Mapping[Site, SitePoint]) -> Any:
    return tuple(projections(points, {}, []))


def _vocabulary(module: nn.Module, how: Wrapping, name: str, anatomy: Anatomy) -> Vocabulary:
    if how.tokenizer is None:
        bos = how.bos or 0
        return Vocabulary(name, None, 0, bos, how.suffix, bos if how.padding is None else how.padding)
    config: Any = getattr(module, "config", None)
    size = config.get_text_config().vocab_size if hasattr(config, "get_text_config") else len(how.tokenizer)
    own = vocabulary_of(name, how.tokenizer, size, causal=anatomy.causal)
    given = {"bos": how.bos, "padding": how.padding, "suffix": how.suffix or None}
    return replace(own, **{role: value for role, value in given.items() if value is not None})  # type: ignore[arg-type]


def _fingerprint(module: nn.Module) -> str:
    """16 hexadecimal digits over the class and every parameter and buffer."""
    digest = hashlib.sha256(f"{type(module).__module__}.{type(module).__qualname__}".encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
