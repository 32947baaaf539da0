"""The model under study: load it, run texts through it, read and edit named sites on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from autointerp.errors import ModelError
from autointerp.models import _checks
from autointerp.models._anatomy import Anatomy, Sum
from autointerp.models._batch import Batch, rectangle
from autointerp.models._edits import Edit
from autointerp.models._generate import Completions
from autointerp.models._gradients import Objective
from autointerp.models._layout import Layout
from autointerp.models._points import SitePoint
from autointerp.models._requests import complete, continuation_of, request_of, serve
from autointerp.models._run import Captured
from autointerp.models._survey import Survey, survey
from autointerp.models._usage import Usage
from autointerp.models._vocabulary import Vocabulary
from autointerp.records import Site, SiteKind

if TYPE_CHECKING:
    from autointerp.models._worker import Worker

#: A short program, since the bundled model reads code; any text would do.
_PROBE = "def probe(value):\n    return value + 1\n"
_STREAM = (SiteKind.RESID_POST, SiteKind.RESID_PRE, SiteKind.EMBED, SiteKind.ATTN_OUT, SiteKind.MLP_OUT, SiteKind.FINAL)


class Subject:
    """A model of token sequences with named sites: a causal language model, an encoder, a classifier.

    Made by `Subject.load` or `Subject.wrap`. Threads that share it take turns; `worker`
    joins what they ask into batches.

    Attributes
    ----------
    name: what it was loaded as.
    fingerprint: 16 hexadecimal digits that follow its weights, configuration and tokenizer.
    module: the torch module.
    tokenizer: the tokenizer of transformers, or None for a wrapped module that was given none.
    usage: what was spent on it so far.
    context: how many tokens a text may have, the one that starts it included, the suffix not.
    reason: why it computes where it does.
    """

    _worker: Worker | None = None

    def __init__(
        self,
        layout: Layout,
        vocabulary: Vocabulary,
        *,
        fingerprint: str,
        context: int,
        reason: str,
        probe: Sequence[int] | None = None,
    ) -> None:
        self.name, self.fingerprint, self.context, self.reason = layout.name, fingerprint, context, reason
        self.module: Any = layout.traced._module
        self.tokenizer = vocabulary.tokenizer
        self.usage = Usage()
        self._layout, self._vocabulary = layout, vocabulary
        self._probe = probe

    @classmethod
    def load(
        cls,
        name_or_path: str,
        *,
        device: str = "auto",
        dtype: str = "auto",
        device_map: str | Mapping[str, Any] | None = None,
        remote: bool = False,
    ) -> Subject:
        """Load a model of transformers: a folder, one from the Hugging Face hub, or the bundled one, `pystdlib`.

        Parameters
        ----------
        name_or_path: a folder with config.json, weights and tokenizer; else a name on the hub, which is fetched into
            huggingface-hub's cache.
        device: "auto" for CUDA, else MPS, else the CPU; or the name of one.
        dtype: "auto" for float32 on the CPU and the weights' own elsewhere; or float32, bfloat16, float16, float64.
        device_map: how to spread the model over several devices, as transformers takes it ("auto" for instance); needs the
            package accelerate.
        remote: run on NDIF's servers instead, through nnsight; needs a key and a network.

        Raises
        ------
        ModelError: where there is no such model, its weights are cut off or incomplete, its family is not supported, its
        sites are not where they should be, or the device or the service cannot be had.
        """
        from autointerp.models._open import open_local, open_remote

        if remote:
            return open_remote(cls, name_or_path)
        return open_local(cls, name_or_path, device=device, dtype=dtype, device_map=device_map)

    @classmethod
    def wrap(
        cls,
        module: nn.Module,
        *,
        sites: Mapping[Site | str, SitePoint | str] | None = None,
        tokenizer: Any = None,
        name: str | None = None,
        logits: str | SitePoint | None = None,
        norm: str | None = None,
        sums: Sequence[Sum] | None = None,
        causal: bool = True,
        context: int | None = None,
        bos: int | None = None,
        suffix: Sequence[int] = (),
        padding: int | None = None,
        probe: Sequence[int] | None = None,
    ) -> Subject:
        """Give names to the places in a module of your own: a transformer, an encoder, a classifier of token sequences.

        The module is put into evaluation mode and is otherwise left as it is. It is called with the ids [batch, tokens] as
        its first argument, and with `attention_mask` and `position_ids` where it has arguments of these names.

        Parameters
        ----------
        sites: where the sites are. A key is a `Site` or its name (`embed`, `mlp_hidden.2`; `mlp_hidden` for every layer); a
            value is the path of the module whose output it is, or a `Point` for an input or a part of an output. `{layer}`
            in a path stands for the number of the layer. None for a model of transformers whose class has an adapter.
        tokenizer: one of transformers; without it, `encode` and `strings` raise.
        name: what to call it; its class by default.
        logits: the path of the module whose output are the logits.
        norm: the path of the norm before it, which `unembedding` takes into account.
        sums: what adds up to what; by default resid_post = resid_pre + attn_out + mlp_out where these sites are given.
        causal: whether no token sees a later one.
        context: the longest input in tokens; unlimited by default.
        bos, suffix, padding: token ids that start a text, close it, and fill up a batch; by default those of the tokenizer, or
            0, none and `bos`.
        probe: token ids to try the module with; by default a line of text, or 0 to 3 without a tokenizer.

        Raises
        ------
        ModelError: for a path that the module does not have, a module that a forward pass does not come by exactly once, a
        sum that does not hold, or a `causal` module that looks ahead.
        """
        from autointerp.models._wrap import Wrapping, wrapped

        how = Wrapping(sites, tokenizer, name, logits, norm, sums, causal, context, bos, tuple(suffix), padding, probe)
        return wrapped(cls, module, how)

    @property
    def anatomy(self) -> Anatomy:
        """Which module holds which site, and how the sites add up: for what has to look at the model's own weights."""
        return self._layout.anatomy

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return self._layout.layers

    @cached_property
    def width(self) -> int:
        """The width of the residual stream."""
        kinds = {site.kind: site for site in self.survey.shapes}
        site = next((kinds[kind] for kind in _STREAM if kind in kinds), None)
        if site is None:
            raise ModelError(
                f"{self.name} has no site on the residual stream: give Subject.wrap one, such as resid_post"
            )
        return self.width_of(site)

    @property
    def device(self) -> torch.device:
        """Where token ids go; of a model on several devices, the first."""
        return self._layout.device

    @property
    def causal(self) -> bool:
        """Whether no token sees a later one."""
        return self._layout.causal

    @property
    def has_logits(self) -> bool:
        """Whether a run can read logits."""
        return self._layout.head is not None

    @property
    def softcap(self) -> float | None:
        """The bound c where logits are c · tanh(x / c) of what the head computes (Gemma 2); `unembedding` leaves it out."""
        return self._layout.anatomy.softcap

    @property
    def bos(self) -> int:
        """The token id that every text starts with: BOS, or CLS, EOS or PAD where the tokenizer lacks it."""
        return self._vocabulary.bos

    @property
    def suffix(self) -> tuple[int, ...]:
        """The token ids that close a text: SEP for encoders in the manner of BERT."""
        return self._vocabulary.suffix

    @property
    def padding(self) -> int:
        """The token id that fills up a batch."""
        return self._vocabulary.padding

    @property
    def strings(self) -> list[str]:
        """Every token of the vocabulary as the text that it adds; a byte that is no whole character reads U+FFFD."""
        return self._vocabulary.strings

    @cached_property
    def survey(self) -> Survey:
        """What one run over a probe text showed of the model."""
        return survey(self, self._layout, self.batch([self.probe]))

    @property
    def probe(self) -> list[int]:
        """The token ids that the model is tried with."""
        if self._probe is not None:
            return list(self._probe)
        # A tokenizer that knows none of the words leaves nothing of them.
        ids = self.encode(_PROBE) or range(min(8, self._vocabulary.size))
        return [self.bos, *ids][: self.context]

    @cached_property
    def unembedding(self) -> Tensor | None:
        """What a unit of the residual stream adds to the logits but for the final norm's division: [vocabulary, width].

        The final norm's gain is folded in, and the mean that a LayerNorm takes away. None for a model without logits, or with
        a head that is not linear.
        """
        anatomy = self._layout.anatomy
        part = None if anatomy.unembed is None else self.module.get_submodule(anatomy.unembed)
        weight = None if part is None else _checks.weight_of(part)
        if weight is None or weight.is_meta:
            return None
        weight = weight.float()
        return weight if anatomy.norm is None else _checks.folded(self.module.get_submodule(anatomy.norm), weight)

    def sites(self) -> list[Site]:
        """Every site that can be read and edited, in the order of the forward pass."""
        return self._layout.sites

    def width_of(self, site: Site) -> int:
        """The width of the activations at a site.

        Raises ModelError for a site that the model does not have, and for a pattern, which is as wide as the text is long.
        """
        self._layout.order([site])
        if site.kind is SiteKind.PATTERN:
            raise ModelError(f"{site} has no width: it is [batch, heads, tokens, tokens]")
        return self.survey.shapes[site][-1]

    def to_residual(self, site: Site, vectors: Tensor) -> Tensor | None:
        """What vectors [..., width of the site], added there, add to the residual stream: [..., width].

        None where that is not linear: at what attention and MLP read, at queries, keys, values and patterns, before a norm
        that follows an addition, and behind the final norm.
        """
        if vectors.shape[-1] != self.width_of(site):
            raise ModelError(f"{site} has width {self.width_of(site)}, not {vectors.shape[-1]}")
        added = {term for rule in self._layout.anatomy.additions if rule.norm is None for term in rule.terms}
        on_stream = site.kind in (SiteKind.EMBED, SiteKind.RESID_PRE, SiteKind.RESID_POST)
        if on_stream or site in added or (site.kind is SiteKind.FINAL and self._layout.anatomy.norm is None):
            return vectors
        for rule in self.survey.linear:
            if rule.source == site and rule.target in added:
                weight = _checks.weight_of(self.module.get_submodule(rule.path))
                return None if weight is None else vectors @ weight.T.to(vectors)
        return None

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without BOS; a lone surrogate, which no encoding of text has, becomes U+FFFD."""
        return self._vocabulary.encode(text)

    def pad(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """Token ids as one tensor [batch, longest]: each text, which starts with `bos`, its suffix, and padding."""
        return self.batch(texts).ids

    def batch(self, texts: Sequence[Sequence[int]], side: Literal["right", "left"] = "right") -> Batch:
        """The same with a mask, and with the padding on either side."""
        return rectangle([[*ids, *self.suffix] for ids in texts], self.padding, side)

    def run(
        self,
        ids: Tensor | Batch,
        *,
        capture: Iterable[Site] = (),
        edits: Sequence[Edit] = (),
        logits: bool | Tensor = False,
        start: tuple[Site, Tensor] | None = None,
        grad_of: Objective | Sequence[Objective] | None = None,
    ) -> Captured:
        """One forward pass, no further than the last site that is needed.

        Parameters
        ----------
        ids: a batch; or int64 [batch, tokens], padded on the right (an encoder takes every `padding` in it for padding).
        capture: sites to read, after the edits at that site.
        edits: changes to make, applied at each site in the order given.
        logits: whether to read the logits too; int64 [batch] for those after this column of each text alone, which spares most
            of the head.
        start: a resid_post site and what an earlier run on the same ids read there; the blocks up to it are skipped.
        grad_of: of what to take the gradient at the captured sites.

        Raises
        ------
        ModelError: for a site that the model does not have or that lies before `start`, an edit that does not fit, or ids
        longer than the context.
        """
        request = request_of(self, ids, capture=capture, edits=edits, logits=logits, start=start, grad_of=grad_of)
        if self._worker is not None and not self._worker.here:
            captured: Captured = self._worker.submit(request).result()
            return captured
        return serve(self, [request])[0]

    def generate(
        self,
        prompts: Sequence[Sequence[int]] | Tensor | Batch,
        *,
        max_new_tokens: int,
        edits: Sequence[Edit] = (),
        temperature: float = 0.0,
        seed: int = 0,
        stop: Iterable[int] | None = None,
    ) -> Completions:
        """Continue texts under edits.

        Parameters
        ----------
        prompts: token ids of each text, `bos` included; or a batch padded on the left.
        max_new_tokens: how many tokens to add to each at most.
        edits: changes to make in every step; positions in the text that is there by then.
        temperature: 0 for the likeliest token each time, or what to divide the logits by before drawing one.
        seed: of the draws.
        stop: ids that end a text; by default those that the model itself ends texts with.

        Raises
        ------
        ModelError: for a model that writes no text, texts that are too long, or an edit that does not fit.
        """
        request = continuation_of(
            self, prompts, max_new_tokens=max_new_tokens, edits=edits, temperature=temperature, seed=seed, stop=stop
        )
        if self._worker is not None and not self._worker.here:
            completions: Completions = self._worker.submit(request).result()
            return completions
        return complete(self, request)

    def worker(self, *, budget: int | None = None, slack: int | None = None, waiting: int = 1024) -> Worker:
        """A thread that owns the subject from now on and joins the requests of many clients into batches.

        Its arguments are those of `Worker`. Raises ModelError where the subject has one that is not closed.
        """
        from autointerp.models._worker import Worker

        return Worker(self, budget=budget, slack=slack, waiting=waiting)
