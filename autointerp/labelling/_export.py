"""Labels as files that other programs read: Parquet, JSON lines, CSV, and Neuronpedia's explanations."""

from __future__ import annotations

import csv
import json
import os
import secrets
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from autointerp.errors import InputError, OutputError
from autointerp.labelling._label import Label
from autointerp.labelling._store import LabelStore

#: Rows of a Parquet file that are written together.
_GROUP = 4096


def export(store: LabelStore, path: Path, form: str | None = None) -> int:
    """Write all labels to a file, in one of `FORMATS`, by its suffix where not given; returns the number of rows.

    The file is written whole or not at all. Raises InputError for an unknown format, OutputError where it cannot be written.
    """
    chosen = form or _SUFFIXES.get(path.suffix.lower(), "")
    if chosen not in _WRITERS:
        raise InputError(
            f"{path.name!r} says no format: end it in {', '.join(_SUFFIXES)}, or name one of {', '.join(FORMATS)}"
        )
    temporary = path.parent / f".autointerp-{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            count = _WRITERS[chosen](store, temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path} ({error.strerror}): choose a file that you may write to") from error
    return count


def _rows(store: LabelStore) -> Iterator[dict[str, Any]]:
    """The labels as plain values, one at a time."""
    return (label.model_dump(mode="json") for label in store.labels())


def _jsonl(store: LabelStore, path: Path) -> int:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        return sum(bool(file.write(json.dumps(row, ensure_ascii=False) + "\n")) for row in _rows(store))


def _csv(store: LabelStore, path: Path) -> int:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Label.model_fields))
        writer.writeheader()
        return sum(bool(writer.writerow(row)) for row in _rows(store))


def _parquet(store: LabelStore, path: Path) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError("Parquet needs pyarrow: pip install 'autointerp-agents[parquet]', or export JSONL") from error
    schema = pyarrow.schema([(name, getattr(pyarrow, _kind(name))()) for name in Label.model_fields])
    rows, count = _rows(store), 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(rows, _GROUP)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema))
            count += len(group)
    return count


def _kind(name: str) -> str:
    """Arrow's name for the type of a column."""
    written = str(Label.model_fields[name].annotation)
    kinds = {"bool": "bool_", "int": "int64", "float": "float64"}
    return next((kind for plain, kind in kinds.items() if plain in written), "string")


def _neuronpedia(store: LabelStore, path: Path) -> int:
    """A JSON object a line, as Neuronpedia exports explanations; features without one are left out."""
    about, count = store.about, 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for label in store.labels():
            if label.status == "failed" or label.program is None:
                continue
            row = {
                "modelId": about.get("model", ""),
                "layer": f"{about.get('site', '').partition('.')[2]}-{about.get('dictionary', '')}",
                "index": str(label.feature),
                "description": label.fires_on,
                "explanationModelName": f"autointerp {label.version} {label.stage}",
                "typeName": f"autointerp_{label.stage}",
                "scoreV1": label.simulation,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


_WRITERS: dict[str, Callable[[LabelStore, Path], int]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "csv": _csv,
    "neuronpedia": _neuronpedia,
}
FORMATS = tuple(_WRITERS)
_SUFFIXES = {".parquet": "parquet", ".jsonl": "jsonl", ".csv": "csv"}
