"""From a folder to a module and a tokenizer, with errors that say which file is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from autointerp.errors import ModelError
from autointerp.models._adapters import ADAPTERS
from autointerp.models._fingerprint import fingerprint

BUNDLED = "pystdlib"
#: What decides how a text becomes tokens, in any of the layouts.
_TOKENIZER_FILES = ("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json")


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model in evaluation mode, its tokenizer, and what it is called."""

    name: str
    fingerprint: str
    module: Any
    tokenizer: Any


def folder_of(name_or_path: str) -> Path:
    """The folder of a model: the bundled one by name, any other by path."""
    if name_or_path == BUNDLED:
        return Path(str(files("autointerp"))) / "assets" / BUNDLED
    return Path(name_or_path).expanduser()


def load(name_or_path: str) -> Loaded:
    """Read config, weights (as float32) and tokenizer from a folder in the transformers layout."""
    folder = folder_of(name_or_path)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"no model at {name_or_path}: give {BUNDLED!r} or a folder with config.json, model.safetensors and a tokenizer"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(f"{folder} has a config.json but no *.safetensors: convert the weights to safetensors")
    module = _load_module(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        # The parser of tokenizer.json raises nothing more specific.
        raise ModelError(
            f"{folder} holds no tokenizer that can be read: {_first_line(error)}; copy its tokenizer.json there"
        ) from error
    if tokenizer.bos_token_id is None:
        raise ModelError(f"the tokenizer of {folder} has no BOS token: add one, since every text starts with it")
    # The text is cut into windows here, so the warning about texts longer than the context is beside the point.
    tokenizer.model_max_length = int(1e30)
    files = {folder / "config.json", *weights, *(path for name in _TOKENIZER_FILES for path in folder.glob(name))}
    return Loaded(name_or_path, fingerprint(path for path in files if path.is_file()), module, tokenizer)


def _load_module(folder: Path) -> Any:
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    # A missing key is reported below, as an error: the library's own table about it would be printed besides.
    transformers_logging.set_verbosity_error()
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        module, info = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            output_loading_info=True,
            # Reported below, with the shapes that the library's own error leaves out.
            ignore_mismatched_sizes=True,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, StrictDataclassError) as error:
        raise ModelError(
            f"the model in {folder} cannot be read: {_first_line(error)}; fetch its files again"
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    family = type(module).__name__
    if family not in ADAPTERS:
        raise ModelError(f"{folder} is a {family}; supported are {', '.join(ADAPTERS)}")
    if mismatched := sorted(info["mismatched_keys"]):
        name, found, expected = mismatched[0]
        raise ModelError(
            f"the weights in {folder} do not fit its config.json: {name} has shape {tuple(found)}, not {tuple(expected)}"
        )
    if missing := sorted(info["missing_keys"]):
        raise ModelError(f"the weights in {folder} lack {len(missing)} tensors, {missing[0]} first: fetch them again")
    return module.eval().requires_grad_(False)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2] if lines and lines[0].endswith(":") else lines[:1] or [type(error).__name__])[:200]
