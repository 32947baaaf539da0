"""Padding changes nothing: what is read of a text in a batch is what is read of it alone, on either side, in every family."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models import At, Batch, Continuation, Edit, Operation, Subject
from autointerp.records import Site, SiteKind
from tests.models.families import FAMILIES, WIDTH, write_family

TEXTS = [[0, 3, 4, 5, 6, 7, 8, 9, 30, 31, 32], [0, 40, 30, 20], [0, 11], [0, 12, 13, 14, 15, 16, 17]]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
KINDS = ("embed", "q", "k", "head_out", "attn_out", "mlp_hidden", "resid_post", "final")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return Subject.load(str(write_family(FAMILIES[request.param], tmp_path_factory.mktemp("family"))))


def sites(subject: Subject) -> list[Site]:
    kinds = [SiteKind(kind) for kind in KINDS]
    return [site for site in subject.sites() if site.kind in kinds and site.layer in (0, 1)]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_equals_single_runs(family: Subject, side: str) -> None:
    where, head = sites(family), family.has_logits
    batch = family.batch(TEXTS, side=side)
    edit = Edit(Site(layer=0, kind="resid_post"), Operation.ADD, torch.ones(WIDTH), At([1, -1]))
    for edits in ([], [edit]):
        together = family.run(batch, capture=where, edits=edits, logits=head)
        for row, text in enumerate(TEXTS):
            alone = family.run(family.batch([text]), capture=where, edits=edits, logits=head)
            real = batch.mask[row]
            for site in where:
                torch.testing.assert_close(together.sites[site][row][real], alone.sites[site][0], **CLOSE)
            if head:
                torch.testing.assert_close(together.logits[row][real], alone.logits[0], **CLOSE)


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_the_padding_is_makes_no_difference(family: Subject, side: str) -> None:
    where = Site(layer=1, kind="resid_post")
    batch = family.batch(TEXTS, side=side)
    other = Batch(torch.where(batch.mask, batch.ids, 7), batch.mask)
    first, second = (family.run(one, capture=[where]).sites[where][batch.mask] for one in (batch, other))
    torch.testing.assert_close(first, second, **CLOSE)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", ["pattern", "resid_post"])
def test_a_row_of_padding_alone_is_finite_and_harms_no_other(family: Subject, side: str, kind: str) -> None:
    """With either attention: the pattern is read from one that is written out."""
    where, stream = Site(layer=1, kind=kind), Site(layer=1, kind="resid_post")
    batch = family.batch(TEXTS[:2], side=side)
    empty = Batch(torch.cat([batch.ids, batch.ids[:1]]), torch.cat([batch.mask, torch.zeros_like(batch.mask[:1])]))
    run = family.run(empty, capture=[where, stream])
    assert torch.isfinite(run.sites[where]).all()
    clean = family.run(batch, capture=[stream]).sites[stream]
    torch.testing.assert_close(run.sites[stream][:2][batch.mask], clean[batch.mask], **CLOSE)


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_edit_of_the_pattern_reaches_no_padding(family: Subject, side: str) -> None:
    where, stream = Site(layer=1, kind="pattern"), Site(layer=1, kind="resid_post")
    edit = Edit(where, Operation.ADD, torch.tensor(0.25), At([-1]), part=(1, 3))
    batch = family.batch(TEXTS, side=side)
    together = family.run(batch, capture=[stream], edits=[edit]).sites[stream]
    for row, text in enumerate(TEXTS):
        alone = family.run(family.batch([text]), capture=[stream], edits=[edit]).sites[stream]
        torch.testing.assert_close(together[row][batch.mask[row]], alone[0], **CLOSE)


def test_a_mask_of_another_shape_is_refused(subject: Subject) -> None:
    ids = torch.zeros(2, 3, dtype=torch.int64)
    for mask in (torch.ones(2, 2, dtype=torch.bool), torch.ones(2, 3)):
        with pytest.raises(ModelError, match="the mask of a batch"):
            subject.run(Batch(ids, mask))
    for wrong in (ids[0], ids.float(), ids[:0], ids[:, :0]):
        with pytest.raises(ModelError, match=r"texts are int64 \[batch, tokens\]"):
            subject.run(wrong)


class Bag(nn.Module):
    """Takes no mask: each token is the mean of those so far, or of all."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.embed, self.head, self.causal = nn.Embedding(20, 8), nn.Linear(8, 20), causal

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids)
        so_far = x.cumsum(1) / torch.arange(1, ids.shape[1] + 1)[:, None]
        return self.head(so_far if self.causal else x.mean(1, keepdim=True).expand_as(x))


def test_a_model_that_takes_no_mask_is_given_no_padding_to_read() -> None:
    where = Site(layer=0, kind="embed")
    for causal in (True, False):
        subject = Subject.wrap(Bag(causal), sites={"embed": "embed"}, logits="head", causal=causal)
        texts = [[0, 3, 4], [0, 5]]
        with pytest.raises(ModelError, match="takes no mask and would read padding as text"):
            subject.run(subject.batch(texts, side="left"), capture=[where])
        assert subject.run(subject.batch(texts[:1]), capture=[where], logits=True).logits.shape == (1, 3, 20)
    subject = Subject.wrap(Bag(True), sites={"embed": "embed"}, logits="head")
    together = subject.run(subject.batch(texts), logits=True).logits
    torch.testing.assert_close(together[1:, :2], subject.run(subject.batch(texts[1:]), logits=True).logits, **CLOSE)
    with subject.worker() as worker:
        # Where they cannot share a pass they do without.
        requests = [Continuation(subject.batch([text]), 3) for text in texts]
        found = [future.result(20).texts for future in [worker.submit(request) for request in requests]]
    assert found == [subject.generate([text], max_new_tokens=3, stop=()).texts for text in texts]
