"""Networks that took a while to train, kept in the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from autointerp.errors import OutputError
from autointerp.eval.organisms.transformer import SmallTransformerConfig, SmallTransformerForCausalLM


def cached(place: Path, config: SmallTransformerConfig) -> SmallTransformerForCausalLM | None:
    """A network that was trained before; None where there is none, or not a whole one."""
    if not place.is_file():
        return None
    module = SmallTransformerForCausalLM(config)
    try:
        module.load_state_dict(load_file(place))
    except (OSError, RuntimeError, SafetensorError):
        return None
    return module.eval().requires_grad_(False)  # type: ignore[no-any-return]


def keep(place: Path, module: SmallTransformerForCausalLM) -> None:
    """Keep a network for the next time. Raises OutputError where it cannot be written."""
    # Under a name of its own until it is whole: another process may look for it.
    unfinished = place.with_suffix(f".{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in sorted(module.state_dict().items())}, unfinished)
        unfinished.replace(place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"the network cannot be kept in {place.parent}: {reason}; set AUTOINTERP_CACHE") from error
