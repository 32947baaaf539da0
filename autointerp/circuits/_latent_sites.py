"""A model cut at some sites into latents and what they leave over: the nodes of feature circuits, and of circuits of neurons.

At a site that is cut, what the model writes is the sum of the latents' strengths times their directions, and a rest. Of a
dictionary the rest is its error with the bias and, where it has one, the connection past its latents: nothing that the model
writes gets lost. Neurons have no rest, as they are all that enters the down projection.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from autointerp.circuits._anatomised import MEMORY
from autointerp.dictionaries import Dictionary, Sparse
from autointerp.errors import DictionaryError, InputError
from autointerp.models import Edit, Operation, Subject
from autointerp.records import Site, SiteKind

#: Positions that are encoded at a time, and numbers of a gathered matrix that are held at a time.
_POSITIONS = 512
_GATHERED = 2**22


@dataclass(frozen=True, slots=True, order=True)
class LatentNode:
    """A latent, or the rest where `feature` is None, of the site that it writes to; at one token, or at all of them."""

    layer: int
    kind: SiteKind
    feature: int | None
    position: int | None = None

    @property
    def site(self) -> Site:
        """Where it writes."""
        return Site(layer=self.layer, kind=self.kind)

    @property
    def name(self) -> str:
        """Such as `resid_post.2/17`, `mlp_out.1/error` and, at the fourth token, `mlp_hidden.0/5@3`."""
        what = "error" if self.feature is None else str(self.feature)
        return f"{self.site}/{what}" + ("" if self.position is None else f"@{self.position}")


class LatentSite(ABC):
    """One site cut into latents. A strength is what multiplies a latent's direction, so 0 is a latent that writes nothing.

    Attributes
    ----------
    reads, writes: where the latents are computed from, and where they write.
    size: how many latents there are.
    has_rest: whether they leave anything over.
    """

    name: str
    reads: Site
    writes: Site
    size: int
    has_rest: bool

    @abstractmethod
    def strengths(self, x: Tensor) -> Sparse:
        """Of all latents, float32; x [positions, width of what is read]. It has a gradient where x asks for one."""

    @abstractmethod
    def strength_of(self, x: Tensor, feature: int) -> Tensor:
        """Of one latent, [positions], with a gradient where x asks for one."""

    @abstractmethod
    def written(self, acts: Sparse, positions: int) -> Tensor:
        """What strengths write, [positions, width of what is written]."""

    @abstractmethod
    def along(self, cells: Tensor, features: Tensor, vectors: Tensor) -> Tensor:
        """The product of each entry's direction and the vector of its cell, [entries]; vectors [cells, width]."""

    @abstractmethod
    def nothing(self, x: Tensor) -> Tensor:
        """The rest without error: what is written where no latent is active and the reconstruction is perfect."""

    @abstractmethod
    def adding(self, feature: int, amounts: Tensor) -> Edit:
        """The edit of one text by which a latent's strength grows by `amounts` [tokens]."""


class DictionarySite(LatentSite):
    """The latents of a dictionary: of an autoencoder, or of a transcoder beside the MLP, whose output they then are."""

    has_rest = True

    def __init__(self, dictionary: Dictionary) -> None:
        self.name, self.size, self._own = dictionary.name, dictionary.size, dictionary
        self.reads, self.writes = dictionary.input_site, dictionary.output_site
        self._rows: dict[torch.device, Tensor] = {}

    def strengths(self, x: Tensor) -> Sparse:
        """See `LatentSite.strengths`."""
        found = []
        for start in range(0, len(x), _POSITIONS):
            some = x[start : start + _POSITIONS].float()
            acts = self._own.encode(some)
            found.append((acts.rows + start, acts.features, acts.values * self._own.scale(some)[acts.rows]))
        rows, features, values = (torch.cat(parts) for parts in zip(*found, strict=True))
        return Sparse(rows, features, values)

    def strength_of(self, x: Tensor, feature: int) -> Tensor:
        """See `LatentSite.strength_of`."""
        x = x.float()
        return self._own.encode_one(x, feature) * self._own.scale(x)

    def written(self, acts: Sparse, positions: int) -> Tensor:
        """See `LatentSite.written`."""
        rows = self._directions(acts.values.device)
        if not len(acts.rows):
            return torch.zeros(positions, rows.shape[1], device=rows.device)
        starts = torch.searchsorted(acts.rows, torch.arange(positions, device=rows.device))
        return F.embedding_bag(acts.features, rows, starts, mode="sum", per_sample_weights=acts.values)

    def along(self, cells: Tensor, features: Tensor, vectors: Tensor) -> Tensor:
        """See `LatentSite.along`."""
        rows = self._directions(vectors.device)
        step = max(1, _GATHERED // rows.shape[1])
        found = [
            (rows[features[start : start + step]] * vectors[cells[start : start + step]]).sum(1)
            for start in range(0, len(cells), step)
        ]
        return torch.cat(found) if found else vectors.new_zeros(0)

    def nothing(self, x: Tensor) -> Tensor:
        """See `LatentSite.nothing`."""
        none = torch.zeros(0, dtype=torch.int64, device=x.device)
        return self._own.decode(Sparse(none, none, torch.zeros(0, device=x.device)), len(x), x.float())

    def adding(self, feature: int, amounts: Tensor) -> Edit:
        """See `LatentSite.adding`."""
        direction = self._own.direction(feature).to(amounts.device)
        return Edit(self.writes, Operation.ADD, (amounts[:, None] * direction)[None])

    def _directions(self, device: torch.device) -> Tensor:
        if device not in self._rows:
            self._rows[device] = self._own.directions().to(device)
        return self._rows[device]


class NeuronSite(LatentSite):
    """The neurons of an MLP, each with its sign: what the activation function gives, as it enters the down projection."""

    has_rest = False

    def __init__(self, subject: Subject, layer: int) -> None:
        if not 0 <= layer < subject.layers:
            raise InputError(f"neurons of layer {layer}: {subject.name} has layers 0 to {subject.layers - 1}")
        self.reads = self.writes = Site(layer=layer, kind=SiteKind.MLP_HIDDEN)
        self.name, self.size = f"neurons of layer {layer}", subject.width_of(self.reads)

    def strengths(self, x: Tensor) -> Sparse:
        """See `LatentSite.strengths`."""
        rows, features = (x != 0).nonzero(as_tuple=True)
        return Sparse(rows, features, x[rows, features].float())

    def strength_of(self, x: Tensor, feature: int) -> Tensor:
        """See `LatentSite.strength_of`."""
        return x[:, feature].float()

    def written(self, acts: Sparse, positions: int) -> Tensor:
        """See `LatentSite.written`."""
        out = torch.zeros(positions, self.size, device=acts.values.device)
        return out.index_put((acts.rows, acts.features), acts.values)

    def along(self, cells: Tensor, features: Tensor, vectors: Tensor) -> Tensor:
        """See `LatentSite.along`."""
        return vectors[cells, features]

    def nothing(self, x: Tensor) -> Tensor:
        """See `LatentSite.nothing`."""
        return torch.zeros_like(x)

    def adding(self, feature: int, amounts: Tensor) -> Edit:
        """See `LatentSite.adding`."""
        return Edit(self.writes, Operation.ADD, amounts[None, :, None], part=(feature, feature + 1))


class LatentParts:
    """One model and the sites at which it is cut, in the order in which it computes them.

    `memory` bounds what is held at a time besides the model, in bytes: prompts are taken in chunks that fit.
    """

    def __init__(
        self,
        subject: Subject,
        dictionaries: Sequence[Dictionary] = (),
        *,
        neurons: Sequence[int] = (),
        memory: int = MEMORY,
    ) -> None:
        """`neurons`: the layers whose neurons are nodes. Raises InputError or DictionaryError for what does not fit."""
        if not subject.has_logits:
            raise InputError(f"{subject.name} has no logits: a circuit is cut out of a model with a head")
        self.subject, self.memory = subject, memory
        self.order = {site: number for number, site in enumerate(subject.sites())}
        for dictionary in dictionaries:
            _check(dictionary, subject, self.order)
        cut: list[LatentSite] = [DictionarySite(dictionary) for dictionary in dictionaries]
        cut += [NeuronSite(subject, layer) for layer in neurons]
        if not cut:
            raise InputError("no latents to make a circuit of: give a dictionary, or layers whose neurons to take")
        self.sites = tuple(sorted(cut, key=lambda one: self.order[one.writes]))
        for one, other in zip(self.sites, self.sites[1:], strict=False):
            if one.writes == other.writes:
                raise InputError(f"{one.name} and {other.name} both write to {one.writes}: give one for each site")

    def numbered(self, node: LatentNode) -> int:
        """The number of a node's site. Raises InputError for a node that is not there."""
        for number, one in enumerate(self.sites):
            if one.writes == node.site:
                if node.feature is None and not one.has_rest:
                    raise InputError(f"there is no node {node.name}: {one.name} leave nothing over")
                if node.feature is not None and not 0 <= node.feature < one.size:
                    raise InputError(f"there is no node {node.name}: {one.name} has latents 0 to {one.size - 1}")
                return number
        there = ", ".join(str(one.writes) for one in self.sites)
        raise InputError(f"there is no node {node.name}: the model is cut at {there}")

    def rows(self, tokens: int, copies: int = 1) -> int:
        """How many prompts fit into memory at a time, where each is held `copies` times."""
        subject = self.subject
        widths = sum(2 * subject.width_of(one.writes) + subject.width_of(one.reads) for one in self.sites)
        # An entry is a latent and its cell, which are held once more while two runs are compared. How many there are is
        # known for neurons alone; of a dictionary few latents are active.
        entries = sum(80 * (min(one.size, 512) if one.has_rest else one.size) for one in self.sites)
        return max(1, self.memory // (tokens * copies * (4 * widths + entries)))


def _check(dictionary: Dictionary, subject: Subject, order: dict[Site, int]) -> None:
    """See that a dictionary is one of this model. Raises InputError, or DictionaryError for one that does not fit."""
    if len(dictionary.output_sites) > 1:
        raise InputError(
            f"{dictionary.name} writes to {len(dictionary.output_sites)} sites: a node writes to one, so give autoencoders or "
            "transcoders of single layers"
        )
    ends = ((dictionary.input_site, dictionary.width), (dictionary.output_site, dictionary.output_width))
    for site, width in ends:
        if site not in order:
            raise DictionaryError(f"{dictionary.name} is for {site}, which {subject.name} does not have")
        if subject.width_of(site) != width:
            raise DictionaryError(
                f"{dictionary.name} is {width} wide at {site}, and {subject.name} {subject.width_of(site)}: "
                "take the model that it was made for"
            )
    if order[dictionary.input_site] > order[dictionary.output_site]:
        raise InputError(
            f"{dictionary.name} reads {dictionary.input_site} and writes {dictionary.output_site} before it"
        )
