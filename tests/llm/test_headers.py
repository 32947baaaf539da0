"""Rate limits as headers state them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autointerp.llm._faults import Quota
from autointerp.llm._headers import quotas, retry_after

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
DATE = {"date": format_datetime(NOW, usegmt=True)}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "40", "retry-after": "7"}, 0.04),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True), **DATE}, 90.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90), usegmt=True), **DATE}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1e9"}, 3600.0),
        ({"retry-after": "nan"}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("1s", 1.0), ("6m0s", 360.0), ("1h2m3.5s", 3723.5), ("1d", 86400.0), ("12", 12.0)],
)
def test_durations(text: str, seconds: float) -> None:
    headers = {
        "X-RateLimit-Limit-Tokens": "1000",
        "X-RateLimit-Remaining-Tokens": "10",
        "X-RateLimit-Reset-Tokens": text,
    }
    folded = {name.lower(): value for name, value in headers.items()}
    assert quotas(folded) == (Quota("tokens", 1000, 10, seconds),)


def test_times_of_day() -> None:
    headers = {
        "anthropic-ratelimit-input-tokens-limit": "50000",
        "anthropic-ratelimit-input-tokens-remaining": "49000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-20T10:00:30Z",
        **DATE,
    }
    assert quotas(headers) == (Quota("input-tokens", 50000, 49000, 30.0, coarse=1.0),)


@given(st.dictionaries(st.sampled_from(["limit", "remaining", "reset"]), st.text(max_size=8)))
def test_nonsense_is_no_limit_and_no_error(parts: dict[str, str]) -> None:
    found = quotas({f"x-ratelimit-{name}-requests": value for name, value in parts.items()})
    assert all(0 <= quota.remaining <= quota.limit and quota.reset >= 0 for quota in found)
    retry_after({"retry-after": next(iter(parts.values()), "")})
