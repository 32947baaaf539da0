"""A dictionary whose truth is known: every feature is active exactly on the tokens that it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from autointerp.activations import Corpus, Document, IndexSettings, Split, build_index, open_corpus, split_of
from autointerp.dictionaries import Sparse
from autointerp.models import Subject
from autointerp.records import Site, SiteKind
from autointerp.study import Laboratory
from autointerp.testing import tiny_corpus

#: Active on one token · on two, twice as strongly on the first · never · on a sign at the head of three train documents.
SINGLE, DOUBLE, DEAD, RARE = 0, 1, 2, 3
_OTHERS = 8
_RARE_SIGN = "§"


class TokenDictionary:
    """Reads the token off the embedding, and writes a random direction to the residual stream after block 1.

    The directions differ in norm, so that a comparison that forgets to match norms is seen.
    """

    name = fingerprint = "known"
    input_site = Site(layer=0, kind=SiteKind.EMBED)
    output_site = Site(layer=1, kind=SiteKind.RESID_POST)
    output_sites = (output_site,)

    def __init__(self, subject: Subject, tables: Sequence[Mapping[int, float]]) -> None:
        self.size, self.width, self.output_width = len(tables), subject.width, subject.width
        self._embedding = subject.module.get_input_embeddings().weight.float()
        self._values = torch.zeros(len(self._embedding), self.size)
        for feature, table in enumerate(tables):
            for token, value in table.items():
                self._values[token, feature] = value
        generator = torch.Generator().manual_seed(1)
        scale = 1.0 + torch.arange(self.size) % 3
        self._directions = torch.randn(self.size, self.width, generator=generator) * scale[:, None]

    def _dense(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.width)
        return self._values[torch.cdist(flat, self._embedding).argmin(1)].reshape(*x.shape[:-1], self.size)

    def encode(self, x: Tensor) -> Sparse:
        acts = self._dense(x)
        rows, features = acts.nonzero(as_tuple=True)
        return Sparse(rows, features, acts[rows, features])

    def encode_one(self, x: Tensor, feature: int) -> Tensor:
        return self._dense(x)[..., feature]

    def decode(self, acts: Sparse, positions: int, x: Tensor | None = None) -> Tensor:
        return torch.zeros(positions, self.width).index_add_(
            0, acts.rows, acts.values[:, None] * self._directions[acts.features]
        )

    def direction(self, feature: int) -> Tensor:
        return self._directions[feature]

    def directions(self, start: int = 0, stop: int | None = None) -> Tensor:
        return self._directions[start:stop]

    def directions_at(self, site: Site, start: int = 0, stop: int | None = None) -> Tensor:
        assert site == self.output_site
        return self.directions(start, stop)

    def writes(self, feature: int) -> dict[Site, Tensor]:
        return {self.output_site: self._directions[feature]}

    def scale(self, x: Tensor) -> Tensor:
        return torch.ones(x.shape[:-1])


def known_laboratory(subject: Subject, folder: Path) -> Laboratory:
    """An index, made in `folder`, of the known features over made-up texts."""
    texts = [document.text for document in open_corpus(str(tiny_corpus(folder, documents=150))).documents()]
    names = [f"text {number}" for number in range(len(texts))]
    rare = [name for name in names if split_of(name) is Split.TRAIN][:3]
    documents = [
        Document(name, (_RARE_SIGN if name in rare else "") + text) for name, text in zip(names, texts, strict=True)
    ]
    common = _common(subject, texts)
    tables: list[dict[int, float]] = [
        {common[0]: 2.0},
        {common[1]: 3.0, common[2]: 1.5},
        {},
        {subject.encode(_RARE_SIGN)[-1]: 2.0},
        *({token: 2.0} for token in common[3 : 3 + _OTHERS]),
    ]
    dictionary = TokenDictionary(subject, tables)

    def read() -> Iterator[Document]:
        yield from documents

    settings = IndexSettings(tokens=30_000)
    source = Corpus("known", "known", read)
    index = build_index(subject, dictionary, source, folder / "index", key="known", settings=settings)
    return Laboratory(subject, dictionary, index, seed=0)


def _common(subject: Subject, texts: Sequence[str]) -> list[int]:
    """Tokens of letters that stand in a tenth of the windows or more, but not in most of them; by how often."""
    windows: Counter[int] = Counter()
    count = 0
    for text in texts:
        ids = subject.encode(text)
        for start in range(0, len(ids), 60):
            windows.update(set(ids[start : start + 60]))
            count += 1
    found = [
        token
        for token, n in windows.most_common()
        if 0.1 < n / count < 0.4 and subject.strings[token].strip().isalpha()
    ]
    assert len(found) >= 3 + _OTHERS
    return found
