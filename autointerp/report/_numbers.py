"""Numbers as people read them: few digits, never a negative zero, never an exponent where a plain number is short."""

from __future__ import annotations

import math


def score_number(value: float) -> str:
    """A score: two decimals, fewer where it is large."""
    digits = 2 if abs(value) < 100 else 0
    return _without_negative_zero(f"{value:.{digits}f}")


def number(value: float) -> str:
    """Three significant digits, thousands apart by a comma."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) < 1e-4:
        return f"{value:.2g}"
    text = f"{value:.3g}"
    return f"{value:.0f}" if "e" in text else text


def signed(value: float) -> str:
    """As `score_number`, with a plus in front of what is positive."""
    text = score_number(value)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def percent(share: float) -> str:
    """A share in percent, two significant digits."""
    if share == 0:
        return "0%"
    return f"{100 * share:.2g}%" if 100 * share < 99.5 else f"{100 * share:.0f}%"


def one_in(share: float) -> str:
    """How rare that is: "1 in 230"."""
    return f"1 in {1 / share:,.0f}" if share > 0 else "never"


def duration(seconds: float) -> str:
    """Seconds in the units in which a person would say them."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def dollars(amount: float) -> str:
    """An amount of money; "free" only where nothing at all was spent."""
    if amount == 0:
        return "free"
    return f"${amount:.2f}" if amount >= 0.1 else f"${amount:.2g}"


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high` (which must differ), roughly `about` of them."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _without_negative_zero(text: str) -> str:
    return text.removeprefix("-") if not text.strip("-0.") else text
