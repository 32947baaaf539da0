"""What tokens cost, against amounts worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.errors import InputError
from autointerp.llm import Address, Prices, Usage
from autointerp.llm._prices import PER_DOLLAR

TABLE = """
dated = 2026-01-02
[openai]
batch = 0.5
[openai.models]
"plain" = { input = 2.0, output = 10.0 }
[openai.models.cached]
input = 2.0
output = 10.0
cache_read = 0.005
cache_write = 2.5
above = 1000
long = { input = 4.0, output = 15.0 }
[openai.models."free@http://127.0.0.1:1/v1"]
input = 0
output = 0
"""


@pytest.fixture
def prices(tmp_path: Path) -> Prices:
    (tmp_path / "prices.toml").write_text(TABLE)
    return Prices.load(tmp_path / "prices.toml")


def dollars(prices: Prices, model: str, usage: Usage, *, batch: bool = False, url: str | None = None) -> Decimal:
    price = prices.of(Address("openai", model, url), batch=batch)
    assert price is not None
    return Decimal(price.of(usage)) / PER_DOLLAR


@pytest.mark.parametrize(
    ("model", "usage", "batch", "expected"),
    [
        ("plain", Usage(input=1_000_000), False, "2"),
        ("plain", Usage(output=1), False, "0.00001"),
        ("plain", Usage(input=3, output=2), True, "0.000013"),
        ("plain", Usage(cache_read=10, cache_write=10), False, "0.00004"),
        ("cached", Usage(input=100, cache_read=200, cache_write=300, output=7), False, "0.001021"),
        ("cached", Usage(input=1000), False, "0.002"),
        ("cached", Usage(input=1001, output=2), False, "0.004034"),
        ("cached", Usage(input=1, cache_read=1000), False, "0.004004"),
        ("cached-2026-04-23", Usage(input=1), False, "0.000002"),
        ("cached-20260423", Usage(input=1), False, "0.000002"),
    ],
)
def test_amounts(prices: Prices, model: str, usage: Usage, batch: bool, expected: str) -> None:
    assert dollars(prices, model, usage, batch=batch) == Decimal(expected)


def test_an_entry_can_be_for_one_server(prices: Prices) -> None:
    assert dollars(prices, "free", Usage(input=5), url="http://127.0.0.1:1/v1") == 0
    assert prices.of(Address("openai", "free")) is None


def test_what_is_not_in_the_table_has_no_price(prices: Prices) -> None:
    assert prices.of(Address("openai", "unheard-of")) is None
    assert prices.of(Address("acme", "plain")) is None


def test_the_table_of_the_package_is_dated_and_overruled(prices: Prices) -> None:
    shipped = Prices.load()
    assert shipped.dated is not None
    assert shipped.dated.year >= 2026
    assert shipped.of(Address("anthropic", "claude-haiku-4-5")) == prices.of(Address("anthropic", "claude-haiku-4-5"))
    assert prices.dated is not None
    assert (prices.dated.year, prices.dated.month) == (2026, 1)
    half = shipped.of(Address("anthropic", "claude-haiku-4-5"), batch=True)
    whole = shipped.of(Address("anthropic", "claude-haiku-4-5"))
    assert half is not None
    assert whole is not None
    assert 2 * half.output == whole.output == 5_000_000


@pytest.mark.parametrize(
    "text", ["[[", "[openai.models]\nm = { input = -1, output = 1 }", "[openai]\nbatch = 2", "[openai.models]\nm = 3"]
)
def test_a_bad_table_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(InputError, match="is no table of prices"):
        Prices.load(tmp_path / "prices.toml")
    with pytest.raises(InputError, match="is no table of prices"):
        Prices.load(tmp_path / "absent.toml")


@given(
    model=st.sampled_from(["plain", "cached"]),
    parts=st.tuples(*[st.integers(0, 3000)] * 4),
    more=st.tuples(st.integers(0, 50), st.integers(0, 50)),
)
def test_the_worst_case_is_never_passed(model: str, parts: tuple[int, int, int, int], more: tuple[int, int]) -> None:
    import tomllib

    price = Prices(tomllib.loads(TABLE, parse_float=Decimal)).of(Address("openai", model))
    assert price is not None
    usage = Usage(input=parts[0], cache_read=parts[1], cache_write=parts[2], output=parts[3])
    assert price.of(usage) <= price.worst(usage.prompt + more[0], usage.output + more[1])
