"""What the fixture `register` gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

#: Registers a plugin for the length of a test: its group, its name, and what loads it.
Register: TypeAlias = Callable[[str, str, Callable[[], Any]], None]
