"""The exceptions of autointerp.

Every one carries a message of one line that names what was found, what is allowed, and the remedy.

AutointerpError
├── InputError                what the user gave cannot be used (the command line exits with 1)
│   ├── ModelError            a path that is no model, or a model without a needed site
│   ├── DictionaryError       weights missing, truncated, or of another width
│   ├── FeatureError          a feature index out of range
│   ├── CorpusError           text that is missing or too small
│   └── OutputError           a file or folder that cannot be written
├── CacheError                a cached index that is not whole or of another version: rebuilt, never trusted
├── ProgramError              a program that crashed, ran past its limits, or returned something else than activations
└── PluginError               an unknown or doubly registered plugin name
"""

from __future__ import annotations

__all__ = [
    "AutointerpError",
    "CacheError",
    "CorpusError",
    "DictionaryError",
    "FeatureError",
    "InputError",
    "ModelError",
    "OutputError",
    "PluginError",
    "ProgramError",
]


class AutointerpError(Exception):
    """Base of everything that autointerp raises on purpose."""


class InputError(AutointerpError):
    """What the user gave cannot be used; the message says what would be."""


class ModelError(InputError):
    """A path that holds no model, or a model that lacks what was asked of it."""


class DictionaryError(InputError):
    """Dictionary weights that are missing, truncated, or of the wrong width for the model."""


class FeatureError(InputError):
    """A feature index that the dictionary does not have."""


class CorpusError(InputError):
    """Text that is missing, unreadable, or too small for the three splits."""


class OutputError(InputError):
    """A file or folder that cannot be written."""


class CacheError(AutointerpError):
    """A cached artefact that is incomplete, altered, or written by another version."""


class ProgramError(AutointerpError):
    """A predictor that did not yield one finite number per token within its limits."""


class PluginError(AutointerpError):
    """A plugin name that is unknown, registered twice, or that fails to load."""
