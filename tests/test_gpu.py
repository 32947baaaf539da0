"""On a GPU every room computes what it computes on the processor. `pytest -m gpu`, on a machine that has one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from autointerp.activations import Index, activations_on, build_index, feature_stats, open_corpus
from autointerp.circuits import (
    LatentParts,
    Pair,
    Parts,
    Task,
    edge_attribution,
    edge_patching,
    integrated_edge_attribution,
    integrated_latent_attribution,
    latent_attribution,
    node_attribution,
    node_patching,
)
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.models import At, Edit, Objective, Operation, Subject, inspect_subject
from autointerp.records import Score, Site, SiteKind
from autointerp.study import Laboratory, study_feature

pytestmark = pytest.mark.gpu

TEXTS = ("def f(a):", "x = [1, 2]\n", "for i in range(10): print(i)")


@pytest.fixture(scope="module")
def here(model_folder: Path) -> Subject:
    return Subject.load(str(model_folder), device="cpu")


@pytest.fixture(scope="module")
def there(model_folder: Path) -> Subject:
    subject = Subject.load(str(model_folder))
    assert subject.device.type != "cpu", "no GPU here"
    return subject


@pytest.fixture(scope="module")
def dictionaries(here: Subject, there: Subject, dictionary_folder: Path) -> tuple[Dictionary, Dictionary]:
    return open_dictionary(str(dictionary_folder), here), open_dictionary(str(dictionary_folder), there)


@pytest.fixture(scope="module")
def indices(
    here: Subject,
    there: Subject,
    dictionaries: tuple[Dictionary, Dictionary],
    corpus_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Index, Index]:
    folder, corpus = tmp_path_factory.mktemp("indices"), open_corpus(str(corpus_file))
    one, two = (
        build_index(subject, dictionary, corpus, folder / subject.device.type, key="k")
        for subject, dictionary in zip((here, there), dictionaries, strict=True)
    )
    return one, two


@pytest.fixture(scope="module")
def task() -> Task:
    pairs = []
    for seed in range(6):
        ids = torch.randint(3, 300, (7,), generator=torch.Generator().manual_seed(seed)).tolist()
        changed = [*ids[:3], 2, *ids[4:]]
        pairs.append(Pair((0, *ids), (0, *changed), (10, 11), (20,)))
    return Task("made up", tuple(pairs))


def close(found: Tensor | None, expected: Tensor | None) -> None:
    assert found is not None
    assert expected is not None
    torch.testing.assert_close(found.detach().cpu(), expected.detach().cpu(), rtol=1e-3, atol=1e-3)


def test_readings_edits_and_gradients(here: Subject, there: Subject) -> None:
    assert all(check.passed for check in inspect_subject(there))
    sites = [site for site in here.sites() if site.layer == 1]
    stream = Site(layer=0, kind=SiteKind.RESID_POST)
    runs = []
    for subject in (here, there):
        batch = subject.batch([subject.encode(text) for text in TEXTS], side="left")
        edit = Edit(stream, Operation.ADD, torch.linspace(-1.0, 1.0, subject.width), At((2,)))
        aim = Objective(torch.linspace(-1.0, 1.0, len(subject.strings)))
        runs.append(subject.run(batch, capture=sites, edits=[edit], logits=True, grad_of=aim))
    for site in sites:
        close(runs[1].sites[site], runs[0].sites[site])
        close(runs[1].grads[site], runs[0].grads[site])
    close(runs[1].logits, runs[0].logits)


def test_texts_that_are_generated(here: Subject, there: Subject) -> None:
    prompts = [here.encode(text) for text in TEXTS]
    expected, found = (one.generate(prompts, max_new_tokens=8, stop=()).texts for one in (here, there))
    assert found == expected


def test_an_index_and_what_it_says(
    here: Subject, there: Subject, dictionaries: tuple[Dictionary, Dictionary], indices: tuple[Index, Index]
) -> None:
    expected, found = indices
    # Activations are kept in 16 bits, so that one at the threshold may fall to the other side.
    difference = np.abs(found.active.astype(int) - expected.active.astype(int))
    assert difference.max() <= 2
    feature = int(np.argmax(expected.active))
    one, two = (
        feature_stats(subject, dictionary, index, feature)
        for subject, dictionary, index in zip((here, there), dictionaries, indices, strict=True)
    )
    assert two.density == pytest.approx(one.density, rel=1e-2)
    assert found.train.tokens.tolist() == expected.train.tokens.tolist()


def test_activations_of_a_text(
    here: Subject, there: Subject, dictionaries: tuple[Dictionary, Dictionary], indices: tuple[Index, Index]
) -> None:
    feature = int(np.argmax(indices[0].active))
    texts = [[here.bos, *here.encode(text)] for text in TEXTS]
    lengths = np.array([len(text) for text in texts], dtype=np.int32)
    ids = here.pad(texts).numpy().astype(np.int32)
    expected, found = (
        activations_on(subject, dictionary, feature, ids, lengths)
        for subject, dictionary in zip((here, there), dictionaries, strict=True)
    )
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_effects_of_edges_and_nodes(here: Subject, there: Subject, task: Task) -> None:
    one, two = Parts(here), Parts(there)
    for edges in (edge_attribution, integrated_edge_attribution):
        close(edges(two, task).by_pair, edges(one, task).by_pair)
    for nodes in (node_attribution, node_patching):
        close(nodes(two, task), nodes(one, task))
    few = torch.zeros_like(one.graph.allowed)
    few[-1], few[:, 1] = True, True
    expected, found = (edge_patching(parts, task, few) for parts in (one, two))
    assert expected.by_pair.abs().max() > 0.01
    close(found.by_pair, expected.by_pair)


def test_effects_of_latents(
    here: Subject, there: Subject, task: Task, dictionaries: tuple[Dictionary, Dictionary]
) -> None:
    one, two = (LatentParts(s, [d]) for s, d in zip((here, there), dictionaries, strict=True))
    for method in (latent_attribution, integrated_latent_attribution):
        expected, found = (method(parts, task) for parts in (one, two))
        nodes = expected.top(20)
        assert expected.of(nodes).abs().max() > 0.01
        close(found.of(nodes), expected.of(nodes))


def test_a_feature_is_explained_and_graded_alike(
    here: Subject, there: Subject, dictionaries: tuple[Dictionary, Dictionary], indices: tuple[Index, Index]
) -> None:
    feature = int(np.argsort(indices[0].active)[-3])
    expected, found = (
        study_feature(Laboratory(subject, dictionary, index, seed=0), feature)
        for subject, dictionary, index in zip((here, there), dictionaries, indices, strict=True)
    )
    assert found.explanation.verdict == expected.explanation.verdict
    assert any(isinstance(score, Score) for score in expected.scores)
    for a, b in zip(expected.scores, found.scores, strict=True):
        assert (a.name, type(a)) == (b.name, type(b))
        if isinstance(a, Score) and isinstance(b, Score):
            assert b.value == pytest.approx(a.value, abs=0.05)
