"""The mean activation of every token: the baseline that most captions do not beat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autointerp.eval._kits import laboratory_of
from autointerp.eval._protocol import Question
from autointerp.eval._tables import table_program

#: Tokens of the table: as many as a person would read.
_ENTRIES = 10
#: A feature whose table says less about the texts of the development corpus is called nothing.
_LEAST = 0.2


class TokenLookup:
    """A table of the ten tokens on which the feature is most active; it does nothing to the model but read it."""

    name = "token-lookup"
    summary = "the ten tokens with the highest mean activation, and nothing about effects"
    network = False
    answers = ("FeatureAnswer",)

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError for a question that is about no feature."""
        import numpy as np

        from autointerp.agents import TEXTS
        from autointerp.induction import token_means
        from autointerp.study import bench_of
        from autointerp.tools import sample_texts

        laboratory = laboratory_of(kit, question)
        assert question.feature is not None
        bench = bench_of(laboratory, laboratory.feature(question.feature))
        sample = sample_texts(bench, active=TEXTS, silent=TEXTS)
        if not sample.active:
            return {"verdict": "nothing", "confidence": 1.0}
        strings = bench.subject.strings
        means, seen = token_means(sample.ids, sample.lengths, sample.activations, len(strings))
        best = sorted(np.flatnonzero(seen).tolist(), key=lambda token: -means[token])[:_ENTRIES]
        table = {strings[token]: round(float(means[token]), 3) for token in best if means[token] > 0}
        said, true = [], []
        for ids, length, values in zip(sample.ids, sample.lengths, sample.activations, strict=True):
            said += [table.get(strings[token], 0.0) for token in ids[1:length]]
            true += values[1:length].tolist()
        fit = float(np.corrcoef(said, true)[0, 1]) if np.std(said) and np.std(true) else 0.0
        if fit < _LEAST:
            return {"verdict": "nothing", "confidence": round(1 - max(0.0, fit), 2)}
        source = table_program(table)
        return {"program": source, "confidence": round(max(0.0, min(1.0, fit)), 2)}
