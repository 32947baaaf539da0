"""Organisms as files: the network in the ordinary layout, the truth in a folder of its own, the same bytes every time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast

from autointerp.errors import OutputError
from autointerp.eval.organisms._protocol import Card, Saved


def opaque_name(*parts: object) -> str:
    """A name that is the same for the same parts and tells nothing about them."""
    return f"net-{hashlib.sha256(repr(parts).encode()).hexdigest()[:10]}"


def is_fresh(text: str) -> bool:
    """Which side of the split a text is on: about half of all texts are kept for grading."""
    return hashlib.sha256(text.encode()).digest()[0] < 128


def word_tokenizer(strings: tuple[str, ...], *, bos: int, pad: int, unknown: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are words between spaces, with the ids that they have in `strings`."""
    tokenizer = Tokenizer(WordLevel({text: i for i, text in enumerate(strings)}, unk_token=strings[unknown]))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=strings[bos],
        pad_token=strings[pad],
        unk_token=strings[unknown],
        clean_up_tokenization_spaces=False,
    )


def save_organism(folder: Path, name: str, module: Any, tokenizer: Any, truth: dict[str, Any], card: Card) -> Saved:
    """Write `subjects/NAME` (config.json, model.safetensors, tokenizer) and `answers/NAME` (truth.json, card.md).

    Raises OutputError where the folder cannot be written.
    """
    saved = Saved(folder / "subjects" / name, folder / "answers" / name)
    try:
        saved.answer.mkdir(parents=True, exist_ok=True)
        save_network(saved.subject, module, tokenizer)
        (saved.answer / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
        (saved.answer / "card.md").write_text(card.markdown(), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from error
    return saved


def save_network(folder: Path, module: Any, tokenizer: Any) -> None:
    """Write a module and its tokenizer in the transformers layout."""
    folder.mkdir(parents=True, exist_ok=True)
    module.config.architectures = [type(module).__name__]
    module.config.save_pretrained(folder)
    state = {key: value.contiguous() for key, value in sorted(module.state_dict().items())}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
