"""Norms as formulas: those of torch and transformers are known, and what is no norm is not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from autointerp.circuits._scaling import Norm, scaling_of

WIDTH = 24


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def filled(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for number, weight in enumerate(module.parameters()):
            weight.copy_(noise(WIDTH, seed=10 + number))
    return module


@pytest.mark.parametrize(
    ("norm", "centred"),
    [
        (filled(nn.LayerNorm(WIDTH, eps=1e-3)), True),
        (filled(nn.RMSNorm(WIDTH, eps=1e-5)), False),
        (filled(LlamaRMSNorm(WIDTH, eps=1e-2)), False),
        (filled(GemmaRMSNorm(WIDTH)), False),
    ],
    ids=["LayerNorm", "RMSNorm", "Llama", "Gemma"],
)
def test_the_formula_is_the_module(norm: nn.Module, centred: bool) -> None:
    found = scaling_of(norm, noise(6, WIDTH, seed=0))
    assert found is not None
    assert found.centred is centred
    x = 3 * noise(5, WIDTH, seed=1) + 1
    torch.testing.assert_close(found(x), norm(x).detach(), rtol=1e-4, atol=1e-5)


def test_nothing_is_a_formula_too() -> None:
    found = scaling_of(lambda x: x, noise(6, WIDTH, seed=0))
    assert found is not None
    assert found.eps is None


@pytest.mark.parametrize("norm", [torch.tanh, lambda x: x / x.abs().sum(-1, keepdim=True).clamp(min=1)])
def test_another_function_has_none(norm: Norm) -> None:
    assert scaling_of(norm, noise(6, WIDTH, seed=0)) is None
