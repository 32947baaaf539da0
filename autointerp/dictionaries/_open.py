"""From a name to a dictionary that fits a model."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from autointerp._plugins import load_all
from autointerp.dictionaries._protocol import Dictionary, DictionaryFormat
from autointerp.errors import DictionaryError

BUNDLED = "pystdlib-sae"
GROUP = "autointerp.dictionaries"


def open_dictionary(name: str, *, width: int, layers: int) -> Dictionary:
    """Open `pystdlib-sae` (the bundled one), `file:PATH` or a path, and check that it fits a model.

    Parameters
    ----------
    width, layers: of the model that the dictionary is for.

    Raises
    ------
    DictionaryError: where nothing is there, no format recognises it, the weights are broken, or it does not fit.
    """
    folder = (
        Path(str(files("autointerp"))) / "assets" / BUNDLED if name == BUNDLED else Path(name.removeprefix("file:"))
    )
    folder = folder.expanduser()
    formats: dict[str, DictionaryFormat] = load_all(GROUP)
    if not folder.is_dir():
        raise DictionaryError(
            f"no dictionary at {name}: give {BUNDLED!r} or file:FOLDER in one of {', '.join(formats)}"
        )
    for reader in formats.values():
        if reader.recognises(folder):
            dictionary = reader.load(folder, name)
            break
    else:
        raise DictionaryError(f"{folder} is in none of the formats that can be read: {', '.join(formats)}")
    if dictionary.width != width:
        raise DictionaryError(f"{name} is for activations of width {dictionary.width}, the model's are {width} wide")
    site = dictionary.input_site
    if site.layer >= layers:
        raise DictionaryError(f"{name} reads {site}, but the model has layers 0 to {layers - 1}")
    return dictionary
