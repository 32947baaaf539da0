"""How the architecture becomes known: to transformers by its model type, to `Subject` by where its sites are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM

from autointerp.eval.organisms.planted.network._config import ExtendedConfig
from autointerp.eval.organisms.planted.network._model import ExtendedForCausalLM, inside
from autointerp.models import Adapter, Anatomy, Point, joined

_INSIDE = "network"


class _Extended(Adapter):
    """All sites are those of the model inside."""

    def anatomy(self, config: Any) -> Anatomy:
        """The map of the model inside, one level further down."""
        inner = config.network_config()
        found = inside(config).anatomy(inner)

        def below(path: str | None) -> str | None:
            return None if path is None else joined(_INSIDE, path)

        return replace(
            found,
            points={site: point.within(_INSIDE) for site, point in found.points.items()},
            blocks=tuple(joined(_INSIDE, path) for path in found.blocks),
            additions=tuple(replace(rule, norm=below(rule.norm)) for rule in found.additions),
            projections=tuple(
                replace(rule, path=joined(_INSIDE, rule.path), norm=below(rule.norm)) for rule in found.projections
            ),
            unembed=below(found.unembed),
            norm=below(found.norm),
        )


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model type that is not one of transformers' own; see the entry-point group `autointerp.architectures`."""

    #: By the name of the model's class.
    adapters: dict[str, Adapter]

    def register(self) -> None:
        """Make `AutoConfig` and `AutoModelForCausalLM` know the type. Calling it again does nothing."""
        AutoConfig.register(ExtendedConfig.model_type, ExtendedConfig, exist_ok=True)
        AutoModelForCausalLM.register(ExtendedConfig, ExtendedForCausalLM, exist_ok=True)


EXTENDED_TRANSFORMER = Architecture(
    {ExtendedForCausalLM.__name__: _Extended(stem=_INSIDE, blocks="", points={}, embed=Point(""), final=None)}
)
