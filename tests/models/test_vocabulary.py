"""Text to ids and back, and batches of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from autointerp.errors import ModelError
from autointerp.models import Batch, Subject, inspect_subject
from autointerp.models._vocabulary import Vocabulary
from autointerp.records import Site, SiteKind
from autointerp.testing import tiny_encoder


def test_batches_are_filled_up_on_either_side(subject: Subject) -> None:
    right = subject.batch([[0, 5, 6], [0]])
    left = subject.batch([[0, 5, 6], [0]], side="left")
    assert right.ids.tolist() == [[0, 5, 6], [0, 0, 0]]
    assert right.mask.tolist() == [[True, True, True], [True, False, False]]
    assert left.ids.tolist() == [[0, 5, 6], [0, 0, 0]]
    assert left.mask.tolist() == [[True, True, True], [False, False, True]]
    assert (len(right), right.ids.dtype, right.mask.dtype) == (2, torch.int64, torch.bool)
    assert subject.batch([]).ids.shape == (0, 0)


def test_a_mask_makes_padding_on_the_left_harmless(subject: Subject) -> None:
    texts = [[0, *subject.encode(text)] for text in ("def f(a):\n    return a\n", "x = 1\n")]
    batch = subject.batch(texts, side="left")
    together = subject.run(batch, logits=True).logits
    for row, text in enumerate(texts):
        alone = subject.run(torch.tensor([text]), logits=True).logits[0]
        torch.testing.assert_close(together[row][batch.mask[row]], alone, rtol=1e-5, atol=1e-5)
    plain = subject.run(Batch(batch.ids, torch.ones_like(batch.mask)), logits=True).logits
    assert not torch.allclose(plain[1], together[1], atol=1e-2)


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff"])
def test_lone_surrogates_become_replacement_characters(subject: Subject, text: str) -> None:
    ids = subject.encode(text)
    assert ids == subject.encode("".join("�" if "\ud800" <= c <= "\udfff" else c for c in text))


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\U0001f600", " "])
def test_odd_texts_survive(subject: Subject, text: str) -> None:
    assert subject.tokenizer.decode(subject.encode(text)) == text


def words_with_marks() -> PreTrainedTokenizerFast:
    """A tokenizer that marks the starts of words, and whose decoder drops the space before the first."""
    words = ["<s>", "▁the", "▁cat", "s", "▁", "a", "<0xC3>", "<0xA9>"]
    tokenizer = Tokenizer(models.BPE({word: i for i, word in enumerate(words)}, [], byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>")


def test_strings_keep_the_space_that_starts_a_word() -> None:
    vocabulary = Vocabulary("it", words_with_marks(), 8, bos=0)
    assert vocabulary.strings == ["<s>", " the", " cat", "s", " ", "a", "�", "�"]


def test_strings_of_pieces_join_up_to_text() -> None:
    pieces = {"[UNK]": 0, "play": 1, "##ing": 2, "a": 3, "##s": 4}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, cls_token="[UNK]")
    strings = Vocabulary("it", wrapped, 5, bos=0).strings
    assert strings[1:] == [" play", "ing", " a", "s"]
    assert "".join(strings[i] for i in wrapped.encode("a playing plays")) == " a playing plays"


def test_strings_of_ids_beyond_the_tokenizer_are_empty() -> None:
    # Some models round the number of their embeddings up.
    strings = Vocabulary("it", words_with_marks(), 11, bos=0).strings
    assert (len(strings), strings[8:]) == (11, ["", "", ""])


def test_an_encoder_closes_its_texts(tmp_path: Path) -> None:
    subject = Subject.load(str(tiny_encoder(tmp_path)))
    assert (subject.bos, subject.suffix, subject.padding, subject.context) == (0, (1,), 2, 63)
    assert [subject.strings[i] for i in range(3)] == ["[CLS]", "[SEP]", "[PAD]"]
    texts = [[0, *subject.encode("x = 1")], [0]]
    batch = subject.batch(texts)
    assert batch.ids[1].tolist() == [0, 1, *[2] * (batch.ids.shape[1] - 2)]
    assert (batch.mask == (batch.ids != 2)).all()
    final = Site(layer=0, kind=SiteKind.FINAL)
    torch.testing.assert_close(
        subject.run(subject.pad(texts), capture=[final]).sites, subject.run(batch, capture=[final]).sites
    )
    assert all(check.passed for check in inspect_subject(subject))
    longest = [0, *[5] * 62]
    assert subject.run(subject.pad([longest]), capture=[final]).sites[final].shape == (1, 64, 32)
    with pytest.raises(ModelError, match="65 tokens are more than the context"):
        subject.run(subject.pad([[*longest, 5]]), capture=[final])
