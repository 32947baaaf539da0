"""The same feature examined under other circumstances: in another model, on other texts, with another direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autointerp.activations import activations_on
from autointerp.circuits import clean_run
from autointerp.dictionaries import Dictionary
from autointerp.models import Subject
from autointerp.records import Score, Site
from autointerp.scoring._directions import Writes, random_writes
from autointerp.scoring._exam import Exam
from autointerp.scoring._held_out import ACTIVE
from autointerp.scoring._protocol import Graded, unscored

ROW_SPACE = "row_space"


def exam_on(
    exam: Exam,
    subject: Subject,
    ids: NDArray[np.int32],
    lengths: NDArray[np.int32],
    documents: NDArray[np.int32],
    *,
    near_tokens: Sequence[int],
) -> Exam:
    """An exam of the same feature of the same dictionary, in a model of the same shape, drawn from any texts.

    Chosen as `prepare_exam` chooses: over the range of activation, then near misses, then silent texts at random.

    Parameters
    ----------
    ids, lengths, documents: the texts; ids [texts, length] with BOS first.
    """
    activations = activations_on(subject, exam.dictionary, exam.feature, ids, lengths)
    matched = activations_on(subject, exam.dictionary, exam.matched, ids, lengths)
    maxima = activations.max(1)
    loud = np.flatnonzero(maxima > 0)
    loud = loud[np.argsort(-maxima[loud], kind="stable")]
    if len(loud) > ACTIVE:
        loud = loud[np.unique(np.linspace(0, len(loud) - 1, ACTIVE).round().astype(np.int64))]
    quiet = np.random.default_rng([exam.seed, exam.feature]).permutation(np.flatnonzero(maxima <= 0))
    alike = np.isin(ids[quiet], np.asarray(near_tokens)).any(1)
    near = quiet[alike][: len(loud) // 2]
    far = np.concatenate([quiet[~alike], quiet[alike][len(near) :]])[: len(loud) - len(near)]
    chosen = np.concatenate([loud, near, far])
    sites = {exam.dictionary.input_site, *exam.dictionary.output_sites}
    return replace(
        exam,
        subject=subject,
        ids=ids[chosen],
        lengths=lengths[chosen],
        documents=documents[chosen],
        strings=tuple(tuple(subject.strings[t] for t in ids[i, 1 : lengths[i]]) for i in chosen),
        activations=activations[chosen],
        active=len(loud),
        near=len(near),
        matched_activations=matched[chosen],
        clean=clean_run(subject, sites, torch.from_numpy(ids[chosen]).long()),
        natural=maxima,
        matched_natural=matched.max(1),
    )


class _Redirected:
    """A dictionary, one feature of which writes something else."""

    def __init__(self, dictionary: Dictionary, feature: int, writes: Writes) -> None:
        self._dictionary, self._feature, self._writes = dictionary, feature, dict(writes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dictionary, name)

    def writes(self, feature: int) -> dict[Site, Tensor]:
        """The other thing for that feature."""
        return self._writes if feature == self._feature else self._dictionary.writes(feature)


def with_random_direction(exam: Exam) -> Exam:
    """The same exam with a random direction of the same norm in the place of what the feature writes."""
    stand_in: Any = _Redirected(exam.dictionary, exam.feature, random_writes(exam))
    return replace(exam, dictionary=stand_in)


def row_space(exam: Exam) -> Graded:
    """The share of a feature's direction that can reach the residual stream at all (Makelov et al. 2023).

    A direction at an inner site, such as the neurons of an MLP, has a part in the null space of the matrix that follows; an
    edit along it changes nothing by that part. One on the residual stream itself reaches it whole. In norms, over the sites
    that the feature writes to. Control: a random direction.
    """
    shares = []
    for writes in (exam.dictionary.writes(exam.feature), random_writes(exam)):
        kept, whole = 0.0, 0.0
        for site, vector in writes.items():
            matrix = exam.subject.to_residual(site, torch.eye(len(vector)))
            if matrix is None:
                return unscored(ROW_SPACE, f"what {site} adds to the residual stream is not linear")
            kept += float(_projected(matrix.double().cpu(), vector.double().cpu()).square().sum())
            whole += float(vector.double().square().sum())
        if whole <= 0:
            return unscored(ROW_SPACE, "the feature writes nothing")
        shares.append(min(1.0, (kept / whole) ** 0.5))
    value, random = shares
    return Graded(Score(name=ROW_SPACE, value=value, ci=(value, value), n=1, control={"random_direction": random}))


def _projected(matrix: Tensor, vector: Tensor) -> Tensor:
    """The part of a vector [inner] that matrix [inner, width] does not send to zero."""
    left, sizes, _ = torch.linalg.svd(matrix, full_matrices=False)
    basis = left[:, sizes > 1e-6 * sizes.max()]
    kept: Tensor = basis @ (basis.T @ vector)
    return kept
