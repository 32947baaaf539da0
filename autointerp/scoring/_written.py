"""Texts that a judge writes from an explanation, and what the feature does on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from autointerp.scoring._exam import Exam
from autointerp.scoring._judges import Judge, question

#: How many texts SAGE writes for one explanation.
TEXTS = 10
_TEMPLATE = "judge_writing"


class Written(BaseModel):
    """The answer: exactly ten texts, none of them empty."""

    texts: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=TEXTS, max_length=TEXTS)]


def written(judge: Judge, explanation: str) -> list[str]:
    """Ten texts that ought to activate the feature. Raises LLMError."""
    (answer,) = judge.values([question(_TEMPLATE, Written, max_tokens=4096, explanation=explanation, count=TEXTS)])
    return answer.texts


def strongest(exam: Exam, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The strongest activation in each text of the feature, and of the matched one; [texts] each."""
    subject, site = exam.subject, exam.dictionary.input_site
    room = subject.context - 1 - len(subject.suffix)
    rows = [[subject.bos, *subject.encode(text)[:room]] for text in texts]
    read = subject.run(subject.pad(rows), capture=[site]).sites[site].float()
    lengths = torch.tensor([len(row) for row in rows])
    place = torch.arange(read.shape[1])
    counts = (place[None, :] > 0) & (place[None, :] < lengths[:, None])
    own, other = (
        (exam.dictionary.encode_one(read, feature).float().cpu() * counts).amax(1).double().numpy()
        for feature in (exam.feature, exam.matched)
    )
    return own, other
