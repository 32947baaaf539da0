"""The simplest program there is: a table of tokens."""

from __future__ import annotations

from collections.abc import Mapping


def table_program(table: Mapping[str, float]) -> str:
    """The source of a program that predicts what the table has for a token, and 0 for every other."""
    return f"TABLE = {dict(table)!r}\n\n\ndef predict(tokens):\n    return [TABLE.get(t, 0.0) for t in tokens]\n"
