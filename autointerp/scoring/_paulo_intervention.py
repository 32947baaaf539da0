"""Paulo intervention: does steering make the explanation more probable to a reader of what is written? (Paulo et al. 2024)"""

from __future__ import annotations

import numpy as np

from autointerp.programs import Predictor
from autointerp.records import Explanation, Score
from autointerp.scoring._bootstrap import Sample
from autointerp.scoring._directions import Writes, continuations, random_writes, strength_for
from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judges
from autointerp.scoring._output_choice import NO_OUTPUT, NO_PROMPTS, NO_TEXT
from autointerp.scoring._protocol import Controls, Graded, unscored
from autointerp.scoring._reading import log_probabilities
from autointerp.scoring._surprisal import NEEDS_READER
from autointerp.scoring._words import about_output

NAME = "paulo_intervention"
_TARGET = 0.5
_PROMPTS, _LENGTH, _TOKENS = 16, 16, 24


class PauloIntervention:
    """Mean over test prompts of log p(explanation | steered text) - log p(explanation | clean text), in nats.

    The strength is that which moves the next token by 0.5 nats on prompts of the train split. Both texts are drawn with the
    same random numbers.
    """

    on_request = True

    def __call__(
        self, explanation: Explanation, exam: Exam, controls: Controls, predictor: Predictor, judges: Judges
    ) -> Graded:
        """As the protocol says. Control: a random direction at its own strength for 0.5 nats."""
        del predictor
        reader, subject = judges.reader, exam.subject
        if reader is None or not (reader.causal and reader.has_logits):
            return unscored(NAME, NEEDS_READER)
        if not (words := about_output(explanation)):
            return unscored(NAME, NO_OUTPUT)
        if not (subject.has_logits and subject.causal):
            return unscored(NAME, NO_TEXT)
        if controls.prompts is None or not len(controls.prompts):
            return unscored(NAME, NO_PROMPTS)
        chosen = np.unique(np.linspace(0, len(exam.ids) - 1, _PROMPTS).round().astype(np.int64))
        prompts = [exam.ids[i, : min(_LENGTH, exam.lengths[i])].tolist() for i in chosen]

        def read(writes: Writes, strength: float) -> np.ndarray:
            texts = exam.once(
                (NAME, writes is own, strength),
                lambda: continuations(subject, prompts, writes, strength, tokens=_TOKENS, seed=exam.seed),
            )
            contexts = [f"Text: {text}\n\nThe text above contains much of this: " for text in texts]
            return log_probabilities(reader, contexts, [words] * len(texts))[0]

        own, other = exam.dictionary.writes(exam.feature), random_writes(exam)
        setting = controls.prompts
        strength, against = exam.once(
            (NAME, setting.tobytes()), lambda: [strength_for(subject, w, setting, _TARGET) for w in (own, other)]
        )
        if strength is None:
            return unscored(NAME, "no strength of steering that was tried moves the output by 0.5 nats")
        clean = read(own, 0.0)
        gain = read(own, strength) - clean
        control = {} if against is None else {"random_direction": float((read(other, against) - clean).mean())}
        sample = Sample(lambda w: float(w @ gain / w.sum()), exam.documents[chosen])
        ci = sample.interval(seed=exam.seed)
        return Graded(Score(name=NAME, value=sample.value(), ci=ci, n=len(gain), control=control), sample=sample)
