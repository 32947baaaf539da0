"""Tensors as plain data that JSON can hold, bit by bit."""

from __future__ import annotations

import base64
import math
from typing import Any

import torch
from torch import Tensor

from autointerp.errors import ModelError

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool)
}


def plain(tensor: Tensor) -> dict[str, Any]:
    """Dtype, shape and content (base64 of the bytes, little-endian, row by row)."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise ModelError(f"a tensor of {name} cannot be written as data: there are {', '.join(_DTYPES)}")
    content = flat.view(torch.uint8).numpy().tobytes()
    return {"dtype": name, "shape": list(tensor.shape), "base64": base64.b64encode(content).decode("ascii")}


def from_plain(data: dict[str, Any]) -> Tensor:
    """What `plain` wrote. Raises ModelError for anything else."""
    try:
        dtype, shape = _DTYPES[data["dtype"]], [int(size) for size in data["shape"]]
        content = bytearray(base64.b64decode(data["base64"], validate=True))
        if len(content) != math.prod(shape) * dtype.itemsize or min(shape, default=0) < 0:
            raise ValueError(f"{len(content)} bytes")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"not a tensor as data: {data!r:.80}; it needs dtype, shape and base64 that agree") from error
    if not content:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(shape)
