"""The command line: one file per command. Commands parse, call and print; they know nothing that a library user would miss."""

from __future__ import annotations

from autointerp.cli._main import main

__all__ = ["main"]
