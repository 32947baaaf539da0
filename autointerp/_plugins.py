"""Finding plugins: one entry-point group per kind of thing; what ships with the package registers the same way."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from autointerp.errors import PluginError


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        if point.name in found:
            raise PluginError(f"two plugins call themselves {point.name!r} in {group}: uninstall one of them")
        found[point.name] = point
    return found


def plugin_names(group: str) -> list[str]:
    """The names of an entry-point group, sorted; nothing is imported.

    Raises PluginError where two packages register one name.
    """
    return list(_points(group))


def load_all(group: str) -> dict[str, Any]:
    """Every plugin of an entry-point group by name, sorted.

    Raises PluginError where two packages register one name, or one cannot be imported.
    """
    return {name: _loaded(group, name) for name in _points(group)}


def load_one(group: str, name: str) -> Any:
    """One plugin by name, without the others, which may be slow to import; an unknown name lists the valid ones.

    Raises PluginError as `load_all` does.
    """
    if name not in _points(group):
        known = ", ".join(_points(group)) or "none"
        raise PluginError(f"no {group.rpartition('.')[2]} plugin {name!r}: there are {known}")
    return _loaded(group, name)


@cache
def _loaded(group: str, name: str) -> Any:
    point = _points(group)[name]
    try:
        return point.load()
    except Exception as error:
        raise PluginError(f"the plugin {name!r} of {group} ({point.value}) fails to load: {error}") from error
