"""One feature under any strategy, with its budget, its notebook and its grade."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autointerp._plugins import load_one
from autointerp.agents import Case, Limits, Listener, Meter, Notebook, Report, RuleScientist, Strategy, unheard
from autointerp.errors import InputError
from autointerp.models import Usage, Worker
from autointerp.programs import Predictor
from autointerp.records import Cost, Ledger, RunRecord, Spent, Unscored
from autointerp.scoring import Graded
from autointerp.study._bench import matched_feature, open_bench
from autointerp.study._examples import examples_of
from autointerp.study._open import Laboratory
from autointerp.study._runs import RunFolder
from autointerp.study._study import grade_report, versions
from autointerp.tools import Workbench

if TYPE_CHECKING:
    from autointerp.llm import LLMs

STRATEGIES = "autointerp.strategies"


@dataclass(frozen=True, eq=False)
class Inquiry:
    """How a feature is to be investigated: by which strategy, with which models, within which limits.

    Attributes
    ----------
    llms: language models by role: `scientist`, and `critic` where another one is to attack. None: the rule scientist works.
    folder: where the run is kept, so that it can be resumed; None keeps it in memory.
    tell: hears what happens.
    """

    strategy: str = "investigate"
    limits: Limits = field(default_factory=Limits)
    llms: LLMs | None = None
    folder: RunFolder | None = None
    rounds: int = 3
    tell: Listener = unheard


async def investigate_feature(laboratory: Laboratory, feature: int, inquiry: Inquiry) -> RunRecord:
    """Investigate one feature, or go on with the investigation that is in the folder, and have the outcome graded.

    Raises
    ------
    FeatureError: a number that the dictionary does not have.
    InputError: a strategy that needs a language model without one; a folder of another model, dictionary or index.
    RequestError, UnavailableError: the language model cannot be asked; what was done is kept.
    """
    reference = laboratory.feature(feature)
    strategy: Strategy = load_one(STRATEGIES, inquiry.strategy)()
    if strategy.needs_llm and inquiry.llms is None:
        raise InputError(
            f"the strategy {inquiry.strategy} needs a language model: give --llm openai:NAME or anthropic:NAME"
        )
    usage = laboratory.subject.usage
    before = Usage(usage.forward_passes, usage.tokens)
    with ExitStack() as stack:
        predictor = stack.enter_context(Predictor())
        bench, gate = open_bench(laboratory, reference, predictor)
        # Experiments run in threads; one worker joins their forward passes.
        if laboratory.subject._worker is None:
            stack.enter_context(Worker(laboratory.subject))
        notebook = Notebook(inquiry.folder.notebook if inquiry.folder else None)
        stack.callback(notebook.close)
        _same_bench(laboratory, notebook)
        case = case_of(inquiry, bench, gate, predictor, notebook)
        report = await strategy.run(case)
        inquiry.tell("step", "scoring on held-out text")
        return await asyncio.to_thread(record_of, laboratory, case, report, inquiry, before)


def record_of(
    laboratory: Laboratory, case: Case, report: Report, inquiry: Inquiry, before: Usage | None = None
) -> RunRecord:
    """Have a report graded, and write down everything. `before` is what the model had used when the study began."""
    began, usage = time.monotonic(), laboratory.subject.usage
    before = before or Usage(usage.forward_passes, usage.tokens)
    spent = _spent(case, inquiry)
    graded = _graded(laboratory, case.bench, report, case.predictor)
    return RunRecord(
        feature=case.bench.feature,
        stats=case.bench.stats,
        explanation=report.explanation,
        scores=tuple(g.result for g in graded),
        evidence=(*report.evidence, *(e for g in graded for e in g.evidence)),
        examples=examples_of(laboratory, case.bench, report.explanation, case.predictor),
        cost=Cost(
            seconds=spent.seconds + time.monotonic() - began,
            forward_passes=usage.forward_passes - before.forward_passes,
            tokens=usage.tokens - before.tokens,
            dollars=spent.dollars,
        ),
        versions=versions(laboratory),
        ledger=_ledger(report, inquiry, case, spent),
    )


def case_of(inquiry: Inquiry, bench: Workbench, gate: Any, predictor: Predictor, notebook: Notebook) -> Case:
    """Put the case together: who is the scientist depends on whether there is a language model."""
    common: dict[str, Any] = {
        "bench": bench,
        "gate": gate,
        "predictor": predictor,
        "notebook": notebook,
        "meter": Meter(notebook, inquiry.limits),
        "rounds": inquiry.rounds,
        "checkpoints": str(inquiry.folder.checkpoints) if inquiry.folder else None,
        "tell": inquiry.tell,
    }
    llms = inquiry.llms
    if llms is None:
        return Case(scientist=RuleScientist(), **common)
    from autointerp.agents import LLMScientist

    scientist = LLMScientist(llms["scientist"])
    critic = LLMScientist(llms["critic"]) if "critic" in llms else None
    return Case(scientist=scientist, critic=critic, llm=llms["scientist"], **common)


def _same_bench(laboratory: Laboratory, notebook: Notebook) -> None:
    """Raises InputError where the notebook is of another model, dictionary or index."""
    subject, dictionary = laboratory.subject.fingerprint, laboratory.dictionary.fingerprint
    now = f"model {subject}, dictionary {dictionary}, index {laboratory.index.meta.key}, seed {laboratory.seed}"
    then = notebook.put_text("bench", "1", now)
    if then != now:
        raise InputError(f"the run was begun with {then}, and now there is {now}: begin it anew")


def _graded(laboratory: Laboratory, bench: Workbench, report: Report, predictor: Predictor) -> list[Graded]:
    if report.explanation.predictor is None:
        return [Graded(Unscored(name="simulation", reason=report.explanation.summary))]
    matched = matched_feature(laboratory, bench.feature.index)
    other = RuleScientist().predictor(open_bench(laboratory, laboratory.feature(matched), predictor)[0])
    return grade_report(laboratory, bench, report, matched, other)


def _spent(case: Case, inquiry: Inquiry) -> Spent:
    seconds = case.meter.seconds
    spent = case.notebook.spent().model_copy(update={"seconds": seconds})
    if inquiry.llms is None:
        return spent
    paid, lost = inquiry.llms.ledger.spent(), inquiry.llms.ledger.lost()
    return spent.model_copy(update={"dollars": paid.dollars, "tokens": paid.tokens, "lost_tokens": lost.tokens})


def _ledger(report: Report, inquiry: Inquiry, case: Case, spent: Spent) -> Ledger | None:
    if report.ledger is None:
        return None
    templates = () if inquiry.llms is None else tuple(name for name, _ in inquiry.llms.ledger.templates())
    return report.ledger.model_copy(
        update={
            "strategy": inquiry.strategy,
            "scientist": case.scientist.name,
            "limits": inquiry.limits.text,
            "spent": spent,
            "templates": templates,
        }
    )
