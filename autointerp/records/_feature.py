"""Where a feature lives, and what the index saw of it."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from autointerp.records._base import Frozen


class SiteKind(StrEnum):
    """A place in a transformer where activations can be read and edited."""

    RESID_PRE = "resid_pre"
    RESID_POST = "resid_post"
    ATTN_OUT = "attn_out"
    MLP_IN = "mlp_in"
    MLP_HIDDEN = "mlp_hidden"
    MLP_OUT = "mlp_out"
    HEAD_OUT = "head_out"
    Q = "q"
    K = "k"
    V = "v"
    PATTERN = "pattern"
    EMBED = "embed"
    FINAL = "final"


class Site(Frozen):
    """One site of one layer; `embed` and `final` belong to no layer and have layer 0."""

    layer: int = Field(ge=0)
    kind: SiteKind

    def __str__(self) -> str:
        return f"{self.kind}.{self.layer}"


class FeatureRef(Frozen):
    """A feature by name: the model, the dictionary, and the index of the latent in it."""

    model: str
    dictionary: str
    index: int = Field(ge=0)
    site: Site


class TokenLogit(Frozen):
    """A vocabulary token and the change of its logit per unit of activation, through the unembedding alone."""

    token: str
    logit: float


class Neighbour(Frozen):
    """Another feature of the dictionary and the cosine of its direction with this one's."""

    index: int
    cosine: float


class Example(Frozen):
    """A window of text with the feature's activation at each token.

    `quantile` says which part of the feature's activation range the window was drawn from: "top", or "0-25%", "25-50%",
    "50-75%", "75-100%" of its maximum over windows, or "near miss" for a window that looks alike but does not activate.
    """

    document: str
    line: int
    tokens: tuple[str, ...]
    activations: tuple[float, ...]
    predicted: tuple[float, ...] | None = None
    quantile: str

    @model_validator(mode="after")
    def _one_value_per_token(self) -> Example:
        predicted = self.tokens if self.predicted is None else self.predicted
        counts = {len(self.tokens), len(self.activations), len(predicted)}
        if len(counts) > 1:
            raise ValueError(f"tokens, activations and predictions of an example differ in number: {sorted(counts)}")
        return self


class FeatureStats(Frozen):
    """What one pass over the corpus saw of a feature, all splits together. `tokens` leaves BOS and padding out."""

    tokens: int
    active: int
    density: float
    maximum: float
    mean_active: float
    histogram_edges: tuple[float, ...]
    histogram_counts: tuple[int, ...]
    top_logits: tuple[TokenLogit, ...]
    bottom_logits: tuple[TokenLogit, ...]
    neighbours: tuple[Neighbour, ...]

    @model_validator(mode="after")
    def _bins_have_edges(self) -> FeatureStats:
        edges, counts = len(self.histogram_edges), len(self.histogram_counts)
        if edges != counts + 1 and (edges or counts):
            raise ValueError(f"a histogram of {counts} bins needs {counts + 1} edges, found {edges}")
        return self
