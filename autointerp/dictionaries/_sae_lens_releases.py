"""SAELens' names for releases, looked up in the table that comes with that library wherever it is installed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from autointerp.errors import DictionaryError

_TABLE = "pretrained_saes.yaml"
#: From the name of SAELens' conversion to that of the format here; None is its own.
_FORMATS = {
    None: "sae_lens",
    "dictionary_learning_1": "dictionary_learning",
    "gemma_2": "gemma_scope",
    "gemma_2_transcoder": "gemma_scope",
    "gemma_3": "gemma_scope_2",
    "goodfire": "goodfire",
    "llama_scope": "llama_scope",
    "mntss_clt_layer_transcoder": "circuit_tracer_clt",
    "mwhanna_transcoder": "circuit_tracer_plt",
    "sparsify": "sparsify",
}


def released(place: str) -> str | None:
    """The full name of `RELEASE/SAE_ID`; None where there is no table, or no such release in it.

    Raises DictionaryError for an autoencoder that the release does not have, or a format that is not read.
    """
    release, _, wanted = place.partition("/")
    entry = _entry(release)
    if entry is None:
        return None
    paths = {str(sae["id"]): str(sae["path"]) for sae in entry["saes"]}
    if wanted not in paths:
        listed = ", ".join(list(paths)[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
        raise DictionaryError(f"sae_lens:{place}: the release {release} has no {wanted!r}, but {listed}")
    conversion = entry.get("conversion_func")
    if conversion not in _FORMATS:
        read = ", ".join(dict.fromkeys(_FORMATS.values()))
        raise DictionaryError(f"sae_lens:{place} is in a format that is not read ({conversion}): those are {read}")
    repository, path = entry["repo_id"], paths[wanted]
    if conversion == "mntss_clt_layer_transcoder":
        return f"circuit_tracer_clt:{repository}#layer={path}"
    return f"{_FORMATS[conversion]}:{repository}/{path}"


def _entry(release: str) -> dict[str, Any] | None:
    """The entry of one release. The table is large, and parsing all of it takes seconds."""
    spec = find_spec("sae_lens")
    if spec is None or spec.origin is None:
        return None
    table = Path(spec.origin).with_name(_TABLE)
    if not table.is_file():
        return None
    block = re.search(rf"^{re.escape(release)}:\n((?:[ \-#].*\n|\n)*)", table.read_text("utf-8") + "\n", re.MULTILINE)
    return yaml.safe_load(block.group(0))[release] if block else None
