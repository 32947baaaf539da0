"""Indirect objects: who was it given to? (Wang et al., 2022)"""

from __future__ import annotations

import random

from autointerp.circuits._pairs import Pair, text_pair
from autointerp.circuits._task import Generator
from autointerp.circuits.tasks._words import names
from autointerp.models import Subject

_PEOPLE = [
    "Mary",
    "John",
    "Tom",
    "James",
    "Dan",
    "Martin",
    "Amy",
    "Sarah",
    "Paul",
    "Mark",
    "David",
    "Peter",
    "Anna",
    "Lisa",
    "Kate",
    "Robert",
    "Michael",
    "Alice",
    "Bob",
]
_PLACES = ["store", "garden", "office", "school", "park", "station"]
_THINGS = ["book", "ring", "drink", "basket", "letter", "computer"]
_ENOUGH = 4


def _draw(subject: Subject, source: random.Random) -> Pair:
    """`When A and B went to the store, B gave a drink to` A; the counterfactual has A give.

    Where the tokenizer does not know first names, names of variables act.
    """
    people = [name for name in _PEOPLE if len(subject.encode(f" {name}")) == 1]
    if len(people) < _ENOUGH:
        people = names(subject)
    first, second = source.sample(people, 2)
    head = f"When {first} and {second} went to the {source.choice(_PLACES)},"
    tail = f"gave a {source.choice(_THINGS)} to"
    return text_pair(subject, f"{head} {second} {tail}", f"{head} {first} {tail}", f" {first}", f" {second}")


OBJECTS = Generator("objects", "who was it given to", _draw)
