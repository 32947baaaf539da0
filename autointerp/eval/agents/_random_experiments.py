"""Random experiments with the budget of the rule scientist: what looking at all of that many guesses would get anyone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autointerp.eval._kits import laboratory_of
from autointerp.eval._protocol import Question
from autointerp.eval._tables import table_program

if TYPE_CHECKING:
    import numpy as np

    from autointerp.tools import Sample, Workbench

#: As many programs as the rule scientist puts to the gate, and tokens a program.
_PROGRAMS, _ENTRIES = 8, 10
#: Of so many tokens drawn from the vocabulary the effect is looked at; those that move most are named.
_LOOKED_AT, _NAMED = 256, 5


class RandomExperiments:
    """Tries random tables of tokens and looks at the effects on random tokens; keeps what the experiments favour."""

    name = "random-experiments"
    summary = "random hypotheses and effects on random tokens, with the budget of the rule scientist"
    network = False
    answers = ("FeatureAnswer",)

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError for a question that is about no feature."""
        import numpy as np

        from autointerp.agents import TEXTS
        from autointerp.programs import Predictor
        from autointerp.records import Program
        from autointerp.study import open_bench
        from autointerp.tools import sample_texts

        laboratory = laboratory_of(kit, question)
        assert question.feature is not None
        usage = laboratory.subject.usage
        before = usage.forward_passes
        random = np.random.default_rng(list(hashlib.sha256(question.problem.encode()).digest()[:8]))
        with Predictor() as predictor:
            bench, gate = open_bench(laboratory, laboratory.feature(question.feature), predictor)
            sample = sample_texts(bench, active=TEXTS, silent=TEXTS)
            if not sample.active:
                return {"verdict": "nothing", "confidence": 1.0}
            sources = [_table(bench, sample, random) for _ in range(_PROGRAMS)]
            scores = [gate(Program(source=source)) or 0.0 for source in sources]
        best = max(range(_PROGRAMS), key=scores.__getitem__)
        raised, lowered = _moved(bench, random)
        return {
            "program": sources[best],
            "promotes": raised,
            "suppresses": lowered,
            "confidence": round(max(0.0, min(1.0, scores[best])), 2),
            "forward_passes": usage.forward_passes - before,
        }


def _table(bench: Workbench, sample: Sample, random: np.random.Generator) -> str:
    """A program that is a table of tokens drawn from the texts, with heights drawn from the activations."""
    strings = bench.subject.strings
    tokens = sorted({strings[i] for ids, length in zip(sample.ids, sample.lengths, strict=True) for i in ids[1:length]})
    drawn = random.choice(len(tokens), size=min(_ENTRIES, len(tokens)), replace=False)
    heights = random.choice(sample.activations[sample.activations > 0], size=len(drawn))
    table = {tokens[i]: round(float(height), 3) for i, height in zip(drawn, heights, strict=True)}
    return table_program(table)


def _moved(bench: Workbench, random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Of tokens drawn from the vocabulary those whose logits the feature raises and lowers most, by ablating and steering."""
    import numpy as np

    from autointerp.records import Intervention
    from autointerp.tools import effects_of

    effects = effects_of(bench)
    if not effects:
        return [], []
    size = len(bench.subject.strings)
    change = np.zeros(size)
    for effect in effects:
        sign = -1 if effect.intervention is Intervention.ABLATE else 1
        change += sign * effect.changes.mean(0).numpy()[:size]
    drawn = random.choice(size, size=min(_LOOKED_AT, size), replace=False).tolist()
    drawn.sort(key=lambda token: -change[token])
    strings = bench.subject.strings
    raised = [strings[i] for i in drawn[:_NAMED] if change[i] > 0]
    return raised, [strings[i] for i in drawn[-_NAMED:] if change[i] < 0]
