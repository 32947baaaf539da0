"""What a forward pass can leave out because an earlier one computed it: keys and values of the columns before."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, DynamicLayer

from autointerp.errors import ModelError
from autointerp.models._layout import Layout


def accepts(layout: Layout, keyword: str) -> bool:
    """Whether the model's forward takes a keyword."""
    return keyword in inspect.signature(type(layout.traced._module).forward).parameters


def resumes(layout: Layout) -> bool:
    """Whether the model can go on from keys and values that are handed to it."""
    return not layout.remote and layout.causal and accepts(layout, "past_key_values") and accepts(layout, "use_cache")


def inputs_of(layout: Layout, ids: Tensor, mask: Tensor) -> dict[str, Any]:
    """The model's keywords for texts [batch, tokens], with no mask where it would change nothing.

    Raises ModelError for padding that the model would take for text.
    """
    if (layout.causal and padded_right(mask)) or bool(mask.all()):
        return layout.inputs(ids, None)
    if layout.anatomy.call.mask is None:
        where = "on the right, or give" if layout.causal else "nothing: give"
        raise ModelError(f"{layout.name} takes no mask and would read padding as text: pad {where} texts of one length")
    return layout.inputs(ids, mask)


def padded_right(mask: Tensor) -> bool:
    """Whether all padding comes after the text, where a causal model never looks."""
    return bool((mask[:, :-1] >= mask[:, 1:]).all() and mask[:, :1].all())


def empty_cache() -> DynamicCache:
    """A cache that keeps every column, so that it can be cut anywhere, also where attention sees but a window."""
    return DynamicCache()


def rows_of(cache: DynamicCache, rows: Tensor, columns: int, *, unread: int = 0) -> DynamicCache:
    """The first columns of some rows (int64, repeated where asked) of a cache, as a cache of its own.

    Of the first `unread` layers, whose blocks are skipped, it keeps no more than how long they are.
    """
    cut = DynamicCache()
    for number, layer in enumerate(cache.layers):
        of = slice(0, 1) if number < unread else rows.to(layer.keys.device)
        cut.layers.append(_layer(layer.keys[of, :, :columns], layer.values[of, :, :columns]))
    return cut


def below(upper: DynamicCache, lower: DynamicCache) -> DynamicCache:
    """The rows of two caches in one, the shorter filled up in front; what fills it has to be masked."""
    columns = max(upper.get_seq_length(), lower.get_seq_length())

    def filled(x: Tensor) -> Tensor:
        return nn.functional.pad(x, (0, 0, columns - x.shape[2], 0))

    whole = DynamicCache()
    for first, second in zip(upper.layers, lower.layers, strict=True):
        keys = torch.cat([filled(first.keys), filled(second.keys)])
        values = torch.cat([filled(first.values), filled(second.values)])
        whole.layers.append(_layer(keys, values))
    return whole


def _layer(keys: Tensor, values: Tensor) -> DynamicLayer:
    layer = DynamicLayer()
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


def partial_inputs(layout: Layout, ids: Tensor, mask: Tensor, cache: DynamicCache | None, first: int) -> dict[str, Any]:
    """The model's keywords for the columns from `first` on of texts [batch, tokens]; those before are in the cache."""
    inputs = inputs_of(layout, ids, mask)
    if cache is None:
        return inputs
    cut = {
        # The mask is of all keys, those in the cache included.
        name: x[:, first:] if isinstance(x, Tensor) and x.shape == ids.shape and name != "attention_mask" else x
        for name, x in inputs.items()
    }
    return cut | {"past_key_values": cache, "use_cache": True}
