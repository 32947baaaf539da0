"""What can be done for a feature with the index alone: learn rules, gate a program, grade it. No model is loaded for it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from autointerp.activations import Index
from autointerp.agents import FEWEST_ACTIVATIONS, FEWEST_TEXTS, TEXTS, best_rule, insufficient, report_of
from autointerp.errors import ProgramError
from autointerp.induction import Rule, Terms, learn
from autointerp.labelling._label import Attempt
from autointerp.programs import Predictor
from autointerp.records import Cost, Example, Explanation, FeatureStats, Program, ScoreResult, Unscored
from autointerp.scoring import FEWEST, Controls, hold_out, simulated
from autointerp.study import contents, like_in_density, refine_texts, token_tables
from autointerp.tools import draw

RULES = "rules"
#: Rules whose tables a worker keeps, and texts on which they are checked against their programs.
_REMEMBERED, _CHECKED = 64, 2
_UNMEASURED = "not measured: labels of rules are made without running the model"


class Graded(BaseModel):
    """The held-out score of an explanation, and what a page shows beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    simulation: ScoreResult
    stats: FeatureStats
    examples: tuple[Example, ...]


class _Known(Predictor):
    """Runs programs in the sandbox; one whose tables are known only on the first texts, as a check of what the tables give."""

    def __init__(self) -> None:
        super().__init__()
        self._terms: OrderedDict[str, Terms] = OrderedDict()

    def know(self, rule: Rule) -> None:
        """Remember a rule that was learned here, for a while."""
        self._terms[rule.program.source] = rule.terms
        while len(self._terms) > _REMEMBERED:
            self._terms.popitem(last=False)

    def __call__(self, program: Program, texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """As `Predictor`: the same numbers, most of them without the sandbox."""
        terms = self._terms.get(program.source)
        if terms is None:
            return super().__call__(program, texts)
        told = [row.tolist() for row in terms.predict(texts)]
        if super().__call__(program, texts[:_CHECKED]) == told[:_CHECKED]:
            return told
        return super().__call__(program, texts)


class IndexWork:
    """An index, opened in this process, and a sandbox. A context manager."""

    def __init__(self, folder: Path, vocabulary: int, seed: int) -> None:
        self.index, self.seed = Index.open(folder), seed
        self.strings = self.index.vocabulary.strings(np.arange(vocabulary))
        self.predictor = _Known()

    def __enter__(self) -> IndexWork:
        self.predictor.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.predictor.__exit__(None, None, None)

    @cached_property
    def _seen(self) -> frozenset[bytes]:
        return contents(self.index.train)

    def learn(self, feature: int) -> Attempt:
        """The offline scientist's answer, chosen on the refine split, without claims about the output."""
        began = time.monotonic()
        sample = draw(self.index.train, feature, active=TEXTS, silent=TEXTS, seed=self.seed)
        count = int((sample.activations > 0).sum())
        if sample.active < FEWEST_TEXTS or count < FEWEST_ACTIVATIONS:
            told = insufficient(self.index.feature(feature).stats, sample.active, count)
            return Attempt(stage=RULES, explanation=told, refine=None, cost=Cost(seconds=time.monotonic() - began))
        rows = list(zip(sample.ids, sample.activations, sample.lengths, strict=True))
        rules = learn(
            [self._text(ids[1:length].tolist()) for ids, _, length in rows],
            [acts[1:length].tolist() for _, acts, length in rows],
        )
        held = refine_texts(self.index.refine, feature, seed=self.seed)
        texts = held.strings(self.strings)
        rule, score = best_rule(rules, lambda rule: held.score([r.tolist() for r in rule.terms.predict(texts)]))
        self.predictor.know(rule)
        report = report_of(rule, score, (), None, _UNMEASURED)
        cost = Cost(seconds=time.monotonic() - began)
        # Without activating refine texts the score is not defined: the rule was chosen for its length alone.
        refine = score if held.active else None
        return Attempt(stage=RULES, explanation=report.explanation, refine=refine, evidence=report.evidence, cost=cost)

    def gate(self, feature: int, program: Program) -> float | None:
        """A program's correlation on the refine split, as a scientist is told it; None where it is not defined."""
        held = refine_texts(self.index.refine, feature, seed=self.seed)
        try:
            return held.score(self.predictor(program, held.strings(self.strings))) if held.active else None
        except ProgramError:
            return None

    def grade(self, feature: int, explanation: Explanation) -> Graded:
        """Simulation on the test split with its controls, and the windows and figures of the feature."""
        view = self.index.feature(feature)
        simulation = self._simulation(feature, explanation)
        return Graded(simulation=simulation, stats=view.stats, examples=self._told(explanation, view.examples))

    def _simulation(self, feature: int, explanation: Explanation) -> ScoreResult:
        if explanation.predictor is None:
            return Unscored(name="simulation", reason=explanation.summary)
        matched = like_in_density(self.index.active, feature, seed=self.seed)
        if matched is None:
            return Unscored(name="simulation", reason="no other feature is live to compare it with")
        table, top = token_tables(self.index.train, feature, len(self.strings))
        held = hold_out(
            self.index.test,
            self.strings,
            feature,
            matched=matched,
            near_tokens=np.flatnonzero(top).tolist(),
            seed=self.seed,
            seen=self._seen,
        )
        if held.active < FEWEST:
            reason = f"{held.active} test texts activate the feature; at least {FEWEST} are needed"
            return Unscored(name="simulation", reason=reason)
        controls = Controls(shuffled=None, token_table=table, top_tokens=top)
        try:
            return simulated(explanation, held, controls, self.predictor).result
        except ProgramError as error:
            return Unscored(name="simulation", reason=" ".join(f"the program failed: {error}".split()))

    def _told(self, explanation: Explanation, examples: Sequence[Example]) -> tuple[Example, ...]:
        """The windows with what the program predicts for them; without, where it fails, which the score says."""
        if explanation.predictor is None:
            return tuple(examples)
        try:
            predicted = self.predictor(explanation.predictor, [example.tokens for example in examples])
        except ProgramError:
            return tuple(examples)
        return tuple(
            example.model_copy(update={"predicted": tuple(max(0.0, value) for value in values)})
            for example, values in zip(examples, predicted, strict=True)
        )

    def _text(self, ids: Sequence[int]) -> list[str]:
        return [self.strings[i] for i in ids]
