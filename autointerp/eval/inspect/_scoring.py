"""The grade of a problem as a score of inspect: how good it is, and whether it counts as right."""

from __future__ import annotations

from inspect_ai.scorer import Score, Scorer, Target, mean, scorer, stderr
from inspect_ai.solver import TaskState

from autointerp.eval._protocol import Grade
from autointerp.eval._runner import grade_of
from autointerp.eval.inspect._problems import Asked
from autointerp.eval.inspect._solving import RAN


def scorer_of(asked: Asked) -> Scorer:
    """A scorer of completions, which have to be answers as JSON; any solver may have written them.

    What is graded against is no argument of the scorer, because inspect logs arguments.
    """

    @scorer(name="graded_by_program", metrics={"*": [mean(), stderr()]})
    def graded_by_program() -> Scorer:
        async def score(state: TaskState, target: Target) -> Score:
            del target  # It would be in the log: the truth is not.
            problem, ran = asked.problems[str(state.sample_id)], state.metadata.get(RAN, {})
            grade = (
                Grade(score=0.0, success=False, failure=ran["failure"])
                if ran.get("failure")
                else grade_of(asked.task, problem, state.output.completion)
            )
            parts = ", ".join(f"{name} {value:.2f}" for name, value in grade.parts.items())
            return Score(
                value={"score": grade.score, "success": float(grade.success)},
                answer=state.output.completion,
                explanation=grade.failure or parts or None,
                metadata={"kind": problem.kind, **grade.model_dump(mode="json"), **ran},
            )

        return score

    return graded_by_program()
