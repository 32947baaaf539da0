"""What a language model is asked for, as types, and how that becomes proposals and probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from autointerp.agents._protocol import Proposal, View
from autointerp.records import EffectClaim, HypothesisKind, Intervention, Probe, Program, PromptKind

#: Longer texts are cut: a probe is about one place.
_LONGEST = 96
#: Tokens that one claim may name.
_TOKENS = 8


class ClaimShape(BaseModel):
    """An effect on the next-token logits that the hypothesis predicts."""

    intervention: Literal["ablate", "steer"]
    direction: Literal["raises", "lowers"]
    tokens: Annotated[
        list[str], Field(description="vocabulary tokens, exactly as they are listed to you", max_length=_TOKENS)
    ]
    at_least: Annotated[float, Field(ge=0, description="logits by which they move in the mean, at the least")]


class HypothesisShape(BaseModel):
    """One answer to when the feature fires and what it does."""

    kind: Literal["input", "output", "null"]
    fires_on: Annotated[str, Field(description="one sentence: on which tokens, in which context")]
    promotes: Annotated[str, Field(description="what it makes the model say next; empty if unknown")]
    program: Annotated[str, Field(description="Python that defines predict(tokens); empty for kind null")]
    clauses: Annotated[list[str], Field(description="unrelated meanings, if there are several; else empty")]
    claims: list[ClaimShape]
    confidence: Annotated[float, Field(ge=0, le=1, description="probability that this is the right explanation")]
    revises: Annotated[str, Field(description="id of the hypothesis that this one improves on, or empty")]
    because: Annotated[str, Field(description="the observation that speaks for it")]


class HypothesesShape(BaseModel):
    """Competing hypotheses."""

    hypotheses: list[HypothesisShape]


class TextShape(BaseModel):
    """A text to read the feature on."""

    text: str
    measured: Annotated[
        Literal["last", "strongest"], Field(description="activation at the last token, or the strongest one anywhere")
    ]
    why: str


class TextsShape(BaseModel):
    """Texts to read the feature on."""

    texts: list[TextShape]


def proposals_of(shapes: Sequence[HypothesisShape], view: View) -> list[Proposal]:
    """Proposals; claims name tokens by their ids, and those that name none of the vocabulary are left out."""
    ids = {token: i for i, token in enumerate(view.strings)}
    known = {s.hypothesis.id for s in view.standings} | {h.id for h, _ in view.refuted}
    return [
        Proposal(
            kind=HypothesisKind(shape.kind),
            fires_on=shape.fires_on.strip() or "not said",
            promotes=shape.promotes.strip(),
            program=Program(source=unfenced(shape.program)) if shape.program.strip() else None,
            effects=tuple(c for claim in shape.claims if (c := _claim(claim, ids, view)) is not None),
            clauses=tuple(clause.strip() for clause in shape.clauses if clause.strip()),
            confidence=shape.confidence,
            parent=shape.revises if shape.revises in known else None,
            because=shape.because.strip(),
        )
        for shape in shapes
    ]


def probes_of(shapes: Sequence[TextShape], view: View) -> list[Probe]:
    """Probes; a text without a token is left out, a long one loses its beginning."""
    found = []
    for shape in shapes:
        ids = view.encode(shape.text)[-_LONGEST:]
        if ids:
            tokens = tuple(view.strings[i] for i in ids)
            found.append(Probe(tokens=tokens, token_ids=tuple(ids), measured=shape.measured, made=shape.why.strip()))
    return found


def _claim(shape: ClaimShape, ids: dict[str, int], view: View) -> EffectClaim | None:
    named = [token for token in dict.fromkeys(map(_plain, shape.tokens)) if token in ids]
    if not named:
        return None
    steer = shape.intervention == "steer"
    strengths = [c.strength for c in view.seen.claims if c.strength is not None]
    return EffectClaim(
        intervention=Intervention(shape.intervention),
        prompts=PromptKind.SILENT if steer else PromptKind.FIRES,
        tokens=tuple(named),
        token_ids=tuple(ids[token] for token in named),
        sign=1 if shape.direction == "raises" else -1,
        at_least=shape.at_least,
        strength=(strengths[0] if strengths else view.seen.typical) if steer else None,
    )


def _plain(token: str) -> str:
    """A token that was copied with the quotes or the escapes of the list."""
    bare = token[1:-1] if len(token) > 1 and token[0] == token[-1] == "'" else token
    return bare.replace("\\n", "\n").replace("\\t", "\t")


def unfenced(source: str) -> str:
    """The program without the fence that models put around code."""
    lines = source.strip().splitlines()
    if lines and lines[0].startswith("```"):
        lines = lines[1:-1] if lines[-1].startswith("```") else lines[1:]
    return "\n".join(lines) + "\n"
