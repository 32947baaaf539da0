"""What is planted, against plain transformers: activations, effects on the logits, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from autointerp.eval.organisms import Organism, Truth
from autointerp.eval.organisms.planted import Host, Order, PlantedOrganism, PlantedTruth, plant_in
from autointerp.eval.organisms.planted._checking import measured
from autointerp.models import Edit, Operation, inspect_subject
from tests.eval.planted.known import KINDS, Plain

TEXTS = 12


def test_it_is_an_organism(exact: PlantedOrganism) -> None:
    assert isinstance(exact, Organism)
    assert isinstance(exact.truth(), Truth)
    assert {latent.kind for latent in exact.truth().latents} == set(KINDS)


def test_without_noise_activations_are_the_truth(exact: PlantedOrganism, plain: Plain) -> None:
    seen = set()
    for text in exact.sample(TEXTS, seed=1, fresh=True):
        activations = plain.activations(plain.run(text)[0])[1:]
        values = exact.truth().values(text)
        for latent in exact.truth().latents:
            if latent.function is not None:
                found, expected = activations[:, latent.index].numpy(), np.array(values[latent.name])
                np.testing.assert_allclose(found, expected, atol=2e-3 * max(1.0, expected.max()))
                seen |= {latent.index} if expected.any() else set()
            else:
                assert set(values[latent.name]) == {None}
    assert len(seen) > 2


def test_the_effect_on_the_logits_is_as_stated_and_nothing_else_moves(exact: PlantedOrganism, plain: Plain) -> None:
    tried = 0
    for text in exact.sample(TEXTS, seed=2, fresh=True):
        stream, before = plain.run(text)
        activations = plain.activations(stream)
        for latent in exact.truth().latents:
            for place in activations[1:, latent.index].nonzero()[:1, 0].tolist():
                amount = float(activations[place + 1, latent.index])
                direction = plain.weights["W_dec"][latent.index]
                for change in (-amount, 0.5 * amount):
                    after = plain.run(text, place=place + 1, added=change * direction)[1]
                    moved = (after - before).numpy()
                    stated = np.full(len(latent.effect.ids), latent.effect.per_unit * change)
                    np.testing.assert_allclose(moved[place + 1][list(latent.effect.ids)], stated, rtol=0.01, atol=1e-3)
                    rest = np.delete(moved[place + 1], latent.effect.ids)
                    assert np.abs(rest).max() <= latent.effect.others * abs(change) + 1e-3
                    assert not moved[: place + 1].any()
                    tried += 1
    assert tried > 2 * TEXTS


def test_a_decoy_fits_the_text_and_does_nothing(small_host: Host, tmp_path: Path) -> None:
    organism = plant_in(small_host, Order(("decoy", "token_set"), seed=3, noise=0.0, strength=0.3, nulls=0))
    plain = Plain(organism.save(tmp_path).subject, "network.model.layers.1")
    truth = organism.truth()
    decoy, other = sorted(truth.latents, key=lambda latent: latent.kind)
    assert (decoy.kind, decoy.effect.ids) == ("decoy", ())
    assert [edge for edge in truth.edges if edge.target == "logits"] == [
        edge for edge in truth.edges if edge.source == other.name and edge.target == "logits"
    ]
    moved: dict[str, list[float]] = {"decoy": [], "token_set": []}
    for text in organism.sample(TEXTS, seed=1, fresh=True):
        stream, before = plain.run(text)
        activations = plain.activations(stream)
        expected = np.array(truth.values(text)[decoy.name])
        np.testing.assert_allclose(activations[1:, decoy.index], expected, atol=2e-3 * max(1.0, expected.max()))
        for latent in (decoy, other):
            for place in activations[1:, latent.index].nonzero()[:1, 0].tolist():
                change = -activations[place + 1, latent.index] * plain.weights["W_dec"][latent.index]
                after = plain.run(text, place=place + 1, added=change)[1]
                moved[latent.kind].append(float((after - before).abs().max()))
    assert max(moved["decoy"]) < 1e-3 < 1e-2 < min(moved["token_set"])
    figures = {figure.name: figure for figure in organism.check(count=24)}
    assert [name for name, figure in figures.items() if not figure.holds and "agreement" not in name] == []


def test_where_nothing_is_active_the_host_is_what_it_was(any_host: Host, exact: PlantedOrganism, plain: Plain) -> None:
    text = exact.sample(1, seed=3)[0]
    ids = torch.tensor([[0, *any_host.subject.encode(text)]])
    plain.model.channel.on = False
    try:
        torch.testing.assert_close(plain.run(text)[1], any_host.subject.run(ids, logits=True).logits[0])
    finally:
        plain.model.channel.on = True


def test_it_is_an_ordinary_subject(any_host: Host, exact: PlantedOrganism) -> None:
    subject = exact.subject()
    assert subject.sites() == any_host.subject.sites()
    assert [check.name for check in inspect_subject(subject) if not check.passed] == []
    torch.testing.assert_close(subject.unembedding, any_host.subject.unembedding)


def test_a_run_that_resumes_gives_the_same(exact: PlantedOrganism) -> None:
    subject, dictionary = exact.subject(), exact.dictionary()
    site = dictionary.output_site
    if site.kind != "resid_post":
        pytest.skip("runs resume from resid_post")
    ids = subject.pad([[subject.bos, *subject.encode(text)] for text in exact.sample(4, seed=4)])
    whole = subject.run(ids, capture=[site], logits=True)
    edit = Edit(site, Operation.ADD, dictionary.direction(exact.truth().latents[0].index))
    for edits in ([], [edit]):
        resumed = subject.run(ids, edits=edits, logits=True, start=(site, whole.sites[site])).logits
        torch.testing.assert_close(resumed, subject.run(ids, edits=edits, logits=True).logits, atol=1e-4, rtol=1e-4)


def test_padding_changes_nothing(exact: PlantedOrganism) -> None:
    subject = exact.subject()
    rows = [[subject.bos, *subject.encode(text)] for text in exact.sample(3, seed=5)]
    site = exact.dictionary().input_site
    batches = [subject.batch(rows, side=side) for side in ("right", "left")]
    right, left = (subject.run(batch, capture=[site]).sites[site] for batch in batches)
    for row, ids in enumerate(rows):
        alone = subject.run(torch.tensor([ids]), capture=[site]).sites[site][0]
        torch.testing.assert_close(right[row, : len(ids)], alone, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(left[row, -len(ids) :], alone, atol=1e-3, rtol=1e-3)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_seed_gives_the_same_bytes(small_host: Host, tmp_path: Path) -> None:
    order = Order(("token_set",), seed=5, strength=0.3)
    made = [plant_in(small_host, order).save(tmp_path / name) for name in "ab"]
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
    other = plant_in(small_host, Order(("token_set",), seed=6, strength=0.3)).save(tmp_path / "c")
    assert other.subject.name != made[0].subject.name
    assert files_of(other.subject)["model.safetensors"] != files_of(made[0].subject)["model.safetensors"]


def test_what_is_saved_says_nothing_and_the_answer_everything(exact: PlantedOrganism, tmp_path: Path) -> None:
    saved = exact.save(tmp_path)
    assert not saved.answer.is_relative_to(saved.subject)
    shown = [path for path in saved.subject.rglob("*") if path.suffix == ".json" and "tokenizer" not in path.name]
    assert len(shown) == 2 + (saved.subject / "generation_config.json").is_file()
    for path in shown:
        text = path.read_text().lower()
        assert not any(word in text for word in (*KINDS, "plant", "organism", "null", str(tmp_path)) if word != "null")
    record = json.loads((saved.answer / "truth.json").read_text())
    again = PlantedTruth.from_record(record, exact.truth().tokens)
    assert again.latents == exact.truth().latents
    text = exact.sample(1, seed=7)[0]
    assert again.values(text) == exact.truth().values(text)


def test_fresh_texts_are_none_of_the_others(small_host: Host) -> None:
    known, fresh = (set(small_host.texts.sample(150, seed=seed, fresh=bool(seed))) for seed in (0, 1))
    assert len(known) == len(fresh) == 150
    assert not known & fresh


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_agreement_is_what_the_noise_knob_says(small_host: Host, noise: float) -> None:
    kinds = ("token_set", "context", "thresholded")
    organism = plant_in(small_host, Order(kinds, seed=2, noise=noise, density=0.05, strength=0.3, nulls=0))
    # Noise follows the text so far: the made-up modules begin alike, and would all get the same.
    texts = [f"{number}\n{text}"[:100] for number, text in enumerate(organism.sample(240, seed=1, fresh=True))]
    found, _ = measured(organism.subject(), organism.dictionary(), organism.truth(), texts, noise=noise, seed=0)
    figures = {figure.name: figure for figure in found}
    assert figures["agreement with the truth, mean"].value == pytest.approx(1 - noise, abs=0.025)
    assert figures["density as a share of that stated, median"].value == pytest.approx(1, abs=0.25)
    assert figures["effects of the stated sign"].value == 1.0
    assert figures["error of an effect's size, largest"].holds
    assert figures["other logits beyond what is stated, largest"].holds
