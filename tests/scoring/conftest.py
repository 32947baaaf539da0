"""Exams on features whose truth is known, and programs that know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from autointerp.records import Program
from autointerp.scoring import Controls, Exam, prepare_exam
from autointerp.study import Laboratory
from tests.scoring.known import SINGLE
from tests.scoring.made import exact, lookup_program, near_tokens, recall_program

MATCHED = 5


@pytest.fixture(scope="session")
def exam(known: Laboratory) -> Exam:
    """Ten texts that activate the feature of one token, five near misses and five others."""
    whole = prepare_exam(
        known.subject,
        known.dictionary,
        SINGLE,
        known.index.test,
        matched=MATCHED,
        near_tokens=near_tokens(known),
        seed=0,
    )
    assert whole.active >= 10
    assert whole.near >= 5
    silent = whole.active + whole.near
    chosen = np.r_[:10, whole.active : whole.active + 5, silent : silent + 5]
    return replace(
        whole,
        ids=whole.ids[chosen],
        lengths=whole.lengths[chosen],
        documents=whole.documents[chosen],
        strings=tuple(whole.strings[i] for i in chosen),
        activations=whole.activations[chosen],
        active=10,
        near=5,
        matched_activations=whole.matched_activations[chosen],
        clean=whole.clean.some(chosen),
    )


@pytest.fixture(scope="session")
def controls(known: Laboratory) -> Controls:
    """Look-ups that know nothing, and another feature's program."""
    size = len(known.subject.strings)
    table = np.random.default_rng(0).random(size).astype(np.float32)
    top = np.where(table > np.sort(table)[-11], table, 0).astype(np.float32)
    return Controls(shuffled=lookup_program(exact(known, MATCHED)), token_table=table, top_tokens=top)


@pytest.fixture
def program(known: Laboratory) -> Program:
    """The truth."""
    return lookup_program(exact(known, SINGLE))


@pytest.fixture
def recall(exam: Exam) -> Callable[[np.ndarray], Program]:
    """A program that says any given activations of the exam's texts."""
    return lambda values: recall_program(exam.strings, values)
