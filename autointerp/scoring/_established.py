"""What scores establish about an explanation, in one line for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autointerp.records import Score, ScoreResult

#: The most telling first: the first that has a value decides.
INPUT_SIDE = (
    "simulation",
    "firing",
    "simulation_by_llm",
    "detection",
    "fuzzing",
    "embedding",
    "surprisal",
    "responsiveness",
    "purity",
    "prediction",
    "clarity",
    "generation",
)
OUTPUT_SIDE = ("intervention_accuracy", "output_choice", "steering", "paulo_intervention", "faithfulness")
_STAND_IN = "substitution"
#: Simple rivals: to beat them is more than to know something of the feature.
_TABLES = ("token_table", "top_10_tokens")


def established(results: Sequence[ScoreResult]) -> str:
    """One line: where it fires, whether it can stand in, and whether its claims about the output hold.

    Something counts as shown where the whole interval lies above every null, or above zero where there is none.
    """
    scores = {result.name: result for result in results if isinstance(result, Score)}
    if not scores:
        return "nothing, as no score has a value"
    parts = [_where(scores), _stands_in(scores), _output(scores)]
    return "; ".join(part for part in parts if part)


def beats(score: Score, *, tables: bool = True) -> bool:
    """Whether the whole interval lies above every control; without `tables` the token look-ups are not asked for."""
    against = [value for name, value in score.control.items() if tables or name not in _TABLES]
    return score.ci[0] > max([*against, 0.0])


def _where(scores: Mapping[str, Score]) -> str:
    score = next((scores[name] for name in INPUT_SIDE if name in scores), None)
    if score is None:
        return "untested where it fires"
    how = f" ({score.name} {score.value:.2f})"
    if not beats(score, tables=False):
        return f"not shown to predict where it fires{how}"
    better = "" if beats(score) else ", but no better than a table of tokens"
    return f"predicts where it fires{how}{better}"


def _stands_in(scores: Mapping[str, Score]) -> str:
    score = scores.get(_STAND_IN)
    if score is None:
        return ""
    can = "can stand in" if beats(score) else "not shown to stand in"
    return f"{can} for the feature ({score.name} {score.value:.2f})"


def _output(scores: Mapping[str, Score]) -> str:
    score = next((scores[name] for name in OUTPUT_SIDE if name in scores), None)
    if score is None:
        return "output claims untested"
    how = f" ({score.name} {score.value:.2f})"
    return f"causal for its output claims{how}" if beats(score) else f"not causal for its output claims{how}"
