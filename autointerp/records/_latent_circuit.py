"""One circuit of latents or neurons: its nodes with their effects, the edges between them, and how it was graded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from autointerp.records._base import Frozen
from autointerp.records._feature import Site
from autointerp.records._run import Cost
from autointerp.records._score import ScoreResult


class CutSite(Frozen):
    """A site and what it was cut into.

    Attributes
    ----------
    latents: how many there are; `differing`: nodes, the error among them, that differ between the prompts of a pair.
    unexplained: the share of the site's variance on the clean prompts that is the latents' error.
    """

    name: str
    reads: Site
    writes: Site
    latents: int
    differing: int
    unexplained: float


class LatentEffect(Frozen):
    """A node, and the change of the metric when it is on the corrupted prompts' value, in the mean over the pairs.

    Attributes
    ----------
    feature: the number of the latent or neuron; None for what a dictionary leaves over.
    attribution, integrated, exact: to first order, by integrated gradients, and as patching shows; `ci` is that of the last.
    zero: exact, when it is zero instead.
    """

    name: str
    site: Site
    feature: int | None
    attribution: float
    integrated: float
    exact: float
    ci: tuple[float, float]
    zero: float


class LatentLink(Frozen):
    """From one node to a later one, or to the metric where `target` is None: that part of the source's effect, first order."""

    source: str
    target: str | None
    effect: float


class LatentCircuitRecord(Frozen):
    """Everything one study of a circuit of latents or neurons produced, as versioned JSON."""

    format: Literal[1] = 1
    kind: Literal["latent circuit"] = "latent circuit"
    model: str
    fingerprint: str
    task: str
    asks: str
    metric: str
    example: tuple[str, str, str, str]
    pairs: int = Field(ge=1)
    held_out: int = Field(ge=1)
    sites: tuple[CutSite, ...]
    nodes: tuple[LatentEffect, ...]
    links: tuple[LatentLink, ...]
    scores: tuple[ScoreResult, ...]
    cost: Cost
    version: str
    seed: int
