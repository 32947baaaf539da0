"""Names of components: those of TransformerLens hooks in the words of the suite."""

from __future__ import annotations

import re

from autointerp.errors import InputError

_HOOK = re.compile(
    r"blocks\.(?P<layer>\d+)\.(?:"
    r"attn\.hook_(?:result|z|q|k|v)|hook_(?:q|k|v)_input|(?P<whole>hook_attn_(?:in|out))"
    r"|(?P<mlp>mlp\.hook_(?:pre|post)|hook_mlp_(?:in|out)))"
    r"(?:\[(?:.*,)?\s*(?P<head>\d+)\])?"
)
_INPUT = re.compile(r"hook_embed|hook_pos_embed|embed|pos_embed|blocks\.0\.hook_resid_pre")
_LOGITS = re.compile(r"blocks\.\d+\.hook_resid_post|unembed|logits")


def component_of(hook: str) -> str:
    """`aL.hH`, `mL`, `input` or `logits` for the name of a hook; attention as a whole is `aL`.

    The head is the last number in brackets, as in `blocks.1.attn.hook_result[2]`. Raises InputError for other names.
    """
    if _INPUT.fullmatch(hook):
        return "input"
    if _LOGITS.fullmatch(hook):
        return "logits"
    found = _HOOK.fullmatch(hook)
    if found is None:
        raise InputError(f"{hook!r} is no hook of an attention head, an MLP, the embeddings or the last stream")
    if found["mlp"]:
        return f"m{found['layer']}"
    head = None if found["whole"] else found["head"]
    return f"a{found['layer']}" if head is None else f"a{found['layer']}.h{head}"
