"""Templates of conversations, in files `NAME.vN.j2`.

A file begins with a comment that says what it is for, and has a line `=== system ===`, `=== user ===` or
`=== assistant ===` before every turn. Between them is Jinja. A version that was once in use is never changed: a record names
it, and what a model was told decides what it answered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, cast

import jinja2
from jinja2 import Environment, StrictUndefined, meta
from jinja2 import TemplateError as JinjaError

from autointerp.errors import TemplateError

Role = Literal["system", "user", "assistant"]
_FILE = re.compile(r"(?P<name>[a-z][a-z0-9_]*)\.v(?P<version>[1-9][0-9]*)\.j2")
_TURN = re.compile(r"^=== (system|user|assistant) ===\n", re.MULTILINE)
_DIGEST_LENGTH: Final = 12
_ENVIRONMENT = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template filled in: the turns, and the reference that a record names."""

    turns: tuple[tuple[Role, str], ...]
    reference: str


@dataclass(frozen=True, slots=True)
class Template:
    """A conversation with variables in it."""

    name: str
    version: int
    turns: tuple[tuple[Role, str], ...]
    variables: frozenset[str]
    digest: str

    @classmethod
    def load(cls, name: str, version: int | None = None) -> Template:
        """A template of the package; the newest version, or the one asked for.

        Raises TemplateError where there is none of that name or version; the message lists those there are.
        """
        versions = _versions().get(name)
        if versions is None:
            raise TemplateError(f"no template {name!r}: there are {', '.join(names())}")
        chosen = max(versions) if version is None else version
        if chosen not in versions:
            raise TemplateError(f"no version {chosen} of {name!r}: there are {', '.join(map(str, sorted(versions)))}")
        return _parsed(versions[chosen], name, chosen)

    @classmethod
    def read(cls, path: Path) -> Template:
        """A template of one's own. Raises TemplateError where it cannot be read, or its file name has no version."""
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise TemplateError(f"{path.name} is no name for a template: NAME.v1.j2")
        try:
            return cls.parse(path.read_text(encoding="utf-8"), match["name"], int(match["version"]))
        except OSError as error:
            raise TemplateError(f"{path} cannot be read ({error})") from error

    @classmethod
    def parse(cls, source: str, name: str, version: int) -> Template:
        """Make a template of its source. Raises TemplateError where it has no turns or is no Jinja."""
        head, *rest = _TURN.split(source)
        if not rest:
            raise TemplateError(f"the template {name} v{version} has no turn: begin one with a line `=== user ===`")
        try:
            if _ENVIRONMENT.from_string(head).render().strip():
                raise TemplateError(f"the template {name} v{version} has text before its first turn: make it a comment")
            turns = tuple(zip(cast(list[Role], rest[::2]), (text.strip() for text in rest[1::2]), strict=True))
            found = (meta.find_undeclared_variables(_ENVIRONMENT.parse(text)) for _, text in turns)
            variables: frozenset[str] = frozenset().union(*found)
        except JinjaError as error:
            raise TemplateError(f"the template {name} v{version} is malformed: {error}") from error
        digest = hashlib.sha256(source.encode()).hexdigest()[:_DIGEST_LENGTH]
        return cls(name, version, turns, variables, digest)

    @property
    def reference(self) -> str:
        """What a record names it by: name, version, and the beginning of the SHA-256 of its source."""
        return f"{self.name}@{self.version}#{self.digest}"

    def render(self, **values: Any) -> Prompt:
        """Fill it in. Raises TemplateError where a variable is missing, or a value is given that it has no use for."""
        _agree(self, "lacks", self.variables - values.keys())
        _agree(self, "has no use for", values.keys() - self.variables)
        try:
            turns = tuple((role, _compiled(text).render(values).strip()) for role, text in self.turns)
        except JinjaError as error:
            raise TemplateError(f"the template {self.reference} cannot be filled in: {error}") from error
        return Prompt(turns, self.reference)


def names() -> list[str]:
    """The templates of the package."""
    return sorted(_versions())


def _agree(template: Template, what: str, differing: Iterable[str]) -> None:
    if listed := ", ".join(sorted(differing)):
        known = ", ".join(sorted(template.variables)) or "none"
        raise TemplateError(f"the template {template.reference} {what} {listed}: its variables are {known}")


@cache
def _parsed(source: str, name: str, version: int) -> Template:
    """A template of the package, which is asked for again with every question."""
    return Template.parse(source, name, version)


@lru_cache(maxsize=256)
def _compiled(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)


@cache
def _versions() -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for file in files("autointerp.prompts").joinpath("templates").iterdir():
        match = _FILE.fullmatch(file.name)
        if match is not None:
            found.setdefault(match["name"], {})[int(match["version"])] = file.read_text(encoding="utf-8")
    return found
