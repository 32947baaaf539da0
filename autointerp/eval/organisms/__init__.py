"""Networks whose truth is known by construction, made from a seed: what the rest of the package is judged against.

A kind of organism is one file here and one entry point of the group `autointerp.organisms`; `Organism` and `OrganismKind` say
what it has to offer. This room knows models and their sites. It does not know who will study an organism, nor how.
"""

from __future__ import annotations

from autointerp.eval.organisms._catalogue import kinds, list_organisms, make_organism
from autointerp.eval.organisms._circuit import CircuitTruth, circuit_truth
from autointerp.eval.organisms._circuit_organism import CircuitOrganism, circuit_card
from autointerp.eval.organisms._protocol import (
    Card,
    Component,
    Edge,
    Knob,
    Measured,
    Node,
    Organism,
    OrganismKind,
    Saved,
    Truth,
)
from autointerp.eval.organisms._saving import is_fresh, opaque_name, save_network, save_organism, word_tokenizer

__all__ = [
    "Card",
    "CircuitOrganism",
    "CircuitTruth",
    "Component",
    "Edge",
    "Knob",
    "Measured",
    "Node",
    "Organism",
    "OrganismKind",
    "Saved",
    "Truth",
    "circuit_card",
    "circuit_truth",
    "is_fresh",
    "kinds",
    "list_organisms",
    "make_organism",
    "opaque_name",
    "save_network",
    "save_organism",
    "word_tokenizer",
]
