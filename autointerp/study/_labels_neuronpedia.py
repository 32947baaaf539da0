"""Explanations exported from Neuronpedia: a folder of batches, JSON, or a JSON object a line, packed or not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autointerp.errors import InputError
from autointerp.study._labels import Label, label_of, text_of

_BATCH = re.compile(r"batch-(?P<number>\d+)\.jsonl(\.gz)?")
_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


class NeuronpediaLabels:
    """Objects with `index` and `description`: a list of them, one a line, or those under the key `explanations`.

    The folder `explanations` of a source in the export bucket holds `batch-0.jsonl.gz` and so on; an answer of the feature
    API holds the feature with its explanations. Of several explanations of one feature the first counts.
    """

    @staticmethod
    def recognises(path: Path) -> bool:
        """By its suffix, and by the name of the field; a folder by its batches."""
        if path.is_dir():
            return bool(_batches(path))
        return path.is_file() and path.name.lower().endswith(_SUFFIXES) and '"description"' in text_of(path)

    @staticmethod
    def read(path: Path) -> list[Label]:
        """All explanations. Raises InputError for another shape, and where several layers are mixed."""
        found: dict[int, Label] = {}
        layers: dict[str, None] = {}
        for file in _batches(path) if path.is_dir() else [path]:
            for place, row in _rows(file):
                if not isinstance(row, Mapping) or "index" not in row:
                    raise InputError(f"{file}:{place} is no object with index and description")
                if row.get("layer") is not None:
                    layers[str(row["layer"])] = None
                label = label_of(file, place, row["index"], row.get("description"))
                if label is not None:
                    found.setdefault(label.feature, label)
        if len(layers) > 1:
            raise InputError(f"{path} mixes the layers {', '.join(list(layers)[:3])}: export one dictionary at a time")
        return sorted(found.values(), key=lambda label: label.feature)


def _batches(folder: Path) -> list[Path]:
    """The batches of an export in their order; `explanations` below the folder of a source is looked into as well."""
    for place in (folder, folder / "explanations"):
        named = [(match, file) for file in place.glob("*") if (match := _BATCH.fullmatch(file.name))]
        if named:
            return [file for _, file in sorted((int(match["number"]), file) for match, file in named)]
    return []


def _rows(path: Path) -> list[tuple[str, Any]]:
    """What is listed in the file, each with its place."""
    text = text_of(path)
    try:
        whole = json.loads(text)
    except ValueError:
        return [
            (str(number), _line(path, number, line)) for number, line in enumerate(text.splitlines(), 1) if line.strip()
        ]
    if isinstance(whole, Mapping) and isinstance(whole.get("explanations"), list):
        inherited = {name: whole[name] for name in ("index", "layer") if name in whole}
        whole = [inherited | row if isinstance(row, dict) else row for row in whole["explanations"]]
    listed = whole if isinstance(whole, list) else [whole]
    return [(f"[{number}]", row) for number, row in enumerate(listed)]


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise InputError(f"{path}:{number} is no JSON: give the export as it came") from error
