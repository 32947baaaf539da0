"""One question from start to graded record: open the bench, let a scientist work, have it graded, write down everything."""

from __future__ import annotations

from autointerp.study._open import Laboratory, open_laboratory
from autointerp.study._study import explain, grade_report, matched_feature, study_feature

__all__ = ["Laboratory", "explain", "grade_report", "matched_feature", "open_laboratory", "study_feature"]
