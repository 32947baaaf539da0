"""Explanations of features and circuits that are programs with claims, and a scorer that says what of them is true."""

from __future__ import annotations

from autointerp._version import __version__

__all__ = ["__version__"]
