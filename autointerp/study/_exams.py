"""Exams of one laboratory: the held-out data of a feature, and what its scores are compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from autointerp.activations import TrainView, open_corpus
from autointerp.agents import RuleScientist
from autointerp.errors import FeatureError
from autointerp.induction import token_means
from autointerp.models import Subject
from autointerp.programs import Predictor
from autointerp.records import Program
from autointerp.scoring import Controls, Exam, content, exam_on, prepare_exam
from autointerp.study._bench import matched_feature, open_bench
from autointerp.study._open import Laboratory

_TOP_TOKENS = 10
#: Prompts of the train split on which strengths of steering are set, and their length with BOS.
_PROMPTS, _PROMPT_LENGTH = 12, 16
#: Texts among which the activating ones are looked for in a twin or in another corpus.
_TEXTS = 256


@dataclass(frozen=True, eq=False)
class Exams:
    """What the exams of a laboratory share is made once."""

    laboratory: Laboratory

    def open(self, feature: int, *, matched: int | None = None) -> tuple[Exam, Controls]:
        """The exam of a feature and its controls, without another's explanation. Raises FeatureError for a dead feature.

        `matched` is the random feature of about the same density that scores are compared with; drawn where not given.
        """
        laboratory = self.laboratory
        if not laboratory.index.active[feature]:
            raise FeatureError(f"feature {feature} is never active in the index: give one that is, or more --tokens")
        table, top = token_tables(laboratory.index.train, feature, len(laboratory.subject.strings))
        exam = prepare_exam(
            laboratory.subject,
            laboratory.dictionary,
            feature,
            laboratory.index.test,
            matched=matched_feature(laboratory, feature) if matched is None else matched,
            near_tokens=np.flatnonzero(top).tolist(),
            seed=laboratory.seed,
            seen=self._seen,
        )
        return exam, Controls(shuffled=None, token_table=table, top_tokens=top, prompts=self._prompts)

    def in_twin(self, exam: Exam, controls: Controls, twin: Subject) -> Exam:
        """The same feature in another model of the same shape, on texts of the test split."""
        view = self.laboratory.index.test
        some = slice(min(_TEXTS, view.passages))
        return exam_on(
            exam,
            twin,
            np.asarray(view.tokens[some]),
            np.asarray(view.lengths[some]),
            np.asarray(view.documents[some]),
            near_tokens=np.flatnonzero(controls.top_tokens).tolist(),
        )

    def on_corpus(self, exam: Exam, controls: Controls, corpus: str) -> Exam:
        """The same feature on the beginnings of other documents, none of which is a text of the index."""
        subject = self.laboratory.subject
        length = self.laboratory.index.test.length
        texts: list[list[int]] = []
        for document in open_corpus(corpus).documents():
            found = subject.encode(document.text)[: length - 1]
            if found and content(np.array(found, dtype=np.int32)) not in self._seen:
                texts.append([subject.bos, *found])
            if len(texts) == _TEXTS:
                break
        ids = np.full((len(texts), length), subject.padding, dtype=np.int32)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = text
        lengths = np.array([len(text) for text in texts], dtype=np.int32)
        owners = np.arange(len(texts), dtype=np.int32)
        return exam_on(exam, subject, ids, lengths, owners, near_tokens=np.flatnonzero(controls.top_tokens).tolist())

    def rule_for(self, feature: int) -> Program | None:
        """What the rule learner makes of a feature: the program of a shuffled explanation where no other is at hand."""
        with Predictor() as predictor:
            reference = self.laboratory.feature(feature)
            return RuleScientist().predictor(open_bench(self.laboratory, reference, predictor)[0])

    @cached_property
    def _seen(self) -> frozenset[bytes]:
        return contents(self.laboratory.index.train)

    @cached_property
    def _prompts(self) -> NDArray[np.int32] | None:
        train = self.laboratory.index.train
        long = np.flatnonzero(np.asarray(train.lengths) >= _PROMPT_LENGTH)[:_PROMPTS]
        return np.asarray(train.tokens[long, :_PROMPT_LENGTH], dtype=np.int32) if len(long) else None


def token_tables(train: TrainView, feature: int, vocabulary: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean activation by token id in the train split, [vocabulary]; and the same of the ten strongest tokens, else zero."""
    windows = train.windows(feature)
    known = slice(windows.passages)
    table, seen = token_means(train.tokens[known], train.lengths[known], windows.dense(train.length), vocabulary)
    best = np.argsort(-np.where(seen, table, -1.0), kind="stable")[:_TOP_TOKENS]
    top = np.zeros_like(table)
    top[best] = table[best]
    return table, top


def contents(train: TrainView) -> frozenset[bytes]:
    """The contents of all texts of the train split, none of which may be in an exam."""
    return frozenset(content(row[1:length]) for row, length in zip(train.tokens, train.lengths, strict=True))


def beside(controls: Controls, other: Program | None, words: str | None) -> Controls:
    """The same controls with another feature's explanation, program and words."""
    return replace(controls, shuffled=other, other=words)
