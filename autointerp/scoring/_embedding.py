"""Embedding: are activating texts nearer to the explanation than others? (Paulo et al. 2024)"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from autointerp.models import Subject
from autointerp.programs import Predictor
from autointerp.records import Explanation, Site, SiteKind
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._separation import by_auroc
from autointerp.scoring._words import SILENT, about_input

NAME = "embedding"
_BATCH = 16
_FINAL = Site(layer=0, kind=SiteKind.FINAL)


class Embedding:
    """AUROC of the cosine between explanation and text, each the mean of its final states in another model."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Controls: chance, and another feature's explanation."""
        del predictor
        if judges.embedder is None:
            return unscored(NAME, "needs a model that embeds texts: --embedder FOLDER")
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        asked = [words, *([controls.other] if controls.other else [])]
        model = judges.embedder
        texts = exam.once((NAME, model.fingerprint), lambda: embed(model, [exam.text(i) for i in range(len(exam.ids))]))
        cosines = embed(model, asked) @ texts.T
        control = {}
        if controls.other:
            other = by_auroc(NAME, cosines[1], exam.truth, exam.documents, seed=exam.seed).result
            if other.kind == "score":
                control["shuffled_explanation"] = other.value
        return by_auroc(NAME, cosines[0], exam.truth, exam.documents, seed=exam.seed, control=control)


def embed(model: Subject, texts: Sequence[str]) -> NDArray[np.float64]:
    """Mean final states of unit length, [texts, width]; padding is left out of the mean."""
    room = model.context - 1 - len(model.suffix)
    rows = [[model.bos, *model.encode(text)[:room]] for text in texts]
    parts = []
    for start in range(0, len(rows), _BATCH):
        batch = model.batch(rows[start : start + _BATCH])
        states = model.run(batch, capture=[_FINAL]).sites[_FINAL].double().cpu()
        mask = batch.mask.cpu()[..., None]
        mean = (states * mask).sum(1) / mask.sum(1)
        parts.append(mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12))
    found: NDArray[np.float64] = torch.cat(parts).numpy()
    return found
