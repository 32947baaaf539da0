"""Where a model computes, and in which number format."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from autointerp.errors import ModelError

_DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in ("float32", "bfloat16", "float16", "float64")}


@dataclass(frozen=True, slots=True)
class Choice:
    """A device and the reason why it is that one."""

    device: torch.device
    reason: str


def choose_device(wanted: str = "auto") -> Choice:
    """The device for a model: CUDA where there is one, else MPS, else the CPU; or the one that was asked for.

    Raises ModelError for a device that this machine does not have.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return Choice(torch.device("cuda"), f"CUDA is available: {torch.cuda.get_device_name()}")
        if torch.backends.mps.is_available():
            return Choice(torch.device("mps"), "Metal (MPS) is available, and no CUDA")
        return Choice(torch.device("cpu"), "neither CUDA nor Metal (MPS) is available")
    try:
        device = torch.device(wanted)
        # The only sure test of a device is to put something there.
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        here = choose_device().device
        raise ModelError(f"no device {wanted!r} here: give auto (which is {here}), cpu, cuda, cuda:N or mps") from error
    return Choice(device, "asked for")


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype | str:
    """The dtype to load weights in; "auto" is float32 on the CPU, elsewhere that in which the weights are stored.

    Raises ModelError for a name that is none.
    """
    if wanted == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if wanted not in _DTYPES:
        raise ModelError(f"no dtype {wanted!r}: give auto, {', '.join(_DTYPES)}")
    return _DTYPES[wanted]
