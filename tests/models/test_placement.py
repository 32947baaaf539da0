"""Devices, number formats, and what runs elsewhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from autointerp.errors import ModelError
from autointerp.models import At, Edit, Objective, Operation, Subject, inspect_subject
from autointerp.models._remote import RemoteModel
from autointerp.records import Site, SiteKind
from tests.models.families import FAMILIES, write_family

FINAL = Site(layer=0, kind=SiteKind.FINAL)
IDS = torch.tensor([[0, 5, 6, 7, 8]])


def test_the_device_is_chosen_and_the_reason_given(subject: Subject) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        assert subject.device.type != "cpu"
        assert "available" in subject.reason
    else:
        assert subject.device == torch.device("cpu")
        assert subject.reason == "neither CUDA nor Metal (MPS) is available"


def test_a_device_that_was_asked_for(model_folder: Path) -> None:
    subject = Subject.load(str(model_folder), device="cpu")
    assert (subject.device.type, subject.reason) == ("cpu", "asked for")


@pytest.mark.parametrize("device", ["cuda:97", "tpu", "quantum", ""])
def test_a_device_that_is_not_there(model_folder: Path, device: str) -> None:
    with pytest.raises(ModelError, match=f"no device '{device}' here: give auto"):
        Subject.load(str(model_folder), device=device)


def test_a_dtype_that_is_none(model_folder: Path) -> None:
    with pytest.raises(ModelError, match="no dtype 'float8': give auto, float32, bfloat16"):
        Subject.load(str(model_folder), dtype="float8")


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "gpt_neox parallel", "olmo2", "bert"])
def test_bfloat16_passes_its_checks_and_is_close(tmp_path: Path, name: str) -> None:
    folder = str(write_family(FAMILIES[name], tmp_path))
    exact, rounded = Subject.load(folder), Subject.load(folder, dtype="bfloat16")
    assert {parameter.dtype for parameter in rounded.module.parameters()} == {torch.bfloat16}
    checks = inspect_subject(rounded)
    assert all(check.passed for check in checks)
    # The format has eight bits, and what counts as rounding follows it.
    assert {check.limit for check in checks} == {8 * torch.finfo(torch.bfloat16).eps}
    assert {check.limit for check in inspect_subject(exact)} == {1e-4}
    found = rounded.run(IDS, capture=[FINAL]).sites[FINAL].float()
    expected = exact.run(IDS, capture=[FINAL]).sites[FINAL]
    assert float((found - expected).norm() / expected.norm()) < 0.1
    if exact.unembedding is not None:
        torch.testing.assert_close(rounded.unembedding, exact.unembedding, rtol=0.02, atol=0.02)


def test_float64_is_double(model_folder: Path) -> None:
    subject = Subject.load(str(model_folder), dtype="float64")
    assert subject.run(IDS, capture=[FINAL]).sites[FINAL].dtype == torch.float64


@pytest.mark.skipif(importlib.util.find_spec("accelerate") is not None, reason="accelerate is installed")
def test_a_device_map_needs_accelerate(model_folder: Path) -> None:
    with pytest.raises(ModelError, match="a device map needs the package accelerate: pip install accelerate"):
        Subject.load(str(model_folder), device_map="auto")


@pytest.mark.skipif(importlib.util.find_spec("accelerate") is None, reason="needs accelerate")
def test_a_device_map_puts_parts_in_places(model_folder: Path, subject: Subject) -> None:
    mapped = Subject.load(str(model_folder), device_map={"": "cpu"})
    assert "device map" in mapped.reason
    torch.testing.assert_close(mapped.run(IDS, logits=True).logits, subject.run(IDS, logits=True).logits)


@pytest.mark.gpu
def test_on_a_gpu_the_numbers_are_the_same(model_folder: Path) -> None:
    here, there = Subject.load(str(model_folder), device="cpu"), Subject.load(str(model_folder))
    assert there.device.type != "cpu"
    assert all(check.passed for check in inspect_subject(there))
    found = there.run(IDS, logits=True).logits.cpu()
    torch.testing.assert_close(found, here.run(IDS, logits=True).logits, rtol=1e-3, atol=1e-3)


def test_remote_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsight.CONFIG.API.APIKEY", None)
    with pytest.raises(ModelError, match="gpt2 cannot run remotely without a key for NDIF: set NDIF_API_KEY"):
        Subject.load("gpt2", remote=True)


def test_remote_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnsight.CONFIG.API.APIKEY", "not a key")
    with pytest.raises(
        ModelError, match=r"nobody/no-such-model cannot be run remotely: .*check its name and the network"
    ):
        Subject.load("nobody/no-such-model", remote=True)


@pytest.fixture
def rehearsed(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    """A remote subject whose traces go through nnsight's rehearsal: serialised as for NDIF, and run here without our code."""
    monkeypatch.setattr("nnsight.CONFIG.API.APIKEY", "not a key")
    monkeypatch.setattr(RemoteModel, "where", "local")
    return Subject.load(str(model_folder), remote=True)


def test_a_remote_run_is_a_run(rehearsed: Subject, subject: Subject) -> None:
    assert (rehearsed.width, rehearsed.layers, rehearsed.bos) == (32, 3, 0)
    keys, stream = (Site(layer=1, kind=kind) for kind in (SiteKind.K, SiteKind.RESID_POST))
    edit = Edit(keys, Operation.ADD, torch.linspace(-1.0, 1.0, 16), At((2,)))
    batch = subject.batch([[0, 5, 6, 7], [0, 8, 9]], side="left")
    found, expected = (
        one.run(batch, capture=[stream, FINAL], edits=[edit], logits=True) for one in (rehearsed, subject)
    )
    torch.testing.assert_close(found.sites, expected.sites)
    torch.testing.assert_close(found.logits, expected.logits)
    resumed = rehearsed.run(batch, logits=True, start=(stream, found.sites[stream]))
    torch.testing.assert_close(resumed.logits, expected.logits)
    assert rehearsed.usage.forward_passes == 3  # one of them to find the widths
    with pytest.raises(ModelError, match="runs remotely, where no gradients are taken"):
        rehearsed.run(batch, capture=[stream], grad_of=Objective(torch.ones(1)))


def test_a_remote_generation_is_a_generation(rehearsed: Subject, subject: Subject) -> None:
    prompts = [[0, 5, 6, 7], [0, 8]]
    found, expected = (one.generate(prompts, max_new_tokens=3, stop=()) for one in (rehearsed, subject))
    assert found.texts == expected.texts
