"""Records drawn for people: an HTML page, a terminal view, and the JSON on disk.

This room knows records alone: no model, no dictionary, no corpus. What is not in the record is not on the page.
"""

from __future__ import annotations

from autointerp.report._circuit import circuit_page, show_circuit, show_transfer, write_circuit_json, write_circuit_page
from autointerp.report._circuit_files import write_graph_json, write_latent_circuit_json
from autointerp.report._files import ensure_writable, read_json, write_json, write_page
from autointerp.report._glossary import meaning
from autointerp.report._page import page
from autointerp.report._terminal import show

__all__ = [
    "circuit_page",
    "ensure_writable",
    "meaning",
    "page",
    "read_json",
    "show",
    "show_circuit",
    "show_transfer",
    "write_circuit_json",
    "write_circuit_page",
    "write_graph_json",
    "write_json",
    "write_latent_circuit_json",
    "write_page",
]
