"""Circuits of latents, and graphs for other tools, as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autointerp.records import LatentCircuitRecord
from autointerp.report._files import _write


def write_latent_circuit_json(record: LatentCircuitRecord, path: Path) -> None:
    """Write the record as JSON, replacing an older one in one step. Raises OutputError."""
    _write(path, record.model_dump_json(indent=2) + "\n")


def write_graph_json(graph: dict[str, Any], path: Path) -> None:
    """Write a graph in another tool's schema as JSON, in the same way."""
    _write(path, json.dumps(graph, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
