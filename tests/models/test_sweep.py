"""Sweeps: every patch gives what one whole run with the same hook gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models import At, Edit, Operation, Patch, Subject, TokenIs, exchanges, sweep
from autointerp.records import Site, SiteKind
from tests.models.families import FAMILIES, hooked, write_family
from tests.models.plain import plain_run

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
PAIR = [[0, 3, 4, 5, 6, 7, 8, 9, 21], [0, 40, 30, 20, 10, 11, 12, 13, 22]]
CAUSAL = [name for name, family in FAMILIES.items() if family.causal]
ENCODERS = [name for name, family in FAMILIES.items() if family.model == "BertForMaskedLM"]


def site(layer: int, kind: str) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", params=CAUSAL + ENCODERS)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Subject]:
    folder = write_family(FAMILIES[request.param], tmp_path_factory.mktemp("family"))
    return request.param, Subject.load(str(folder))


@pytest.mark.parametrize("kind", ["head_out", "v", "resid_pre", "resid_post", "mlp_hidden"])
def test_exchanging_activations_is_what_hooks_do(family: tuple[str, Subject], kind: str) -> None:
    name, subject = family
    place = FAMILIES[name].places[kind]
    ids = subject.pad(PAIR)
    positions, heads = [1, 4, ids.shape[1] - 1], 2
    patches = exchanges(subject, [site(0, kind), site(1, kind)], positions, heads=heads)
    found = sweep(subject, ids, patches).reshape(2, heads, len(positions), -1)
    for layer in (0, 1):
        clean = hooked(subject.module, ids, capture={kind: place}, layer=layer)[0][kind][1]
        size = clean.shape[-1] // heads
        for head in range(heads):
            for number, position in enumerate(positions):
                part = slice(head * size, (head + 1) * size)

                def change(x: Tensor, position: int = position, part: slice = part, clean: Tensor = clean) -> Tensor:
                    x = x.clone()
                    x[:, position, part] = clean[position, part]
                    return x

                _, output = hooked(subject.module, ids[:1], edits={kind: (place, change)}, layer=layer)
                torch.testing.assert_close(found[layer, head, number], output.logits[0, -1], **CLOSE)


TEXTS = [[0, 70, 71, 72, 73, 74, 75], [0, 80, 81], [0, 90, 91, 92, 93]]


def mixed() -> list[Patch]:
    """Patches of all sorts: several edits, several layers, several tokens, every operation, and none at all."""
    v, w = noise(32, seed=1), noise(64, seed=2)
    return [
        Patch(0, ()),
        Patch(1, (Edit(site(0, "embed"), Operation.ADD, v, At([1])),)),
        Patch(2, (Edit(site(0, "mlp_out"), Operation.SET, v, At([0, 2, 3])),)),
        Patch(0, (Edit(site(1, "mlp_hidden"), Operation.SCALE, w),)),
        Patch(
            0,
            (
                Edit(site(1, "mlp_hidden"), Operation.SCALE, w, At([2])),
                Edit(site(1, "attn_out"), Operation.ADD, v, At([5])),
            ),
        ),
        Patch(
            1,
            (
                Edit(site(0, "resid_post"), Operation.PROJECT_OUT, v, At([-1])),
                Edit(site(2, "k"), Operation.SCALE, torch.tensor(0.5)),
            ),
        ),
        Patch(
            2,
            (
                Edit(site(1, "resid_post"), Operation.ADD, v, At([1])),
                Edit(site(1, "resid_post"), Operation.SCALE, torch.tensor(2.0), At([1, 2])),
            ),
        ),
        Patch(0, (Edit(site(2, "mlp_out"), Operation.ADD, v, At([2])),)),
        Patch(0, (Edit(site(2, "mlp_out"), Operation.ADD, v, At([-1])),)),
        Patch(0, (Edit(site(2, "resid_post"), Operation.ADD, v, At([3])),)),
        Patch(0, (Edit(site(2, "resid_post"), Operation.ADD, v, At([-1])),)),
        Patch(1, (Edit(site(0, "final"), Operation.SCALE, v),)),
        Patch(1, (Edit(site(0, "final"), Operation.SCALE, v, At([0])),)),
        Patch(2, (Edit(site(1, "head_out"), Operation.SET, torch.zeros(8), TokenIs([91, 93]), part=(8, 16)),)),
        Patch(2, (Edit(site(1, "mlp_in"), Operation.ADD, v, TokenIs([250])),)),
        Patch(0, (Edit(site(1, "q"), Operation.ADD, noise(7, 32, seed=3), At([1, 3])),)),
        Patch(0, (Edit(site(1, "pattern"), Operation.SET, torch.tensor(0.2), At([4]), part=(0, 2)),)),
        Patch(0, (Edit(site(0, "pattern"), Operation.SCALE, noise(4, 7, 7, seed=4), At([4, 6])),)),
    ]


@pytest.mark.parametrize("budget", [1024, 9])
def test_patches_of_all_sorts_equal_runs_of_their_own(
    subject: Subject, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in passes that hold next to nothing."""
    monkeypatch.setattr("autointerp.models._suffixes.limits", lambda device: (budget, 32))
    patches = mixed()
    found = sweep(subject, TEXTS, patches)
    assert found.shape == (len(patches), 300)
    for number, patch in enumerate(patches):
        alone = subject.run(torch.tensor([TEXTS[patch.text]]), edits=patch.edits, logits=True).logits[0, -1]
        torch.testing.assert_close(found[number], alone, rtol=1e-5, atol=2e-5, msg=lambda m, n=number: f"{n}: {m}")
    assert not torch.allclose(found[4], found[0], atol=1e-2)


def test_resampling_takes_from_the_clean_run(subject: Subject) -> None:
    texts = torch.tensor([text[:3] for text in TEXTS])
    first, second = site(0, "mlp_out"), site(1, "pattern")
    edits = (
        Edit(first, Operation.RESAMPLE, torch.tensor(1), At([2])),
        Edit(site(1, "mlp_out"), Operation.RESAMPLE, torch.tensor(2)),
    )
    clean = plain_run(subject.module, texts, capture=[first, site(1, "mlp_out")])[0]

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        x[:, 2] = clean[first][1, 2]
        return x

    hooks = [(first, change), (site(1, "mlp_out"), lambda x: clean[site(1, "mlp_out")][2:3])]
    _, logits = plain_run(subject.module, texts[:1], edits=hooks)
    torch.testing.assert_close(sweep(subject, texts, [Patch(0, edits)])[0], logits[0, -1], **CLOSE)
    pattern = subject.run(texts, capture=[second]).sites[second]
    alone = subject.run(
        texts[:1], edits=[Edit(second, Operation.SET, pattern[1:2, 1:2], At([2]), part=(1, 2))], logits=True
    )
    patch = Patch(0, (Edit(second, Operation.RESAMPLE, torch.tensor(1), At([2]), part=(1, 2)),))
    torch.testing.assert_close(sweep(subject, texts, [patch])[0], alone.logits[0, -1], **CLOSE)


def test_weights_make_a_number_of_each_patch(subject: Subject) -> None:
    patches, logits = mixed(), sweep(subject, TEXTS, mixed())
    weights = torch.zeros(300)
    weights[70], weights[80] = 1, -1
    torch.testing.assert_close(sweep(subject, TEXTS, patches, weights=weights), logits[:, 70] - logits[:, 80], **CLOSE)
    own = noise(3, 300)
    expected = (logits * own[[patch.text for patch in patches]]).sum(1)
    torch.testing.assert_close(sweep(subject, TEXTS, patches, weights=own), expected, rtol=1e-4, atol=1e-4)


def test_a_sweep_computes_what_changes_and_no_more(model_folder: Path) -> None:
    """Its tokens are far fewer than those of a run each, and nothing is run for what cannot matter."""
    subject = Subject.load(str(model_folder))
    ids = torch.tensor([list(range(70, 86)), list(range(90, 106))])
    patches = exchanges(subject, [site(layer, "head_out") for layer in range(3)], range(16), heads=4)
    before = subject.usage.tokens
    sweep(subject, ids, patches)
    assert subject.usage.tokens - before < 0.55 * len(patches) * 16
    before = subject.usage.tokens
    sweep(subject, ids, exchanges(subject, [site(2, "mlp_out")], range(15)))
    assert subject.usage.tokens - before == ids.numel()
    assert sweep(subject, ids, []).shape == (0, 300)


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (Patch(3, ()), "a patch of text 3: there are 0 to 2"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.ADD, noise(32), None, (0,)),)), "the patch says which text"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.RESAMPLE, torch.tensor(3)),)), "resamples from 3"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.RESAMPLE, torch.tensor([0, 1])),)), "resamples from"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.ADD, noise(31)),)), "at mlp_out.1 does not fit"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.ADD, noise(3, 7, 32)),)), "at mlp_out.1 does not fit"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.ADD, noise(5, 32)),)), "at mlp_out.1 does not fit"),
        (Patch(0, (Edit(site(1, "mlp_out"), Operation.ADD, noise(4), part=(30, 34)),)), "at mlp_out.1 does not fit"),
        (Patch(0, (Edit(site(1, "pattern"), Operation.ADD, noise(3, 1, 1)),)), "at pattern.1 does not fit"),
        (Patch(0, (Edit(site(4, "mlp_out"), Operation.ADD, noise(32)),)), "no layer 4"),
    ],
)
def test_what_cannot_be_swept(subject: Subject, patch: Patch, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        sweep(subject, TEXTS, [patch])


def test_texts_padded_on_the_right_and_odd_heads_are_refused(subject: Subject) -> None:
    with pytest.raises(ModelError, match="pad on the left"):
        sweep(subject, subject.batch(TEXTS), [])
    with pytest.raises(ModelError, match=r"head_out.0 of width 32 is not 5 heads"):
        exchanges(subject, [site(0, "head_out")], [0], heads=5)
