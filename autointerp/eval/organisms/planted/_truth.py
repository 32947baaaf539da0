"""The truth of an organism with planted features, as something that runs on a text without any network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autointerp.errors import OrganismError
from autointerp.eval.organisms._protocol import Component, Edge, Node
from autointerp.eval.organisms.planted._effects import Effect
from autointerp.eval.organisms.planted._function import Function, as_record
from autointerp.eval.organisms.planted.kinds import FUNCTIONS
from autointerp.records import Site

#: Where the edges of the latents come from and go to.
TOKENS, LOGITS = "tokens", "logits"


@dataclass(frozen=True)
class PlantedLatent:
    """One planted latent.

    Attributes
    ----------
    index: its number in the dictionary.
    feature: the number of the feature that it belongs to; two latents of a pair have the same.
    kind, role: what the feature is, and what the latent is in it.
    function: what it responds to; None where nothing in the text explains it.
    amounts: the activation at each level of the function, [1 + LEVELS].
    density: the share of positions at which it is active.
    agreement: the correlation of its activations with the truth that the noise leaves; None without a function.
    """

    index: int
    feature: int
    kind: str
    role: str
    function: Function | None
    amounts: tuple[float, ...]
    density: float
    agreement: float | None
    effect: Effect
    direction: tuple[float, ...]

    @property
    def name(self) -> str:
        """What the truth calls it."""
        return f"latent.{self.index}"

    def activations(self, tokens: Sequence[str]) -> list[float] | list[None]:
        """Its activation at every token, noise left out; None where it has no function."""
        if self.function is None:
            return [None] * len(tokens)
        return [self.amounts[level] for level in self.function.levels(tokens)]

    def words(self) -> str:
        """The latent in words."""
        return "active at random" if self.function is None else f"active {self.function.words()}"


@dataclass(frozen=True)
class PlantedTruth:
    """See `autointerp.eval.organisms.Truth`.

    Attributes
    ----------
    latents: those that mean something.
    nulls: the numbers of those that mean nothing, by why.
    site: where the dictionary reads and writes.
    tokens: from a text to its tokens as strings, BOS left out.
    """

    latents: tuple[PlantedLatent, ...]
    nulls: Mapping[str, tuple[int, ...]]
    site: Site
    tokens: Callable[[str], list[str]]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The latents, each with the direction that it has in the stream."""
        return tuple(
            Node(latent.name, latent.role, Component(self.site, codes=(latent.direction,))) for latent in self.latents
        )

    @property
    def edges(self) -> tuple[Edge, ...]:
        """From the tokens to every latent that has a function, and from every latent that has an effect to the logits."""
        read = [Edge(TOKENS, latent.name, "input") for latent in self.latents if latent.function is not None]
        return (*read, *(Edge(latent.name, LOGITS, "output") for latent in self.latents if latent.effect.ids))

    def latent(self, index: int) -> PlantedLatent:
        """The planted latent with this number in the dictionary. Raises OrganismError where it is none."""
        for latent in self.latents:
            if latent.index == index:
                return latent
        known = ", ".join(str(latent.index) for latent in self.latents)
        raise OrganismError(f"latent {index} is not planted; those that are: {known}")

    def values(self, text: str) -> dict[str, tuple[float | None, ...]]:
        """The activation of every latent at every token of a text, BOS and noise left out; None without a function."""
        tokens = self.tokens(text)
        return {latent.name: tuple(latent.activations(tokens)) for latent in self.latents}

    def record(self) -> dict[str, Any]:
        """The whole truth as plain data; `from_record` reads it."""
        latents = [
            {name: value for name, value in vars(latent).items() if name not in ("function", "effect")}
            | {"function": as_record(latent.function), "effect": asdict(latent.effect), "words": latent.words()}
            for latent in self.latents
        ]
        return {"latents": latents, "nulls": dict(self.nulls), "site": self.site.model_dump(mode="json")}

    @classmethod
    def from_record(cls, record: dict[str, Any], tokens: Callable[[str], list[str]]) -> PlantedTruth:
        """What `record` wrote; `tokens` as the attribute."""
        latents = tuple(_latent(dict(found)) for found in record["latents"])
        nulls = {name: tuple(numbers) for name, numbers in record["nulls"].items()}
        return cls(latents, nulls, Site.model_validate(record["site"]), tokens)


def _latent(record: dict[str, Any]) -> PlantedLatent:
    record.pop("words")
    effect = record.pop("effect")
    return PlantedLatent(
        **record
        | {
            "function": _read(record["function"]),
            "amounts": tuple(record["amounts"]),
            "direction": tuple(record["direction"]),
            "effect": Effect(tuple(effect["ids"]), effect["per_unit"], effect["others"]),
        }
    )


def _read(record: Any) -> Any:
    """A function, or a part of one, from plain data."""
    if isinstance(record, list):
        return tuple(_read(part) for part in record)
    if not isinstance(record, dict):
        return record
    if "function" in record:
        fields = {name: _read(value) for name, value in record.items() if name != "function"}
        return FUNCTIONS[record["function"]](**fields)
    return frozenset(record["set"]) if "set" in record else dict(record["marks"])
