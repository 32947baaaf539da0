"""Networks and dictionaries as files: the ordinary layouts, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

from autointerp.errors import OutputError
from autointerp.eval.organisms._protocol import Card, Saved
from autointerp.eval.organisms.planted._source import CONFIG, WEIGHTS, Source

#: The folder of the dictionary in that of the network.
DICTIONARY = "dictionary"


def write_network(folder: Path, module: Any, tokenizer: Any, dictionary: Source) -> None:
    """Write config.json, model.safetensors and tokenizer, and the dictionary below them."""
    folder.mkdir(parents=True, exist_ok=True)
    module.config.architectures = [type(module).__name__]
    module.config.save_pretrained(folder)
    save_file(_state(module), folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
    (folder / DICTIONARY).mkdir(exist_ok=True)
    (folder / DICTIONARY / CONFIG).write_text(json.dumps(dictionary.config, indent=2) + "\n", encoding="utf-8")
    save_arrays(dict(sorted(dictionary.weights.items())), folder / DICTIONARY / WEIGHTS)


def write_organism(
    folder: Path, name: str, module: Any, tokenizer: Any, dictionary: Source, truth: dict[str, Any], card: Card
) -> Saved:
    """Write `subjects/NAME` and, apart from it, `answers/NAME` (truth.json, card.md).

    Raises OutputError where the folder cannot be written.
    """
    saved = Saved(folder / "subjects" / name, folder / "answers" / name)
    try:
        saved.answer.mkdir(parents=True, exist_ok=True)
        write_network(saved.subject, module, tokenizer, dictionary)
        record = {"name": name, "card": card.record(), **truth}
        (saved.answer / "truth.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        (saved.answer / "card.md").write_text(card.markdown(), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}; choose another folder") from error
    return saved


def _state(module: Any) -> dict[str, torch.Tensor]:
    """Every tensor once: of two names for one, such as those of a tied head, the first."""
    seen: set[int] = set()
    state = {}
    for name, tensor in module.state_dict().items():
        if tensor.data_ptr() not in seen or not tensor.numel():
            seen.add(tensor.data_ptr())
            state[name] = tensor.cpu().contiguous()
    return dict(sorted(state.items()))
