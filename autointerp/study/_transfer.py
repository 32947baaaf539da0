"""Is the mechanism of a circuit there in another model? Heads are matched by what they do, and the map is fitted anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from autointerp._version import __version__
from autointerp.circuits import (
    CausalModel,
    Parts,
    Task,
    Variable,
    accuracy,
    check_pairs,
    fitted,
    generator_named,
    iia,
    metric_named,
    node_patching,
    read_task,
    roles,
    untrained_twin,
)
from autointerp.errors import InputError
from autointerp.models import Subject, Usage
from autointerp.records import (
    CausalProgram,
    CircuitRecord,
    CircuitTransfer,
    Cost,
    MappedVariable,
    RoleMatch,
    Score,
    ScoreResult,
)
from autointerp.study._circuit import role_record
from autointerp.study._progress import Progress, silent

#: Components with the largest effects that are tried beside those with the right signature.
_MORE = 6


def read_circuit(path: Path) -> CircuitRecord:
    """A circuit's record from its JSON. Raises InputError for a file that is none."""
    try:
        return CircuitRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}): give the file that `autointerp circuit --json` wrote"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{path} is no record of a circuit ({where}: {first['msg']}): give the file that `autointerp circuit --json` wrote"
        ) from error


def transfer_circuit(
    record: CircuitRecord,
    model: str | Subject,
    *,
    pairs: Path | Task | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> CircuitTransfer:
    """Look for a circuit's mechanism in another model: match heads by signature, fit the map again, grade IIA again.

    The pairs are of the same kind, made under the other model's tokenizer, or those that are given. Raises InputError where
    there are none or they do not suit the model, and for a record without a causal program.
    """
    if record.causal is None:
        raise InputError(
            f"the circuit of {record.task} has no causal program: there is nothing to grade in another model"
        )
    began = time.monotonic()
    progress("loading the model", None, None)
    subject = model if isinstance(model, Subject) else Subject.load(model, device=device)
    before = Usage(subject.usage.forward_passes, subject.usage.tokens)
    parts = Parts(subject)
    found_on, held_out = _pairs(subject, record, pairs, seed).halves()
    progress("matching heads", None, None)
    matches = _matches(parts, found_on, record, seed)
    progress("fitting the causal model", None, None)
    twin = Parts(untrained_twin(subject, seed=seed))
    own = _fit(parts, record.causal, found_on, matches)
    its = _fit(twin, record.causal, found_on, _matches(twin, found_on, record, seed))
    progress("grading on held-out pairs", None, None)
    grade = iia(parts, own, held_out, controls={"untrained twin": (twin, its)}, seed=seed)
    answers, usual = accuracy(parts, held_out), accuracy(twin, held_out)
    there, verdict = judged(matches, grade, answers)
    usage = subject.usage
    return CircuitTransfer(
        origin=record.model,
        origin_fingerprint=record.fingerprint,
        model=subject.name,
        fingerprint=subject.fingerprint,
        task=record.task,
        pairs=len(found_on),
        held_out=len(held_out),
        answers=answers,
        usual_answers=usual,
        matches=matches,
        causal=_recorded(own),
        own=next((score for score in record.scores if score.name == "IIA"), None),
        iia=grade,
        there=there,
        verdict=verdict,
        cost=Cost(
            seconds=time.monotonic() - began,
            forward_passes=usage.forward_passes - before.forward_passes,
            tokens=usage.tokens - before.tokens,
        ),
        version=__version__,
        seed=seed,
    )


def _recorded(model: CausalModel) -> CausalProgram:
    variables = tuple(MappedVariable(name=v.name, components=v.components, last=v.last) for v in model.variables)
    return CausalProgram(source=model.source, variables=variables)


def judged(matches: Sequence[RoleMatch], grade: ScoreResult, answers: float) -> tuple[bool | None, str]:
    """Whether the mechanism is there, and why, in words.

    It is where the interval of IIA lies above both controls and above one half, which a map to components that do nothing
    gets, where the model answers more than half of the pairs, and where every mechanism of the circuit has a head.
    """
    if not isinstance(grade, Score):
        return None, f"it cannot be said: {grade.reason}"
    absent = [match.mechanism for match in matches if not match.found]
    floor = max(0.5, *grade.control.values())
    reasons = []
    if answers <= 0.5:
        reasons.append(f"the model answers {answers:.0%} of the pairs, so it does not do the task")
    if grade.ci[0] <= floor:
        reasons.append(f"IIA {grade.value:.2f} from {grade.ci[0]:.2f} is not above {floor:.2f} of the best control")
    if absent:
        reasons.append(f"no head is of the kind {', '.join(absent)}")
    if reasons:
        return False, f"the mechanism is not there: {'; '.join(reasons)}"
    return (
        True,
        f"the mechanism is there: IIA {grade.value:.2f} from {grade.ci[0]:.2f}, above {floor:.2f} of the best control",
    )


def _pairs(subject: Subject, record: CircuitRecord, given: Path | Task | None, seed: int) -> Task:
    metric = metric_named(record.metric)
    if isinstance(given, Task):
        check_pairs(subject, given.pairs)
        return given
    if given is not None:
        return read_task(subject, given, metric)
    # Another seed than the circuit's own gives other prompts where the tokenizer is the same.
    return generator_named(record.task).make(subject, record.pairs + record.held_out, seed=seed, metric=metric)


def _matches(parts: Parts, task: Task, record: CircuitRecord, seed: int) -> tuple[RoleMatch, ...]:
    """For each mechanism of the circuit that stood its test the heads here that are of its kind."""
    wanted: dict[str, list[str]] = {}
    for role in record.roles:
        if role.stands is not False:
            wanted.setdefault(role.mechanism, []).append(role.component)
    heads = [source.name for source in parts.graph.sources if source.kind == "head"]
    try:
        found = roles(parts, task, heads, seed=seed) if wanted else []
    except InputError:
        # Patterns that cannot be read leave the map to the effects.
        found = []
    return tuple(
        RoleMatch(
            mechanism=mechanism,
            components=tuple(components),
            found=tuple(
                role_record(one)
                for one in sorted(found, key=lambda one: -one.signature)
                if one.mechanism == mechanism and one.stands is not False
            ),
        )
        for mechanism, components in wanted.items()
    )


def _fit(parts: Parts, causal: CausalProgram, task: Task, matches: Sequence[RoleMatch]) -> CausalModel:
    """Candidates are the heads that were matched and the components with the largest effects."""
    effects = node_patching(parts, task).mean(0).tolist()
    nodes = [n for n, source in enumerate(parts.graph.sources) if source.name not in ("input", "m0")]
    best = [parts.graph.sources[n].name for n in sorted(nodes, key=lambda n: -abs(effects[n]))[:_MORE]]
    names = list(dict.fromkeys([*(one.component for match in matches for one in match.found), *best]))
    program = CausalModel(causal.source, tuple(Variable(v.name, (), v.last) for v in causal.variables))
    return fitted(parts, program, task, {variable.name: names for variable in program.variables})
