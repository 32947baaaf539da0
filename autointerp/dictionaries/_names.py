"""The parts of a dictionary's name: `SCHEME:PLACE#layer=N@SITE:SITE`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autointerp.errors import DictionaryError
from autointerp.records import Site, SiteKind

_KINDS = "|".join(SiteKind)
_WHERE = rf"(?:{_KINDS})(?:\.\d+)?"
_SITES = re.compile(rf"@({_WHERE})(?::({_WHERE}))?$")
_OPTION = re.compile(r"#(layer|key)=([^#@]+)$")
_SCHEME = re.compile(r"^([a-z][a-z0-9_]*):(?!//)(.+)$")
_GLOBAL = (SiteKind.EMBED, SiteKind.FINAL)


@dataclass(frozen=True, slots=True)
class Where:
    """A site, or the kind of one whose layer follows from elsewhere."""

    kind: SiteKind
    layer: int | None

    @classmethod
    def parse(cls, text: str) -> Where:
        """From `resid_post.3` or `resid_post`. Raises ValueError."""
        kind, _, layer = text.partition(".")
        return cls(SiteKind(kind), int(layer) if layer else None)

    def at(self, layer: int | None) -> Site | None:
        """The site, in `layer` where it has none of its own; None where neither is known."""
        if self.kind in _GLOBAL:
            return Site(layer=0, kind=self.kind)
        chosen = layer if self.layer is None else self.layer
        return None if chosen is None else Site(layer=chosen, kind=self.kind)


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart. `scheme` is empty for a plain path."""

    scheme: str
    place: str
    wanted: tuple[Where, Where] | None
    layer: int | None
    key: str | None


def parse_name(name: str) -> Name:
    """Take a name apart. A path that exists as it stands has no suffixes, whatever it contains.

    Raises DictionaryError for a layer that is no number.
    """
    match = _SCHEME.match(name)
    scheme, place = (match.group(1), match.group(2)) if match else ("", name)
    if Path(place).expanduser().exists():
        return Name(scheme, place, None, None, None)
    wanted = None
    if sites := _SITES.search(place):
        place = place[: sites.start()]
        wanted = (Where.parse(sites.group(1)), Where.parse(sites.group(2) or sites.group(1)))
    options = {}
    while option := _OPTION.search(place):
        place = place[: option.start()]
        options[option.group(1)] = option.group(2)
    layer = options.get("layer")
    if layer is not None and not layer.isdecimal():
        raise DictionaryError(f"{name}: layer {layer!r} is no number: write for example #layer=3")
    return Name(scheme, place, wanted, None if layer is None else int(layer), options.get("key"))


def absolute_name(name: str) -> str:
    """The same name for a process in another folder: a path in it made absolute, where there is something at that path."""
    parsed = parse_name(name)
    path = Path(parsed.place).expanduser()
    head = f"{parsed.scheme}:" if parsed.scheme else ""
    return f"{head}{path.resolve()}{name[len(head) + len(parsed.place) :]}" if path.exists() else name


def parse_site(name: str, place: str, aliases: Mapping[str, SiteKind]) -> Site:
    """The site that a place such as `mlp.3` names, for dictionaries made of a model's own parts.

    `aliases` are the kinds allowed, by all names they may be called.
    """
    kind, _, layer = place.partition(".")
    if kind not in aliases or not (layer.isdecimal() or (not layer and aliases[kind] in _GLOBAL)):
        allowed = ", ".join(f"{alias}.3" for alias in aliases)
        raise DictionaryError(
            f"{name}: {place!r} is no site that this can be had for: write for example one of {allowed}"
        )
    return Site(layer=int(layer or 0), kind=aliases[kind])


def within(folder: str, *files: str) -> tuple[str, ...]:
    """Paths of files in a folder of a repository, whose root is the empty string."""
    return tuple(f"{folder}/{file}".lstrip("/") for file in files)


def sites_of(
    name: str,
    wanted: tuple[Where, Where] | None,
    found: tuple[Site, Site] | None,
    *,
    layer: int | None,
    advice: str,
) -> tuple[Site, Site]:
    """The input and the output site; what the name asks for goes before what the files say."""
    if wanted is not None:
        first, second = wanted[0].at(layer), wanted[1].at(layer)
        if first is None or second is None:
            raise DictionaryError(f"{name}: no layer is known for {wanted[0].kind}: write @{wanted[0].kind}.N")
        return first, second
    if found is None:
        raise DictionaryError(f"{name}: {advice}")
    return found
