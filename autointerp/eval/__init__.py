"""What this package is measured by: networks whose truth is known, and the tasks made from them.

This room stands above all that investigates, and nothing that investigates knows it.
"""

from __future__ import annotations

from autointerp.eval.organisms import list_organisms, make_organism

__all__ = ["list_organisms", "make_organism"]
