"""Documents and the three splits they fall into.

A split is decided by a hash of the document's identifier alone, so that it never depends on the order, the number or the
origin of the other documents: adding a file moves no other file across a split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

#: Documents whose bucket is below this were never used to train the bundled model or its dictionary.
UNSEEN_BELOW = 0.10
#: Buckets below this form the test split (which contains the unseen tenth), those below the next bound the refine split.
TEST_BELOW = 0.20
REFINE_BELOW = 0.40


class Split(StrEnum):
    """Who may read a document: agents (train), the gate (refine), the scorer alone (test)."""

    TRAIN = "train"
    REFINE = "refine"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Document:
    """One text with a name that does not change between machines or versions."""

    id: str
    text: str


def rank_of(name: str) -> int:
    """An integer of 64 bits, uniform over names and the same on every machine."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big")


def bucket(document_id: str) -> float:
    """A number in [0, 1), uniform over identifiers: `rank_of` as a share of all ranks."""
    return rank_of(document_id) / 2**64


def split_of(document_id: str) -> Split:
    """The split of a document: test for a fifth, refine for a fifth, train for the rest."""
    value = bucket(document_id)
    if value < TEST_BELOW:
        return Split.TEST
    return Split.REFINE if value < REFINE_BELOW else Split.TRAIN


def is_unseen(document_id: str) -> bool:
    """Whether the bundled model and its dictionary were trained without this document."""
    return bucket(document_id) < UNSEEN_BELOW
