"""Which tokens an edit or an objective is about: a small algebra of plain data, resolved against the texts of a batch.

Every selection is causal: whether a token is selected depends on the text up to it and on where the prompt ends, never on
what comes later. So a selection stays what it was while a text grows, and generation may keep its cache.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import index
from typing import Any

import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._tensors import from_plain, plain


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """What positions are resolved against.

    Attributes
    ----------
    ids: int64 [batch, tokens].
    mask: bool [batch, tokens], False at padding.
    prompt: how many columns the prompts take, padding included; the columns after them were generated.
    """

    ids: Tensor
    mask: Tensor
    prompt: int


class Positions(ABC):
    """A selection of tokens. Combine selections with `&`, `|` and `~`."""

    __slots__ = ()

    @abstractmethod
    def select(self, text: Text) -> Tensor:
        """Bool [batch, tokens]; it may select padding, which `resolve` takes out."""

    def resolve(self, text: Text) -> Tensor:
        """The selected tokens of a batch as bool [batch, tokens], False at padding."""
        return self.select(text) & text.mask

    def to_dict(self) -> dict[str, Any]:
        """Plain data that JSON can hold: the name of the selection and its fields."""
        content = {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {"positions": type(self).__name__, **content}

    def __and__(self, other: Positions) -> Positions:
        return And((self, other))

    def __or__(self, other: Positions) -> Positions:
        return Or((self, other))

    def __invert__(self) -> Positions:
        return Not(self)


@dataclass(frozen=True, slots=True)
class At(Positions):
    """Tokens by number: 0 is the first of the text, -1 the last of the prompt, whatever side the padding is on.

    A text too short to have a number has nothing selected by it.
    """

    indices: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "indices", tuple(index(number) for number in self.indices))

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        place = text.mask.long().cumsum(1) - 1
        length = text.mask[:, : text.prompt].long().sum(1, keepdim=True)
        wanted = torch.tensor(self.indices, dtype=torch.int64, device=place.device)
        wanted = torch.where(wanted < 0, length + wanted, wanted)
        return (place[:, :, None] == wanted[:, None, :]).any(2)


@dataclass(frozen=True, slots=True, eq=False)
class Marked(Positions):
    """Tokens by a mask: bool [batch, columns of the prompts], or [1, columns] for all texts alike.

    It selects nothing of what is generated.
    """

    mask: Tensor

    def __post_init__(self) -> None:
        if getattr(self.mask, "dtype", None) != torch.bool:
            raise ModelError(f"positions are marked by a bool tensor, not by {getattr(self.mask, 'dtype', self.mask)}")

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`. Raises ModelError where the mask does not have the shape of the prompts."""
        batch, columns = len(text.ids), text.prompt
        if self.mask.ndim != 2 or self.mask.shape[0] not in (1, batch) or self.mask.shape[1] != columns:
            raise ModelError(f"a mask of positions {tuple(self.mask.shape)} does not fit texts of {(batch, columns)}")
        whole = torch.zeros_like(text.mask)
        whole[:, :columns] = self.mask.to(whole.device)
        return whole


@dataclass(frozen=True, slots=True)
class TokenIs(Positions):
    """The tokens that are one of these ids."""

    ids: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(index(token) for token in self.ids))

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        return torch.isin(text.ids, torch.tensor(self.ids, dtype=torch.int64, device=text.ids.device))


@dataclass(frozen=True, slots=True)
class Generated(Positions):
    """What the model wrote itself: nothing in a plain run, the tokens after the prompt in a generation."""

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        return (torch.arange(text.ids.shape[1], device=text.ids.device) >= text.prompt).expand(text.ids.shape)


@dataclass(frozen=True, slots=True)
class After(Positions):
    """The tokens after the first selected one of each text; none where nothing is selected."""

    of: Positions

    def __post_init__(self) -> None:
        _check(self.of)

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        chosen = self.of.resolve(text).long()
        return (chosen.cumsum(1) - chosen) > 0


@dataclass(frozen=True, slots=True)
class Not(Positions):
    """The tokens that are not selected."""

    of: Positions

    def __post_init__(self) -> None:
        _check(self.of)

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        return ~self.of.select(text)


@dataclass(frozen=True, slots=True)
class And(Positions):
    """The tokens that all parts select; every token where there is no part."""

    parts: Sequence[Positions]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _checked(self.parts))

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        chosen = torch.ones_like(text.mask)
        for part in self.parts:
            chosen &= part.select(text)
        return chosen


@dataclass(frozen=True, slots=True)
class Or(Positions):
    """The tokens that any part selects; none where there is no part."""

    parts: Sequence[Positions]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _checked(self.parts))

    def select(self, text: Text) -> Tensor:
        """See `Positions.select`."""
        chosen = torch.zeros_like(text.mask)
        for part in self.parts:
            chosen |= part.select(text)
        return chosen


_NAMES: dict[str, type[Positions]] = {
    kind.__name__: kind for kind in (At, Marked, TokenIs, Generated, After, Not, And, Or)
}


def positions_from_dict(data: dict[str, Any]) -> Positions:
    """What `Positions.to_dict` wrote. Raises ModelError for anything else."""
    try:
        content = dict(data)
        return _NAMES[content.pop("positions")](**{name: _read(value) for name, value in content.items()})
    except (KeyError, TypeError, ValueError) as error:
        known = ", ".join(_NAMES)
        raise ModelError(f"not a selection of tokens: {data!r:.80}; there are {known}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Positions):
        return value.to_dict()
    if isinstance(value, Tensor):
        return plain(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(part) for part in value)
    if isinstance(value, dict):
        return positions_from_dict(value) if "positions" in value else from_plain(value)
    return value


def _check(part: object) -> None:
    if not isinstance(part, Positions):
        raise ModelError(f"a selection is made of selections such as At or TokenIs, not of {part!r:.60}")


def _checked(parts: Sequence[Positions]) -> tuple[Positions, ...]:
    for part in parts:
        _check(part)
    return tuple(parts)
