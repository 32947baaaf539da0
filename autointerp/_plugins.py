"""Finding plugins: one entry-point group per kind of thing; what ships with the package registers the same way."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from autointerp.errors import PluginError


@cache
def load_all(group: str) -> dict[str, Any]:
    """Every plugin of an entry-point group by name, sorted.

    Raises PluginError where two packages register one name, or one cannot be imported.
    """
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        if point.name in found:
            raise PluginError(f"two plugins call themselves {point.name!r} in {group}: uninstall one of them")
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise PluginError(f"the plugin {point.name!r} of {group} ({point.value}) fails to load: {error}") from error
    return found


def load_one(group: str, name: str) -> Any:
    """One plugin by name; an unknown name lists the valid ones."""
    plugins = load_all(group)
    if name not in plugins:
        raise PluginError(f"no {group.rpartition('.')[2]} plugin {name!r}: there are {', '.join(plugins) or 'none'}")
    return plugins[name]
