"""No internals: rules learned from texts and activations, and what follows in the texts instead of what intervening does."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autointerp.eval._answers import MOST_SOURCE
from autointerp.eval._kits import laboratory_of
from autointerp.eval._protocol import Question

if TYPE_CHECKING:
    from autointerp.tools import Sample, Workbench

#: Tokens that are named, and how often one has to follow active tokens to be named.
_NAMED, _LEAST = 5, 3
#: Of a network that answers, so many passes of so many texts are looked at.
_PASSES, _ROWS = 16, 256


class BlackBox:
    """Looks at where the feature is active in texts, and never runs the model with anything changed."""

    name = "black-box"
    summary = "rules learned from activations or answers, effects guessed from what follows; no interventions"
    network = False
    answers = ("FeatureAnswer", "BehaviourAnswer")

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError for a question that is about neither a feature nor the behaviour of a network."""
        return _behaviour(kit, question) if "source" in question.answer["properties"] else self._feature(kit, question)

    def _feature(self, kit: Path, question: Question) -> dict[str, Any]:
        from autointerp.agents import EXPLAINED, TEXTS, RuleScientist
        from autointerp.programs import Predictor
        from autointerp.study import open_bench
        from autointerp.tools import sample_texts

        laboratory = laboratory_of(kit, question)
        assert question.feature is not None
        usage = laboratory.subject.usage
        before = usage.forward_passes
        with Predictor() as predictor:
            bench, gate = open_bench(laboratory, laboratory.feature(question.feature), predictor)
            program = RuleScientist().predictor(bench)
            score = 0.0 if program is None else gate(program) or 0.0
        used = {"forward_passes": usage.forward_passes - before}
        if program is None or score < EXPLAINED:
            return {"verdict": "nothing", "confidence": round(1 - max(0.0, score), 2), **used}
        followers = _followers(bench, sample_texts(bench, active=TEXTS, silent=TEXTS))
        return {"program": program.source, "promotes": followers, "confidence": round(min(1.0, score), 2), **used}


def _behaviour(kit: Path, question: Question) -> dict[str, Any]:
    """A decision tree, learned from what the network answers to texts drawn at random."""
    import numpy as np

    from autointerp.eval._surroundings import Sampled, tree_source
    from autointerp.models import Subject

    subject, words = Subject.load(str(kit / question.model)), question.given["words"]
    lines = (kit / question.given["behaviour"]).read_text(encoding="utf-8").splitlines()
    known = [json.loads(line) for line in lines]
    longest = max(len(row["answers"]) for row in known)
    random = np.random.default_rng(0)
    texts, answers = [row["text"].split() for row in known], [row["answers"] for row in known]
    for _ in range(_PASSES):
        # As the texts given are: longer ones more often.
        sizes = random.integers(1, longest + 1, size=(_ROWS, 2)).max(axis=1)
        drawn = [list(map(str, random.choice(words, size=size))) for size in sizes]
        ids = subject.batch([[subject.bos, *subject.encode(" ".join(text))] for text in drawn])
        logits = subject.run(ids, logits=True).logits
        assert logits is not None
        texts += drawn
        said = logits.argmax(-1).tolist()
        answers += [
            [subject.strings[i].strip() for i in row[1 : 1 + len(text)]] for row, text in zip(said, drawn, strict=True)
        ]
    source = tree_source(Sampled(tuple(words), texts, answers), MOST_SOURCE)
    return {"source": source, "confidence": 0.5, "forward_passes": subject.usage.forward_passes}


def _followers(bench: Workbench, sample: Sample) -> list[str]:
    """The tokens that follow active tokens more often than others, by the ratio of their shares (add-one smoothed)."""
    active: Counter[int] = Counter()
    other: Counter[int] = Counter()
    for ids, length, values in zip(sample.ids, sample.lengths, sample.activations, strict=True):
        for place in range(1, length - 1):
            (active if values[place] > 0 else other)[int(ids[place + 1])] += 1
    often = [token for token, count in active.items() if count >= _LEAST]
    often.sort(key=lambda token: (-(active[token] + 1) / (other[token] + 1), token))
    return [bench.subject.strings[token] for token in often[:_NAMED]]
