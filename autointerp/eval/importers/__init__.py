"""Ground truth and circuits that others published, read from files of the user: nothing is copied or downloaded here.

Each reader gives what the suite works with: a `Reference`, which holds the published truth as an answer and grades answers
against it, or a `CircuitAnswer`, for a file that is an answer itself.
"""

from __future__ import annotations

from autointerp.eval.importers._agentic_interp_bench import read_agentic_interp_bench
from autointerp.eval.importers._find import read_find_strings
from autointerp.eval.importers._interp_bench import read_interp_bench
from autointerp.eval.importers._mib import read_mib_circuit
from autointerp.eval.importers._names import component_of
from autointerp.eval.importers._reference import Reference

__all__ = [
    "Reference",
    "component_of",
    "read_agentic_interp_bench",
    "read_find_strings",
    "read_interp_bench",
    "read_mib_circuit",
]
