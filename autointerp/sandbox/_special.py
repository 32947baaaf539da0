"""Tails of Student's t, by way of the regularised incomplete beta function."""

from __future__ import annotations

import math

_ACCURACY = 1e-15
_MOST_STEPS = 10_000
_TINY = 1e-300


def t_two_sided(t: float, df: float) -> float:
    """P(|T| >= |t|) of Student's t with `df` degrees of freedom: I_x(df/2, 1/2) at x = df / (df + t²)."""
    if math.isinf(t):
        return 0.0
    share = 1.0 / (1.0 + t * t / df)
    return incomplete_beta(df / 2, 0.5, share, t * t / df * share)


def incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """I_x(a, b) for a, b > 0 and 0 <= x <= 1, where `rest` is 1 - x (given, because a small one is lost in x).

    The continued fraction (NIST Digital Library of Mathematical Functions, 8.17.22), on that side of the mean where it
    converges fast.
    """
    if x <= 0.0 or rest <= 0.0:
        return float(x > 0.0)
    beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log(rest) - beta)
    if x < (a + 1) / (a + b + 2):
        return front / (a * _fraction(a, b, x))
    return 1.0 - front / (b * _fraction(b, a, rest))


def _fraction(a: float, b: float, x: float) -> float:
    """1 + d1 / (1 + d2 / (1 + ...)) by the method of Lentz (1976): a product of ratios of successive convergents."""
    result = above = 1.0
    below = 0.0
    for step in range(1, _MOST_STEPS):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1.0 / ((1.0 + d * below) or _TINY)
        above = (1.0 + d / above) or _TINY
        result *= above * below
        if abs(above * below - 1.0) < _ACCURACY:
            break
    return result
