"""Levels to activations: the agreement that the noise leaves, and the distribution that is copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autointerp.eval.organisms.planted._values import Values, valued
from autointerp.eval.organisms.planted.network._extension import _uniform

SHARES = np.array([0.9, 0.03, 0.02, 0.0, 0.02, 0.01, 0.01, 0.005, 0.005])
TEMPLATE = np.sort(np.random.default_rng(0).gamma(2.0, 6.0, size=500) + 5)


def simulated(values: Values, positions: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and activations, drawn as the description says."""
    random = np.random.default_rng(seed)
    levels = random.choice(9, size=positions, p=SHARES)
    others = random.choice(9, size=positions, p=SHARES)
    shown = np.where(random.random(positions) < values.resampled, others, levels)
    grid = np.linspace(0, 1, values.quantiles.shape[1])
    drawn = np.empty(positions)
    for level, quantiles in enumerate(values.quantiles):
        here = shown == level
        drawn[here] = np.interp(random.random(here.sum()), grid, quantiles)
    return values.middle[levels], drawn


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.1, 0.3])
def test_agreement_is_what_the_noise_leaves(noise: float) -> None:
    values = valued(TEMPLATE, SHARES, noise, known=True)
    assert values.agreement == pytest.approx(1 - noise, abs=1e-9)
    truth, shown = simulated(values, 400_000, 1)
    assert np.corrcoef(truth, shown)[0, 1] == pytest.approx(1 - noise, abs=0.005)
    assert (shown > 1e-9).mean() == pytest.approx(0.1, abs=0.003)


def test_activations_are_distributed_like_those_of_the_latent_they_imitate() -> None:
    values = valued(TEMPLATE, SHARES, 0.3, known=True)
    _, shown = simulated(values, 400_000, 2)
    active = shown[shown > 1e-9]
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(active, share) == pytest.approx(np.quantile(TEMPLATE, share), rel=0.05)


def test_without_a_function_every_level_is_drawn() -> None:
    assert valued(TEMPLATE, SHARES, 0.05, known=False).resampled == 1.0


def test_draws_are_uniform_and_do_not_follow_each_other() -> None:
    numbers = torch.arange(100_000)
    first, second = (_uniform(numbers, stream).double() for stream in (1, 2))
    assert float(first.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(first.var()) == pytest.approx(1 / 12, abs=0.002)
    for other in (second, first.roll(1)):
        assert abs(float(torch.corrcoef(torch.stack([first, other]))[0, 1])) < 0.02
