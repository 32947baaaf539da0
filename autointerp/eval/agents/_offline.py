"""The rule scientist, as `autointerp explain` runs it: no network, and no held-out text for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autointerp.eval._kits import laboratory_of
from autointerp.eval._protocol import Question
from autointerp.eval.agents._studying import answer_of


class Offline:
    """Learns a rule, measures effects, and says how sure it is."""

    name = "offline"
    summary = "the rule scientist of `autointerp explain`"
    network = False
    answers = ("FeatureAnswer",)

    def answer(self, kit: Path, question: Question) -> dict[str, Any]:
        """See Agent. Raises InputError for a question that is about no feature."""
        from autointerp.agents import RuleScientist
        from autointerp.programs import Predictor
        from autointerp.study import explain

        laboratory = laboratory_of(kit, question)
        assert question.feature is not None
        before = laboratory.subject.usage.forward_passes
        with Predictor() as predictor:
            _, report = explain(laboratory, laboratory.feature(question.feature), RuleScientist(), predictor)
        return answer_of(report.explanation) | {"forward_passes": laboratory.subject.usage.forward_passes - before}
