"""Which module of a traced model holds which site, and in which order the forward pass comes by them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from nnsight import NNsight
from nnsight.intervention.envoy import Envoy
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models._anatomy import Anatomy
from autointerp.models._points import Point, SitePoint
from autointerp.records import Site


class Layout:
    """The sites of one model. `traced` is the model as nnsight wraps it."""

    def __init__(self, name: str, traced: Any, anatomy: Anatomy) -> None:
        self.name, self.traced, self.anatomy = name, traced, anatomy
        self._places = {site: place for place, site in enumerate(anatomy.points)}
        self._found: dict[str, Any] = {}

    @property
    def sites(self) -> list[Site]:
        """Every site, in the order of the forward pass."""
        return list(self.anatomy.points)

    @cached_property
    def layers(self) -> int:
        """How many layers there are."""
        return 1 + max((site.layer for site in self.anatomy.points), default=-1)

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one."""
        return self.anatomy.causal

    @property
    def remote(self) -> bool:
        """Whether the passes of the model run on other machines."""
        return bool(self.traced.remote)

    @property
    def device(self) -> torch.device:
        """Where token ids go; of a model on several devices, the first."""
        parameter = next(iter(self.traced._module.parameters()), None)
        return torch.device("cpu") if parameter is None or parameter.is_meta else parameter.device

    @cached_property
    def blocks(self) -> list[Any]:
        """The traced blocks, in the order of the forward pass.

        Raises ModelError for a model in which they cannot be skipped, as their output is not the residual stream alone.
        """
        if not self.anatomy.blocks:
            raise ModelError(f"{self.name} cannot resume from a layer: run it from the start")
        return [self._module(path) for path in self.anatomy.blocks]

    @cached_property
    def head(self) -> Logits | None:
        """What has the logits as its `output`, or None for a model without."""
        point = self.anatomy.logits
        return None if point is None else Logits(self._module(point.module), point)

    @cached_property
    def unembed(self) -> Any:
        """The traced layer that maps the final site to the logits, or None where there is no such layer."""
        return None if self.anatomy.unembed is None else self._module(self.anatomy.unembed)

    def inputs(self, ids: Tensor, mask: Tensor | None) -> dict[str, Any]:
        """The keywords to call the model (or its trace) with, for ids [batch, tokens] and where they are text (bool).

        With no mask a causal model gets none: padding on the right then changes nothing before it.
        """
        return self.anatomy.call.keywords(ids, mask)

    def order(self, sites: Iterable[Site]) -> list[Site]:
        """Sites as the forward pass reaches them. Raises ModelError for one that the model does not have."""
        wanted = list(sites)
        for site in wanted:
            if site not in self._places:
                raise ModelError(f"{self.name} has no {self._absent(site)}")
        return sorted(wanted, key=self._places.__getitem__)

    def find(self, site: Site) -> tuple[Any, SitePoint]:
        """The traced module that holds a site, and where in it."""
        point = self.anatomy.points[site]
        return self._module(point.module), point

    @contextmanager
    def computing(self, sites: Iterable[Site]) -> Iterator[None]:
        """See that the model computes all of these sites while the context is open.

        The fused kernels of attention never hold its pattern. A run that needs one uses the attention that transformers
        writes out in PyTorch, which computes the same up to rounding, and takes longer.
        """
        module = self.traced._module
        usual = getattr(getattr(module, "config", None), "_attn_implementation", None)
        inside = [site for site in sites if self.anatomy.points[site].eager]
        for site in inside:
            # nnsight takes a module's forward apart on this first look, which has to come before the forward begins.
            _ = self.find(site)[0].source
        if usual in (None, "eager") or not inside:
            yield
            return
        module.set_attn_implementation("eager")
        try:
            yield
        finally:
            module.set_attn_implementation(usual)

    def _absent(self, site: Site) -> str:
        kinds = list(dict.fromkeys(place.kind for place in self._places))
        if site.kind not in kinds:
            return f"site {site.kind}: there are {', '.join(kinds)}"
        layers = sorted(place.layer for place in self._places if place.kind is site.kind)
        if layers == list(range(len(layers))):
            return f"layer {site.layer}: there are 0 to {layers[-1]}"
        return f"{site}: there are {', '.join(f'{site.kind}.{layer}' for layer in layers)}"

    def _module(self, path: str) -> Any:
        if path not in self._found:
            try:
                self._found[path] = _walk(self.traced, path)
            except AttributeError as error:
                raise ModelError(f"{self.name} has no module {path!r}: its adapter is of another model") from error
        return self._found[path]


class Logits:
    """The logits of a traced model, read as the output of a module is."""

    def __init__(self, module: Any, point: Point) -> None:
        self._module, self._point = module, point

    @property
    def output(self) -> Any:
        """The logits, [batch, tokens, vocabulary] (a classifier's: [batch, classes]), inside a trace."""
        return self._point.read(self._module)


class Traced(NNsight):  # type: ignore[misc]
    """A module of this process as nnsight wraps it."""

    remote = False

    def __init__(self, module: nn.Module) -> None:
        with warnings.catch_warnings():
            # Parts that have a name of nnsight's own, such as `output`, are found all the same: see `_walk`.
            warnings.filterwarnings("ignore", message="Module .* has a submodule named", category=UserWarning)
            super().__init__(module)

    def trace(self, inputs: dict[str, Any], **options: Any) -> Any:
        """A trace of one call of the module with these keywords."""
        return super().trace(**inputs, **options)


def _walk(envoy: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        moved = f"{Envoy.OVERLOAD_PREFIX}{part}"
        envoy = getattr(envoy, moved if moved in vars(envoy) else part)
    return envoy
