"""The table of families, and how a package adds one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Protocol

from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from autointerp._plugins import load_one, plugin_names
from autointerp.models._adapters import Adapter
from autointerp.models._decoders import DECODERS
from autointerp.models._encoders import ENCODERS

#: The entry points of other packages, by the `model_type` of a configuration.
GROUP = "autointerp.architectures"
#: By the name of the model's class in transformers.
ADAPTERS: dict[str, Adapter] = dict(sorted({**DECODERS, **ENCODERS}.items()))


class Architecture(Protocol):
    """What an entry point of `autointerp.architectures` names: an architecture that transformers does not know.

    `adapters` has a row for each of its model classes, by the name of the class.
    """

    @property
    def adapters(self) -> Mapping[str, Adapter]: ...

    def register(self) -> None:
        """Make the classes known to AutoConfig and to AutoModelForCausalLM, AutoModelForMaskedLM or AutoModel."""
        ...


def adapters_for(model_type: str) -> Mapping[str, Adapter]:
    """The rows that may fit a configuration of this type; a plugin's architecture is registered on the way.

    Raises PluginError where a plugin fails to load.
    """
    if model_type in CONFIG_MAPPING_NAMES:
        return ADAPTERS
    return {**ADAPTERS, **_from_plugin(model_type)}


@cache
def _from_plugin(model_type: str) -> Mapping[str, Adapter]:
    # Once a process: transformers refuses to register a class twice.
    if model_type not in plugin_names(GROUP):
        return {}
    plugin: Architecture = load_one(GROUP, model_type)
    plugin.register()
    return plugin.adapters
