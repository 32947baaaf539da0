"""What the headers of an answer say about rate limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from autointerp.llm._faults import Quota

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_OPENAI = re.compile(r"x-ratelimit-limit-([a-z-]+)")
_ANTHROPIC = re.compile(r"anthropic-ratelimit-([a-z-]+)-limit")
#: No server is believed that wants its callers to wait longer than this.
_LONGEST_WAIT = 3600.0


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or from `retry-after` as a number or a date (RFC 9110, 10.2.3)."""
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return min(milliseconds / 1000, _LONGEST_WAIT)
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        moment = _moment(text)
        if moment is None:
            return None
        seconds = (moment - _now(headers)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def quotas(headers: Mapping[str, str]) -> tuple[Quota, ...]:
    """The limits of `x-ratelimit-*` (durations such as `6m0s` or `20ms`) and `anthropic-ratelimit-*` (times of day)."""
    found = []
    for name in headers:
        if match := _OPENAI.fullmatch(name.lower()):
            unit = match[1]
            reset = _duration(headers.get(f"x-ratelimit-reset-{unit}"))
            found.append(_quota(unit, headers.get(name), headers.get(f"x-ratelimit-remaining-{unit}"), reset, 0.0))
        elif match := _ANTHROPIC.fullmatch(name.lower()):
            unit = match[1]
            moment = _moment(headers.get(f"anthropic-ratelimit-{unit}-reset", ""))
            # Both moments are the server's, so that a wrong clock here does no harm; both are whole seconds.
            reset = None if moment is None else max((moment - _now(headers)).total_seconds(), 0.0)
            remaining = headers.get(f"anthropic-ratelimit-{unit}-remaining")
            found.append(_quota(unit, headers.get(name), remaining, reset, 1.0))
    return tuple(quota for quota in found if quota is not None)


def _quota(unit: str, limit: str | None, remaining: str | None, reset: float | None, coarse: float) -> Quota | None:
    most, left = _number(limit), _number(remaining)
    if most is None or left is None or reset is None or most <= 0:
        return None
    return Quota(unit, most, min(left, most), reset, coarse)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and 0 <= value < 1e15 else None


def _duration(text: str | None) -> float | None:
    if text is None:
        return None
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return _number(text)


def _moment(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _now(headers: Mapping[str, str]) -> datetime:
    return _moment(headers.get("date", "")) or datetime.now(UTC)
