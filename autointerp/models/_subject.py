"""The model under study: load it, run texts through it, read and edit named sites on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

import torch
from nnsight import TransformersModel
from torch import Tensor

from autointerp.errors import ModelError
from autointerp.models._adapters import ADAPTERS
from autointerp.models._edits import Edit
from autointerp.models._layout import Layout
from autointerp.models._loading import Loaded, load
from autointerp.models._run import Captured, run
from autointerp.records import Site, SiteKind

_PROBE = "def probe(value):\n    return value + 1\n"
_TOLERANCE = 1e-4


@dataclass(slots=True)
class Usage:
    """What a subject has spent so far: forward passes, and tokens that went through them (padding included)."""

    forward_passes: int = 0
    tokens: int = 0


class Subject:
    """A causal language model with named sites.

    Texts are token ids padded on the right: under causal attention padding then changes nothing on its left, so no mask is
    needed. Not thread-safe: one thread owns a subject.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.name = loaded.name
        self.fingerprint = loaded.fingerprint
        self.module = loaded.module
        self.tokenizer = loaded.tokenizer
        self.adapter = ADAPTERS[type(loaded.module).__name__]
        self.usage = Usage()
        self._layout = Layout(loaded.name, TransformersModel(loaded.module, tokenizer=loaded.tokenizer), self.adapter)
        config = loaded.module.config
        self.width: int = config.hidden_size
        self.layers: int = config.num_hidden_layers
        self.context: int = config.max_position_embeddings
        self._check()

    @classmethod
    def load(cls, name_or_path: str) -> Subject:
        """Load a transformers model from a folder, or the bundled one by its name, `pystdlib`.

        Raises ModelError where the folder holds no such model, or its weights are cut off or incomplete.
        """
        return cls(load(name_or_path))

    @property
    def bos(self) -> int:
        """The token id that every text starts with."""
        return int(self.tokenizer.bos_token_id)

    @cached_property
    def strings(self) -> list[str]:
        """Every token of the vocabulary as text; a byte that is no whole character reads U+FFFD."""
        size = self.module.config.vocab_size
        texts: list[str] = self.tokenizer.batch_decode([[i] for i in range(size)], clean_up_tokenization_spaces=False)
        return texts

    @cached_property
    def unembedding(self) -> Tensor:
        """The logit change per unit of the residual stream at `final`, [vocabulary, width], final norm's gain folded in."""
        head: Tensor = attrgetter(self.adapter.unembed)(self.module).weight
        gain = getattr(attrgetter(self.adapter.final.module)(self.module), "weight", None)
        return (head if gain is None else head * gain).detach().float()

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without BOS."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def pad(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Token ids as one tensor [batch, longest], filled up with BOS on the right."""
        longest = max(map(len, texts))
        return torch.tensor([[*ids, *([self.bos] * (longest - len(ids)))] for ids in texts])

    def run(
        self,
        ids: Tensor,
        *,
        capture: Iterable[Site] = (),
        edits: Sequence[Edit] = (),
        logits: bool = False,
        start: tuple[Site, Tensor] | None = None,
    ) -> Captured:
        """One forward pass, no further than the last site that is needed.

        Parameters
        ----------
        ids: int64 [batch, tokens], padded on the right.
        capture: sites to read, after the edits at that site.
        edits: changes to make, applied at each site in the order given.
        logits: whether to read the next-token logits too.
        start: a resid_post site and what an earlier run on the same ids read there; the blocks up to it are skipped.

        Raises
        ------
        ModelError: for a site that the model does not have or that lies before `start`, an edit that does not fit, or ids
        longer than the context.
        """
        if ids.shape[1] > self.context:
            raise ModelError(f"{ids.shape[1]} tokens are more than the context of {self.context}: cut the text")
        captured = run(self._layout, ids, capture=frozenset(capture), edits=edits, logits=logits, start=start)
        self.usage.forward_passes += 1
        self.usage.tokens += ids.numel()
        return captured

    def _check(self) -> None:
        """See on a probe text that the residual stream is the sum of what the blocks write to it."""
        kinds = (SiteKind.RESID_PRE, SiteKind.ATTN_OUT, SiteKind.MLP_OUT, SiteKind.RESID_POST)
        ids = torch.tensor([[self.bos, *self.encode(_PROBE)[: self.context - 1]]])
        for layer in range(self.layers):
            sites = [Site(layer=layer, kind=kind) for kind in kinds]
            seen = self.run(ids, capture=sites).sites
            before, attention, mlp, after = (seen[site] for site in sites)
            if not torch.isfinite(after).all():
                raise ModelError(
                    f"layer {layer} of {self.name} computes numbers that are not finite: fetch its weights again"
                )
            off = float((before + attention + mlp - after).abs().max() / after.abs().max())
            if not off <= _TOLERANCE:
                raise ModelError(
                    f"layer {layer} of {self.name}: resid_pre + attn_out + mlp_out differs from resid_post by {off:.1e} of its"
                    f" maximum, so its sites are not where the {type(self.module).__name__} adapter looks for them"
                )
        self.usage = Usage()
