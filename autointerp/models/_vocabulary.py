"""Text to token ids and back, and the tokens that have a role of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from autointerp.errors import ModelError

#: The tokens of a tokenizer that may begin every text, best first.
_BEGINNINGS = ("bos_token_id", "cls_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer and the roles of its tokens.

    Attributes
    ----------
    owner: what the tokenizer belongs to, for messages.
    tokenizer: one of transformers; None for a model that was given none.
    size: how many ids the model knows.
    bos: the id that every text starts with.
    suffix: what closes every text.
    padding: the id that fills up a batch.
    """

    owner: str
    tokenizer: Any
    size: int
    bos: int
    suffix: tuple[int, ...] = ()
    padding: int = 0

    def encode(self, text: str) -> list[int]:
        """Token ids without specials; a lone surrogate, which no encoding of text has, becomes U+FFFD."""
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        ids: list[int] = self._given().encode(text, add_special_tokens=False)
        return ids

    @cached_property
    def strings(self) -> list[str]:
        """Every id as the text that it adds after others; a byte that is no whole character reads U+FFFD.

        A tokenizer that marks the starts of words drops the space before the first one, so each token is decoded behind
        another.
        """
        decode = self._decode
        alone = decode([[i] for i in range(self.size)])
        letters = islice((i for i, text in enumerate(alone) if len(text) == 1 and text.isascii() and text.isalpha()), 1)
        for anchor in letters:
            start = alone[anchor]
            texts = decode([[anchor, i] for i in range(self.size)])
            return [
                text[len(start) :] if text.startswith(start) else single
                for text, single in zip(texts, alone, strict=True)
            ]
        return alone

    def _decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        texts: list[str] = self._given().batch_decode(ids, clean_up_tokenization_spaces=False)
        return texts

    def _given(self) -> Any:
        if self.tokenizer is None:
            raise ModelError(f"{self.owner} has no tokenizer: give Subject.wrap one, or pass token ids")
        return self.tokenizer


def vocabulary_of(owner: str, tokenizer: Any, size: int, *, causal: bool) -> Vocabulary:
    """The roles of a tokenizer's tokens: what starts a text, and for an encoder what closes it and fills up a batch.

    Raises ModelError where no token can start a text.
    """
    beginnings = (getattr(tokenizer, name) for name in _BEGINNINGS)
    bos = next((i for i in beginnings if i is not None), None)
    if bos is None:
        raise ModelError(
            f"the tokenizer of {owner} has no BOS token, nor CLS, EOS or PAD: add one, since every text starts with it"
        )
    if causal:
        return Vocabulary(owner, tokenizer, size, bos, padding=bos)
    suffix = () if tokenizer.sep_token_id is None else (tokenizer.sep_token_id,)
    if tokenizer.pad_token_id is None:
        raise ModelError(
            f"the tokenizer of {owner} has no PAD token: add one, since an encoder sees what fills a batch up"
        )
    return Vocabulary(owner, tokenizer, size, bos, suffix, tokenizer.pad_token_id)
