"""Explanations exported from Neuronpedia: JSON, or a JSON object a line, packed or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autointerp.errors import InputError
from autointerp.study._labels import Label, label_of, text_of

_SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")


class NeuronpediaLabels:
    """Objects with `index` and `description`: a list of them, one a line, or those under the key `explanations`.

    Of several explanations of one feature the first counts.
    """

    @staticmethod
    def recognises(path: Path) -> bool:
        """By its suffix, and by the name of the field in its beginning."""
        if not (path.is_file() and path.name.lower().endswith(_SUFFIXES)):
            return False
        return '"description"' in text_of(path)

    @staticmethod
    def read(path: Path) -> list[Label]:
        """All explanations. Raises InputError for another shape, and where several layers are mixed."""
        found: dict[int, Label] = {}
        layers: dict[str, None] = {}
        for place, row in _rows(path):
            if not isinstance(row, Mapping) or "index" not in row:
                raise InputError(f"{path}:{place} is no object with index and description")
            if row.get("layer") is not None:
                layers[str(row["layer"])] = None
            label = label_of(path, place, row["index"], row.get("description"))
            if label is not None:
                found.setdefault(label.feature, label)
        if len(layers) > 1:
            raise InputError(f"{path} mixes the layers {', '.join(list(layers)[:3])}: export one dictionary at a time")
        return sorted(found.values(), key=lambda label: label.feature)


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
