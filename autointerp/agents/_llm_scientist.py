"""A scientist that is a language model. Every question is made from the notebook anew, so no conversation grows."""

from __future__ import annotations

import asyncio
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from autointerp.agents import _show
from autointerp.agents._probes import SAYS_FIRES, SAYS_SILENT, edits_of
from autointerp.agents._protocol import Proposal, View
from autointerp.agents._shapes import HypothesesShape, HypothesisShape, TextsShape, probes_of, proposals_of
from autointerp.errors import ContextError, ProgramError
from autointerp.llm import LLM, Message, Request, assistant, system, user
from autointerp.programs import FIELDS
from autointerp.prompts import Template
from autointerp.records import Probe, Program
from autointerp.sandbox import Sandbox

M = TypeVar("M", bound=BaseModel)

_MAX_TOKENS: Final = 6000
#: Shares of the examples that are shown, tried in turn where the question is too long for the model.
_SHRINKING = (1.0, 0.5, 0.25, 0.1)
_ACTIVE, _SILENT, _CONTRASTS, _MEASURED, _MISTAKES, _RESIDUALS, _TEXTS = 24, 6, 12, 40, 12, 24, 24
#: Texts that code edits beside those that the model thinks of.
_EDITED = 6
_TURNS = {"system": system, "user": user, "assistant": assistant}


class LLMScientist:
    """Asks a language model for hypotheses, for texts, for improvements, and for attacks as a critic."""

    name = "llm"

    def __init__(self, llm: LLM) -> None:
        self.llm = llm

    async def propose(self, view: View) -> list[Proposal]:
        """As the protocol says. Programs that do not run are given back once, with the error."""

        def values(share: float) -> dict[str, Any]:
            return first_look(view, share) | language() | _commitment(view)

        answer, asked = await self._ask("scientist_propose", values, HypothesesShape)
        return proposals_of((await self._mended(answer, asked, view)).hypotheses, view)

    async def design(self, view: View) -> list[Probe]:
        """As the protocol says: the model's texts, and edits of the corpus's by code."""

        def values(share: float) -> dict[str, Any]:
            return {
                **_hypotheses(view),
                "examples": _show.examples(view.seen, active=_some(8, share), silent=0),
                "measured": _show.measured(view.measured[-_some(_MEASURED, share) :]),
                "count": _TEXTS,
            }

        answer, _ = await self._ask("scientist_design", values, TextsShape)
        edited = edits_of(view.seen, texts=_EDITED, seed=view.seed + 100 * view.round, strings=view.strings)
        return [*probes_of(answer.texts, view), *edited]

    async def refine(self, view: View) -> list[Proposal]:
        """As the protocol says. Programs that do not run are given back once, with the error."""
        leader = view.leader

        def values(share: float) -> dict[str, Any]:
            return {
                **_hypotheses(view),
                **language(),
                "mistakes": [] if leader is None else _show.mistakes(view, leader, _some(_MISTAKES, share)),
                "residuals": [] if leader is None else _show.residuals(view, leader, _some(_RESIDUALS, share)),
                "table": _show.table(view.seen),
                "measured": _show.measured(view.measured[-_some(_MEASURED, share) :]),
                "effects": [f"{claim}: {verdict}" for claim, verdict in view.claims.items()],
            }

        answer, asked = await self._ask("scientist_refine", values, HypothesesShape)
        return proposals_of((await self._mended(answer, asked, view)).hypotheses, view)

    async def challenge(self, fires_on: str, program: Program | None, view: View) -> list[Probe]:
        """As the protocol says: in a conversation of its own, which holds no hypothesis, outcome or activation."""

        def values(share: float) -> dict[str, Any]:
            plain = [
                _show.marked(text, [0.0] * len(text)) for text in view.seen.texts[:: max(1, len(view.seen.texts) // 12)]
            ]
            return {
                "fires_on": fires_on,
                "program": "" if program is None else program.source,
                "examples": plain[: _some(12, share)],
                "count": _TEXTS,
            }

        answer, _ = await self._ask("critic_challenge", values, TextsShape)
        return probes_of(answer.texts, view)

    async def _ask(self, name: str, values: Any, output: type[M]) -> tuple[M, Request[M]]:
        return await ask(self.llm, name, values, output)

    async def _mended(self, answer: HypothesesShape, asked: Request[HypothesesShape], view: View) -> HypothesesShape:
        found = [await asyncio.to_thread(fault, shape, view) for shape in answer.hypotheses]
        wrong = [line for line in found if line is not None]
        if not wrong:
            return answer
        told = "\n".join(["These programs fail; give all hypotheses again, with programs that run.", *wrong])
        turns = [assistant(answer.model_dump_json()), user(told)]
        reply = await self.llm.ask(asked.followed_by(turns))
        return answer if reply.value is None else reply.value


async def ask(llm: LLM, name: str, values: Any, output: type[M]) -> tuple[M, Request[M]]:
    """Fill a template in and ask; with fewer examples where the question is too long. `values` takes the share of them.

    Raises LLMError.
    """
    template = Template.load(name)
    for share in _SHRINKING:
        prompt = template.render(**values(share))
        messages: tuple[Message, ...] = tuple(_TURNS[role](text) for role, text in prompt.turns)
        request = Request(messages, max_tokens=_MAX_TOKENS, output=output, template=prompt.reference, reuse_prefix=True)
        try:
            reply = await llm.ask(request)
        except ContextError:
            if share == _SHRINKING[-1]:
                raise
            continue
        assert reply.value is not None
        return reply.value, request
    raise AssertionError


def fault(shape: HypothesisShape, view: View) -> str | None:
    """What is wrong with a program, if something is."""
    for proposal in proposals_of([shape], view):
        if proposal.program is not None:
            try:
                view.predict(proposal.program, view.seen.texts[:4])
            except ProgramError as error:
                return f"- {shape.fires_on}: {error}"
    return None


def first_look(view: View, share: float) -> dict[str, Any]:
    """The variables that show a feature to somebody who knows nothing of it."""
    seen = view.seen
    return {
        "active": seen.stats.active,
        "total": f"{seen.stats.tokens:,}",
        "maximum": f"{seen.stats.maximum:.3g}",
        "typical": f"{seen.typical:.3g}",
        "table": _show.table(seen),
        "examples": _show.examples(seen, active=_some(_ACTIVE, share), silent=_some(_SILENT, share)),
        "reading": _show.reading(seen),
        "contrasts": _show.contrasts(seen, _some(_CONTRASTS, share)),
        "effects": [claim.sentence() for claim in seen.claims],
    }


def language() -> dict[str, Any]:
    """The variables that say what a program may be made of."""
    return {"fields": FIELDS, "dialect": Sandbox.python}


def _commitment(view: View) -> dict[str, Any]:
    """From which activation on a program's word counts."""
    return {"fires": f"{SAYS_FIRES * view.seen.typical:.3g}", "silent": f"{SAYS_SILENT * view.seen.typical:.3g}"}


def _hypotheses(view: View) -> dict[str, Any]:
    leader = view.leader
    return {
        **_commitment(view),
        "standings": _show.standing_lines(view.standings),
        "leader": "none" if leader is None else leader.hypothesis.id,
        "refuted": _show.refuted_lines(view.refuted),
    }


def _some(count: int, share: float) -> int:
    return max(2, round(count * share))
