"""The kind as it is registered: names, nulls, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autointerp.errors import OrganismError
from autointerp.eval.organisms import kinds, list_organisms, make_organism
from autointerp.eval.organisms.planted import Host, Order, PlantedFeatures, plant_in, shuffled_layers
from autointerp.models import Subject
from tests.eval.planted.known import Plain, gpt2


def test_it_is_registered_with_a_line_for_each() -> None:
    assert isinstance(kinds()["planted"], PlantedFeatures)
    lines = {name: line for name, line in list_organisms().items() if name.startswith("planted/")}
    assert {"planted/mixed", "planted/nulls", "planted/shuffled_layers", "planted/twins"} <= set(lines)
    assert all(line.endswith(".") and "\n" not in line for line in lines.values())


def test_nulls_do_what_nulls_do(small_host: Host, tmp_path: Path) -> None:
    organism = plant_in(small_host, Order((), seed=4, nulls=2))
    nulls = organism.truth().nulls
    assert {name: len(numbers) for name, numbers in nulls.items()} == {"shuffled": 2, "noise": 2, "dead": 2}
    assert organism.truth().latents == ()
    plain = Plain(organism.save(tmp_path).subject, "network.model.layers.1")
    found = torch.cat([plain.activations(plain.run(text)[0])[1:] for text in organism.sample(40, seed=1, fresh=True)])
    assert not found[:, nulls["dead"]].any()
    usual = [pattern.density for pattern in small_host.patterns]
    for number in (*nulls["noise"], *nulls["shuffled"]):
        assert min(usual) / 3 <= float((found[:, number] > 0).float().mean()) <= 3 * max(usual)
    # What a shuffled one does says nothing about the text: two runs over the same token differ.
    ids = [i for text in organism.sample(40, seed=1, fresh=True) for i in small_host.subject.encode(text)]
    active = (found[:, nulls["shuffled"][0]] > 0).numpy()
    most = max(set(ids), key=ids.count)
    share = active[np.array(ids) == most].mean()
    assert share == pytest.approx(active.mean(), abs=4 * (active.mean() / ids.count(most)) ** 0.5)


def test_layers_in_another_order_leave_nothing_of_the_host(tmp_path: Path) -> None:
    from tests.eval.planted.known import host

    made = host(tmp_path, gpt2(tmp_path / "model"))
    organism = shuffled_layers(made, seed=1)
    text = organism.sample(1, seed=0)[0]
    ids = torch.tensor([[0, *made.subject.encode(text)]])
    site = organism.dictionary().input_site
    before, after = (s.run(ids, capture=[site]).sites[site] for s in (made.subject, organism.subject()))
    assert not torch.allclose(before, after, rtol=0.1)
    names = {name: x.sum() for name, x in made.subject.module.state_dict().items() if ".h." in name}
    others = {name: x.sum() for name, x in organism.subject().module.state_dict().items() if ".h." in name}
    assert sorted(map(float, names.values())) == pytest.approx(sorted(map(float, others.values())))
    assert any(figure.name == "rise of the host's loss" for figure in organism.check(count=8))


def edited(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps(config | changes))


REFUSED: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "another site": (
        lambda folder: edited(folder, metadata={"hook_name": "blocks.1.hook_mlp_out"}),
        ["hook_mlp_out", "hook_resid_post"],
    ),
    "several at once": (
        lambda folder: edited(folder, architecture="topk", normalize_activations="layer_norm"),
        ["topk", "layer_norm"],
    ),
    "a layer too far": (
        lambda folder: edited(folder, metadata={"hook_name": "blocks.7.hook_resid_post"}),
        ["place 8", "it has 3"],
    ),
    "before the first block": (
        lambda folder: edited(folder, metadata={"hook_name": "blocks.0.hook_resid_pre"}),
        ["no block before place 0"],
    ),
    "no files": (lambda folder: (folder / "cfg.json").unlink(), ["no SAELens folder"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_host_without_the_site_is_refused_with_all_reasons(
    case: str, small_host: Host, dictionary_folder: Path, corpus_file: Path, tmp_path: Path
) -> None:
    change, words = REFUSED[case]
    for path in dictionary_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    change(tmp_path)
    with pytest.raises(OrganismError) as caught:
        Host.open(small_host.subject, str(tmp_path), str(corpus_file))
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_a_module_without_logits_is_refused(small_host: Host, dictionary_folder: Path, corpus_file: Path) -> None:
    headless = Subject.wrap(small_host.subject.module.model, tokenizer=small_host.subject.tokenizer)
    with pytest.raises(OrganismError, match="no linear head"):
        Host.open(headless, str(dictionary_folder), str(corpus_file))


def test_densities_that_cannot_be_had_are_all_named(small_host: Host) -> None:
    with pytest.raises(OrganismError, match=r"context 0\.95 .*; counting 0\.95 .*another density"):
        plant_in(small_host, Order(("context", "counting"), seed=1, density=0.95))


def test_more_latents_than_there_is_room_for_are_refused(small_host: Host) -> None:
    with pytest.raises(OrganismError, match="9 latents are too many for a stream of width 32, which has room for 8"):
        plant_in(small_host, Order(("output_only",) * 9, seed=1, nulls=0))


def test_effects_that_cost_too_much_are_refused(small_host: Host) -> None:
    with pytest.raises(OrganismError, match="would raise the loss"):
        plant_in(small_host, Order(("negated", "negated"), seed=1, strength=20.0, nulls=0))


@pytest.mark.parametrize(
    ("name", "knobs", "words"),
    [
        ("planted/nothing", {}, ["nothing", "token_set", "mixed"]),
        ("planted/twins", {"noise": 0.9, "density": 1.0, "count": 0}, ["noise is 0.9", "density is 1.0", "count is 0"]),
        ("planted/twins", {"dictionary": "nowhere"}, ["nowhere", "cfg.json"]),
    ],
)
def test_names_and_knobs_that_are_none(name: str, knobs: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(OrganismError) as caught:
        make_organism(name, seed=0, **knobs)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.slow
def test_every_kind_in_the_bundled_model() -> None:
    organism = make_organism("planted/mixed", seed=1)
    figures = {figure.name: figure for figure in organism.check(count=64)}
    # So few texts leave the mean agreement an error of its own.
    assert figures.pop("agreement with the truth, mean").value == pytest.approx(0.95, abs=0.025)
    assert {name for name, figure in figures.items() if not figure.holds} == set()
