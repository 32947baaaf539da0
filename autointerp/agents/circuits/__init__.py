"""Scientists of circuits: what each component does, which are one and the same, and a program of the whole.

The loop is that of features: hypotheses compete, what they predict is written down before it is measured, and verdicts are
computed by code. The experiments are those of a menu, made on pairs of prompts that the scientist has not seen.
"""

from __future__ import annotations

from autointerp.agents.circuits._case import CircuitCase
from autointerp.agents.circuits._investigate import investigate_circuit
from autointerp.agents.circuits._llm import LLMCircuitScientist
from autointerp.agents.circuits._protocol import (
    NONE_OF_THESE,
    CircuitReport,
    CircuitScientist,
    CircuitView,
    Component,
    Example,
    ProgramProposal,
    RoleProposal,
)
from autointerp.agents.circuits._rules import RuleCircuitScientist

__all__ = [
    "NONE_OF_THESE",
    "CircuitCase",
    "CircuitReport",
    "CircuitScientist",
    "CircuitView",
    "Component",
    "Example",
    "LLMCircuitScientist",
    "ProgramProposal",
    "RoleProposal",
    "RuleCircuitScientist",
    "investigate_circuit",
]
