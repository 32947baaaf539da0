"""Surprisal: does the explanation make activating texts more probable to a language model? (Paulo et al. 2024)"""

from __future__ import annotations

import numpy as np

from autointerp.programs import Predictor
from autointerp.records import Explanation
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._reading import log_probabilities
from autointerp.scoring._separation import by_auroc
from autointerp.scoring._words import SILENT, about_input

NAME = "surprisal"
#: What is said of the text instead of the explanation, to see what the explanation adds.
_GENERIC = "various things"
NEEDS_READER = "needs a causal language model that reads: --reader FOLDER"


class Surprisal:
    """AUROC of the drop in a text's loss per token that the explanation brings, against a generic one."""

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: chance."""
        del controls, predictor
        reader = judges.reader
        if reader is None or not (reader.causal and reader.has_logits):
            return unscored(NAME, NEEDS_READER)
        if not (words := about_input(explanation)):
            return unscored(NAME, SILENT)
        texts = [exam.text(i) for i in range(len(exam.ids))]
        told, counts = log_probabilities(reader, [_context(words)] * len(texts), texts)
        untold, _ = exam.once(
            (NAME, reader.fingerprint), lambda: log_probabilities(reader, [_context(_GENERIC)] * len(texts), texts)
        )
        drop = (told - untold) / np.maximum(counts, 1)
        return by_auroc(NAME, drop, exam.truth, exam.documents, seed=exam.seed)


def _context(words: str) -> str:
    return f"The following text contains {words}:\n\n"
