"""From a folder to a module and a tokenizer, with errors that say which file is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from autointerp.errors import ModelError
from autointerp.models._adapters import Adapter
from autointerp.models._architectures import adapters_for
from autointerp.models._fingerprint import fingerprint
from autointerp.models._hub import PICKLE
from autointerp.models._points import joined

#: What decides how a text becomes tokens, in any of the layouts.
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json")
_UNREADABLE = (
    OSError,
    ValueError,
    RuntimeError,
    KeyError,
    TypeError,
    SafetensorError,
    StrictDataclassError,
    UnpicklingError,
)


@dataclass(frozen=True, slots=True)
class Placement:
    """How weights are loaded: their dtype ("auto" is that of the files), onto a device or over several by a map."""

    dtype: torch.dtype | str
    device: torch.device
    map: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model in evaluation mode, its tokenizer, the row of its family, and what names its content."""

    fingerprint: str
    module: Any
    tokenizer: Any
    adapter: Adapter


def load(folder: Path, placement: Placement) -> Loaded:
    """Read config, weights and tokenizer from a folder in the transformers layout.

    Raises ModelError where one of them is missing, cannot be read, or does not fit the others.
    """
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob(PICKLE))
    if not weights:
        raise ModelError(f"{folder} has a config.json but no *.safetensors: convert the weights to safetensors")
    if placement.map is not None and find_spec("accelerate") is None:
        raise ModelError("a device map needs the package accelerate: pip install accelerate, or give a device instead")
    with quiet():
        module, adapter = _load_module(folder, placement)
    tokenizer = load_tokenizer(folder)
    named = {folder / "config.json", *weights, *(path for name in _TOKENIZER_FILES for path in folder.glob(name))}
    return Loaded(fingerprint(path for path in named if path.is_file()), module, tokenizer, adapter)


def load_tokenizer(folder: Path | str, *, here: bool = True) -> Any:
    """The tokenizer of a folder, or of a model on the hub unless it has to be `here`; it never cuts a text."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=here)
    except Exception as error:
        # The parser of tokenizer.json raises nothing more specific.
        raise ModelError(
            f"{folder} holds no tokenizer that can be read: {_first_line(error)}; copy its tokenizer.json there"
        ) from error
    # The text is cut into windows here, so the warning about texts longer than the context is beside the point.
    tokenizer.model_max_length = int(1e30)
    return tokenizer


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing: what is wrong is raised as an error, with the remedy."""
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)


def _config(folder: Path) -> tuple[Any, Mapping[str, Adapter]]:
    """The configuration, and the rows of the table that may fit it."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        # Before transformers reads it: the type may be one that a plugin has to make known first.
        rows = adapters_for(str(raw.get("model_type")))
        return AutoConfig.from_pretrained(folder, local_files_only=True), rows
    except (*_UNREADABLE, AttributeError) as error:
        raise _unreadable(folder, error) from error


def classes_of(folder: Path | str, config: Any, rows: Mapping[str, Adapter]) -> dict[str, Any]:
    """The classes to try, by name: the one that the configuration names, or else all that there are for its type."""
    mappings = (MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, MODEL_MAPPING)
    found = [mapping[type(config)] for mapping in mappings if type(config) in mapping]
    classes = {one.__name__: one for entry in found for one in (entry if isinstance(entry, tuple) else (entry,))}
    known = {name: one for name, one in classes.items() if name in rows}
    named = [name for name in config.architectures or () if name in known]
    if not known:
        name = (config.architectures or [*classes, type(config).__name__])[0]
        raise ModelError(f"{folder} is a {name}; supported are {', '.join(rows)}")
    return {named[0]: known[named[0]]} if named else known


def _load_module(folder: Path, placement: Placement) -> tuple[Any, Adapter]:
    config, rows = _config(folder)
    first: ModelError | None = None
    for name, model_class in classes_of(folder, config, rows).items():
        module, info = _read(folder, config, model_class, placement)
        try:
            _ensure_whole(folder, config, rows[name], info)
        except ModelError as error:
            first = first or error
            continue
        return module.eval().requires_grad_(False), rows[name]
    raise first or ModelError(f"{folder} holds no model")


def _read(folder: Path, config: Any, model_class: Any, placement: Placement) -> tuple[Any, dict[str, Any]]:
    options = {} if placement.map is None else {"device_map": placement.map}
    try:
        module, info = model_class.from_pretrained(
            folder,
            config=config,
            dtype=placement.dtype,
            local_files_only=True,
            # Pickles are read as plain tensors only, never as code.
            weights_only=True,
            output_loading_info=True,
            # Reported below, with the shapes that the library's own error leaves out.
            ignore_mismatched_sizes=True,
            **options,
        )
    except _UNREADABLE as error:
        raise _unreadable(folder, error) from error
    return module if placement.map is not None else module.to(placement.device), info


def _ensure_whole(folder: Path, config: Any, adapter: Adapter, info: Mapping[str, Any]) -> None:
    """See that every tensor that the sites depend on was in the files, and no layer was left over."""
    if mismatched := sorted(info["mismatched_keys"]):
        name, found, expected = mismatched[0]
        raise ModelError(
            f"the weights in {folder} do not fit its config.json: {name} has shape {tuple(found)}, not {tuple(expected)}"
        )
    spare = tuple(f"{joined(adapter.stem, name)}." for name in adapter.spare)
    if missing := sorted(name for name in info["missing_keys"] if not name.startswith(spare)):
        raise ModelError(f"the weights in {folder} lack {len(missing)} tensors, {missing[0]} first: fetch them again")
    layers = config.get_text_config().num_hidden_layers
    block = re.compile(rf"(?:^|\.){re.escape(adapter.blocks)}\.(\d+)\.")
    matches = (block.search(name) for name in info["unexpected_keys"])
    left = {int(match[1]) for match in matches if match}
    if beyond := [layer for layer in left if layer >= layers]:
        raise ModelError(
            f"the weights in {folder} have {max(beyond) + 1} layers and its config.json {layers}: correct num_hidden_layers"
        )


def _unreadable(folder: Path, error: BaseException) -> ModelError:
    if any(folder.glob("*.safetensors")) or not any(folder.glob(PICKLE)):
        return ModelError(f"the model in {folder} cannot be read: {_first_line(error)}; fetch its files again")
    return ModelError(
        f"{folder} has no *.safetensors: convert the weights to safetensors, as {PICKLE} there cannot be read as plain"
        f" tensors ({_first_line(error)})"
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1] or [type(error).__name__])[:200]
