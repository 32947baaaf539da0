"""The host of planted features: a causal model, a dictionary for it, and what both do on a sample of text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.activations import open_corpus
from autointerp.errors import OrganismError
from autointerp.eval.organisms.planted._features import Sample
from autointerp.eval.organisms.planted._source import Source
from autointerp.eval.organisms.planted._texts import LONGEST, Texts
from autointerp.eval.organisms.planted.network import obstacles
from autointerp.models import Subject

Floats = NDArray[np.float64]

_BATCH = 32
#: Texts that functions are drawn on, and those of them that the host is run on.
_COUNTED, _RUN = 600, 160
#: Latents of the host's dictionary that new ones are made alike, and how often such a one has to be active in the sample.
_PATTERNS, _LEAST_ACTIVE = 1024, 24
_SEED = 0


@dataclass(frozen=True, eq=False)
class Pattern:
    """A latent of the host's dictionary: its number, its row, and its activations where it is active."""

    number: int
    density: float
    activations: Floats


@dataclass(frozen=True, eq=False)
class Host:
    """A model, a dictionary at one of its sites, and texts."""

    subject: Subject
    source: Source
    texts: Texts

    @classmethod
    def open(cls, model: str | Subject, dictionary: str, corpus: str) -> Host:
        """Open all three. Raises OrganismError with every reason why nothing can be planted there."""
        subject = model if isinstance(model, Subject) else Subject.load(model)
        source = Source.read(dictionary)
        reasons = [f"of {dictionary}: {reason}" for reason in source.obstacles()]
        if source.place is not None:
            reasons += [f"of {subject.name}: {reason}" for reason in obstacles(subject._layout.anatomy, source.depth)]
            if not reasons and source.width != subject.width:
                reasons.append(
                    f"the dictionary is {source.width} wide and the stream of {subject.name} {subject.width}"
                )
        if reasons:
            raise OrganismError(f"nothing can be planted in {subject.name}: {'; '.join(reasons)}")
        return cls(subject, source, Texts(open_corpus(corpus), subject.encode, min(subject.context, LONGEST) - 1))

    @cached_property
    def sample(self) -> Sample:
        """The texts that functions are drawn on."""
        rows = self._encoded
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        valid = np.zeros(ids.shape, dtype=bool)
        for number, row in enumerate(rows):
            ids[number, : len(row)], valid[number, : len(row)] = row, True
        return Sample(ids, valid, self.subject.strings)

    @cached_property
    def stream(self) -> Floats:
        """The stream at the dictionary's site on some of these texts, [positions, width]."""
        assert self.source.place is not None
        found = []
        for start in range(0, min(_RUN, len(self._encoded)), _BATCH):
            rows = self._encoded[start : start + _BATCH]
            ids = self.subject.pad([[self.subject.bos, *row] for row in rows])
            read = self.subject.run(ids, capture=[self.source.place]).sites[self.source.place]
            found += [x[1 : 1 + len(row)] for x, row in zip(read, rows, strict=True)]
        return torch.cat(found).double().cpu().numpy()

    @cached_property
    def patterns(self) -> list[Pattern]:
        """Latents that are active often enough in the sample to be imitated."""
        numbers = np.random.default_rng(_SEED).permutation(self.source.size)[:_PATTERNS]
        encoder = self.source.tensor("W_enc").T[numbers]
        found = self.stream @ encoder.T + self.source.offsets(encoder, self.source.tensor("b_enc")[numbers])
        active = found > self.source.threshold[numbers]
        kept = [i for i in np.argsort(numbers).tolist() if active[:, i].sum() >= _LEAST_ACTIVE]
        if not kept:
            raise OrganismError(
                f"no latent of the dictionary is active at {_LEAST_ACTIVE} of {len(found)} positions, so there is none to make"
                " others alike: give the corpus that it was made for"
            )
        return [Pattern(int(numbers[i]), float(active[:, i].mean()), np.sort(found[active[:, i], i])) for i in kept]

    @cached_property
    def lens(self) -> Floats:
        """What the stream adds to the logits by way of the head alone, [vocabulary, width]; random where that is not linear."""
        found: Any = self.subject.unembedding
        if found is None:
            size = (len(self.subject.strings), self.source.width)
            return np.random.default_rng(_SEED).normal(size=size)
        return found.double().cpu().numpy()  # type: ignore[no-any-return]

    @cached_property
    def _encoded(self) -> list[list[int]]:
        texts = self.texts.sample(_COUNTED, seed=_SEED, fresh=False)
        return [self.subject.encode(text) for text in texts]
