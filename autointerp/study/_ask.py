"""A feature explained from its address alone: everything is opened, used and closed. What the command line and Python call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autointerp.agents import Limits, Listener, unheard
from autointerp.errors import InputError
from autointerp.records import RunRecord
from autointerp.study._investigate import Inquiry, investigate_feature
from autointerp.study._open import Laboratory, open_laboratory
from autointerp.study._progress import Progress, silent
from autointerp.study._runs import RunFolder, RunSettings

if TYPE_CHECKING:
    from autointerp.llm import LLMs


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run: a step, a hypothesis, an outcome, a verdict; at last `record`, which is in `record`."""

    kind: str
    text: str
    record: RunRecord | None = None


async def explain(
    feature: int | None = None,
    *,
    folder: Path | str | None = None,
    resume: Path | str | None = None,
    laboratory: Laboratory | None = None,
    listener: Listener = unheard,
    progress: Progress = silent,
    **settings: Any,
) -> RunRecord:
    """Explain one feature and grade the explanation.

    Parameters
    ----------
    feature: its number in the dictionary.
    folder: a folder beneath which the run is kept, so that it can be resumed; None keeps nothing.
    resume: the folder of a run that was begun; it goes on with its own settings, and `settings` are not allowed.
    laboratory: opened before, where several features share one.
    listener: is told of steps, hypotheses, outcomes and verdicts as they come.
    progress: is told how far the corpus was read.
    settings: those of `RunSettings`, among them model, dictionary, corpus, strategy, llm, critic, budget, rounds, seed.

    Raises InputError for anything that cannot be used, before anything is spent wherever that is possible.
    """
    run = _run(feature, folder, resume, settings)
    asked = run.settings if isinstance(run, RunFolder) else run
    with ExitStack() as stack:
        if isinstance(run, RunFolder):
            stack.enter_context(run.held())
            listener("run", str(run.path))
            if run.record.exists():
                return RunRecord.model_validate_json(run.record.read_text(encoding="utf-8"))
        limits, kept = Limits.parse(asked.budget), run if isinstance(run, RunFolder) else None
        async with AsyncExitStack() as models:
            llms = (
                None
                if asked.llm is None
                else await models.enter_async_context(models_of(asked, kept, limits, listener))
            )
            opened = await asyncio.to_thread(laboratory_of, asked, progress) if laboratory is None else laboratory
            inquiry = Inquiry(
                strategy=asked.strategy,
                limits=limits,
                llms=llms,
                folder=kept,
                rounds=asked.rounds,
                tell=listener,
            )
            record = await investigate_feature(opened, asked.feature, inquiry)
        if kept is not None:
            kept.keep(record)
        return record


def explain_sync(feature: int | None = None, **arguments: Any) -> RunRecord:
    """`explain` for code that awaits nothing; takes the same arguments."""
    return asyncio.run(explain(feature, **arguments))


async def explain_events(feature: int | None = None, **arguments: Any) -> AsyncIterator[Event]:
    """What happens in a run, as it happens; the last event holds the record. Takes the arguments of `explain`."""
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    heard: Listener = arguments.pop("listener", unheard)

    def listener(kind: str, text: str) -> None:
        heard(kind, text)
        # Steps may be told of by threads.
        loop.call_soon_threadsafe(queue.put_nowait, Event(kind, text))

    async def work() -> RunRecord:
        try:
            return await explain(feature, listener=listener, **arguments)
        finally:
            loop.call_soon_threadsafe(queue.put_nowait, None)

    task = asyncio.create_task(work())
    try:
        while (event := await queue.get()) is not None:
            yield event
        yield Event("record", "done", await task)
    finally:
        task.cancel()


def _run(
    feature: int | None, folder: Path | str | None, resume: Path | str | None, settings: dict[str, Any]
) -> RunFolder | RunSettings:
    if resume is not None:
        if feature is not None or settings:
            given = ", ".join(["feature"] * (feature is not None) + sorted(settings))
            raise InputError(f"a run that is resumed has its own settings: leave out {given}")
        return RunFolder.find(Path(resume))
    if feature is None:
        raise InputError("no feature is named: give its number in the dictionary, or the folder of a run to resume")
    unknown = settings.keys() - RunSettings.model_fields.keys()
    if unknown:
        known = ", ".join(sorted(RunSettings.model_fields.keys() - {"format", "autointerp", "id", "feature"}))
        raise InputError(f"no setting {', '.join(sorted(unknown))}: there are {known}")
    # Before a folder is made: what is no budget is said at once.
    Limits.parse(str(settings.get("budget") or ""))
    if folder is None:
        return RunSettings.model_validate({"id": "none", "feature": feature, **settings})
    return RunFolder.begin(Path(folder), feature=feature, **settings)


def laboratory_of(asked: RunSettings, progress: Progress = silent) -> Laboratory:
    """Open what the settings name."""
    return open_laboratory(
        asked.model,
        asked.dictionary,
        asked.corpus,
        tokens=asked.tokens,
        seed=asked.seed,
        feature=asked.feature,
        device=asked.device,
        dtype=asked.dtype,
        progress=progress,
    )


def models_of(asked: RunSettings, run: RunFolder | None, limits: Limits, listener: Listener) -> LLMs:
    """Open the language models that the settings name, with the budget of the run."""
    from autointerp.llm import Budget, open_llms

    roles = {"scientist": asked.llm, "critic": asked.critic or asked.llm}
    in_run = run.path / "llm.sqlite" if run else None
    notes: Callable[[str], None] = lambda text: listener("note", text)  # noqa: E731
    return open_llms(
        {role: address for role, address in roles.items() if address},
        cache=Path(asked.llm_cache) if asked.llm_cache else in_run,
        run=asked.id if run else None,
        budget=Budget.parse(limits.llm) if limits.llm else None,
        replay=asked.replay,
        prices=Path(asked.prices) if asked.prices else None,
        listener=notes,
    )
