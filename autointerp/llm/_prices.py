"""What tokens cost, from a dated table; in whole picodollars, so that sums are exact whatever their order."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autointerp.errors import InputError
from autointerp.llm._address import Address
from autointerp.llm._answer import Usage

#: Picodollars: a price of a cent per million tokens is 10,000 of them a token.
PER_DOLLAR: Final = 10**12
_PER_TOKEN = Decimal(10**6)
_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class _Rates(BaseModel):
    model_config = ConfigDict(extra="forbid")
    input: Decimal = Field(ge=0)
    output: Decimal = Field(ge=0)
    cache_read: Decimal | None = Field(default=None, ge=0)
    cache_write: Decimal | None = Field(default=None, ge=0)


class _Entry(_Rates):
    above: int | None = Field(default=None, ge=1)
    long: _Rates | None = None


class _Provider(BaseModel):
    model_config = ConfigDict(extra="forbid")
    batch: Decimal = Field(default=Decimal(1), gt=0, le=1)
    models: dict[str, _Entry] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Price:
    """Picodollars per token of one model, the discount of a batch included."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    above: int | None = None
    long: Price | None = None

    def of(self, usage: Usage) -> int:
        """Picodollars of an answer."""
        rates = self._rates(usage.prompt)
        return (
            usage.input * rates.input
            + usage.cache_read * rates.cache_read
            + usage.cache_write * rates.cache_write
            + usage.output * rates.output
        )

    def worst(self, prompt: int, output: int) -> int:
        """Picodollars that a request of at most so many tokens can cost, however its prompt is cached."""
        rates = self._rates(prompt)
        return prompt * max(rates.input, rates.cache_read, rates.cache_write) + output * rates.output

    def _rates(self, prompt: int) -> Price:
        return self.long if self.long is not None and self.above is not None and prompt > self.above else self


class Prices:
    """A table of prices; `dated` is the day it was taken down."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        entries = dict(table)
        self.dated: date | None = entries.pop("dated", None)
        self._providers = {name: _Provider.model_validate(part) for name, part in entries.items()}

    @classmethod
    def load(cls, over: Path | None = None) -> Prices:
        """The table that ships with the package, and over it the entries of a file of the same form.

        Raises InputError where that file cannot be read or is no such table.
        """
        # Decimals: 0.1 dollars is to be 100,000 picodollars a token and not almost that.
        text = files("autointerp.llm").joinpath("data", "prices.toml").read_text(encoding="utf-8")
        prices = cls(tomllib.loads(text, parse_float=Decimal))
        if over is None:
            return prices
        try:
            own = cls(tomllib.loads(over.read_text(encoding="utf-8"), parse_float=Decimal))
        except (OSError, ValueError, ValidationError) as error:
            why = error.errors()[0] if isinstance(error, ValidationError) else error
            raise InputError(f"{over} is no table of prices ({why}): see data/prices.toml for the form") from error
        for name, part in own._providers.items():
            base = prices._providers.setdefault(name, _Provider())
            batch = part.batch if "batch" in part.model_fields_set else base.batch
            prices._providers[name] = _Provider(batch=batch, models=base.models | part.models)
        prices.dated = own.dated or prices.dated
        return prices

    def of(self, address: Address, *, batch: bool = False) -> Price | None:
        """The price of a model, None where the table has none. An entry `NAME@URL` is for that server alone."""
        provider = self._providers.get(address.provider)
        if provider is None:
            return None
        names = [address.model, _SNAPSHOT.sub("", address.model)]
        found = [f"{address.model}@{address.url}", *names] if address.url else names
        entry = next((provider.models[name] for name in found if name in provider.models), None)
        return None if entry is None else _price(entry, provider.batch if batch else Decimal(1))


def _price(rates: _Rates, factor: Decimal) -> Price:
    def per_token(dollars: Decimal) -> int:
        return int((dollars * factor * _PER_TOKEN).to_integral_value())

    ordinary = per_token(rates.input)
    long = rates.long if isinstance(rates, _Entry) else None
    return Price(
        input=ordinary,
        output=per_token(rates.output),
        cache_read=ordinary if rates.cache_read is None else per_token(rates.cache_read),
        cache_write=ordinary if rates.cache_write is None else per_token(rates.cache_write),
        above=rates.above if isinstance(rates, _Entry) else None,
        long=None if long is None else _price(long, factor),
    )
