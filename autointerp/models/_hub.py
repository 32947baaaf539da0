"""From a model's name to a folder that holds it: the bundled one, a local one, or a copy from the Hugging Face hub."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from autointerp.errors import ModelError

BUNDLED = "pystdlib"
PICKLE = "pytorch_model*.bin"
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
#: The weights once more, in layouts that transformers does not read.
_DOUBLES = ["original/*", "consolidated*", "*/*"]


def folder_of(name_or_path: str) -> Path:
    """The folder of a model; one from the hub is fetched into huggingface-hub's cache, or taken from there.

    Raises ModelError with all that was tried.
    """
    if name_or_path == BUNDLED:
        return Path(str(files("autointerp"))) / "assets" / BUNDLED
    folder = Path(name_or_path).expanduser()
    if (folder / "config.json").is_file():
        return folder
    wanted = f"give {BUNDLED!r} or a folder with config.json, model.safetensors and a tokenizer"
    try:
        validate_repo_id(name_or_path)
    except HFValidationError as error:
        raise ModelError(f"no model at {name_or_path}: {wanted}") from error
    if folder.exists():
        raise ModelError(f"no model at {name_or_path}, which has no config.json: {wanted}")
    try:
        return _fetched(name_or_path)
    except Exception as error:
        # The hub's client raises its own errors, those of its transport and plain OSErrors.
        raise ModelError(
            f"no model at {name_or_path}: it is no folder, and on the hub it cannot be reached ({_reason(error)}); {wanted},"
            " or the name of a model on the hub, with a network"
        ) from error


def _fetched(name: str) -> Path:
    folder = Path(snapshot_download(name, allow_patterns=_FILES, ignore_patterns=_DOUBLES))
    if not any(folder.glob("*.safetensors")):
        folder = Path(snapshot_download(name, allow_patterns=[*_FILES, PICKLE], ignore_patterns=_DOUBLES))
    return folder


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:120] if lines else 'no reason given'}"
