"""Letting anyio, which inspect stands on, live beside nnsight.

nnsight puts a method `save` on every object there is. anyio loads parts of itself when a loop first runs, and refuses to make
its classes of typed attributes where one has a public attribute without an annotation: so it is given that annotation.
"""

from __future__ import annotations

from typing import Any

from anyio import TypedAttributeSet

TypedAttributeSet.__annotations__ = {**getattr(TypedAttributeSet, "__annotations__", {}), "save": Any}
