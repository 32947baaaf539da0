"""How the rule scientist investigates: rules of several kinds compete, and edited texts teach it what they have wrong."""

from __future__ import annotations

from collections.abc import Sequence

from autointerp.agents._probes import edits_of
from autointerp.agents._protocol import Proposal, View
from autointerp.agents._words import promotes_of
from autointerp.induction import Rule, learn
from autointerp.records import HypothesisKind, Probe, Program

#: Rules that compete at first, and new ones after each round.
_FIRST, _LATER = 5, 3
#: Texts that are edited, each in about twenty ways.
_EDITED = 12


def proposals(view: View) -> list[Proposal]:
    """Rules of different lengths, from the token alone to four predicates; one for the output side; and that there is none."""
    seen = view.seen
    rules = _spread(learn(seen.texts, seen.activations), _FIRST)
    promotes = promotes_of(seen.claims)
    made = [_input(rule, promotes, "learned from the train split") for rule in rules]
    if seen.claims:
        made.append(
            Proposal(
                kind=HypothesisKind.OUTPUT,
                fires_on=f"where the model weighs what comes next: it {promotes}",
                promotes=promotes,
                effects=seen.claims,
                confidence=0.5,
                because="ablating and steering moved these logits dependably on some prompts",
            )
        )
    return made


def probes(view: View) -> list[Probe]:
    """Edits of texts that fire and of some that do not; other texts in every round."""
    return edits_of(view.seen, texts=_EDITED, seed=view.seed + 100 * view.round, strings=view.strings)


def refinements(view: View) -> list[Proposal]:
    """Rules learned from the same texts and the edited ones, whose activations are known by now."""
    seen, leader = view.seen, view.leader
    # Sorted in among the others: every fourth text judges which predicates are worth having.
    extra = [m for m in view.measured if len(m.probe.tokens) > 1]
    texts = [*seen.texts, *([*m.probe.tokens] for m in extra)]
    activations = [*seen.activations, *([*m.activations] for m in extra)]
    known = {s.hypothesis.program for s in view.standings} | {h.program for h, _ in view.refuted}
    rules = [rule for rule in learn(texts, activations) if rule.program not in known]
    parent = None if leader is None else leader.hypothesis.id
    because = f"learned again with {len(extra)} texts of the experiments"
    return [_input(rule, promotes_of(seen.claims), because, parent) for rule in _spread(rules, _LATER)]


def challenges(fires_on: str, program: Program | None, view: View) -> list[Probe]:
    """Edits of other texts than the experiments'; the critic knows the program and nothing of the investigation."""
    del fires_on, program
    return edits_of(view.seen, texts=2 * _EDITED, seed=view.seed + 7919, strings=view.strings)


def _input(rule: Rule, promotes: str, because: str, parent: str | None = None) -> Proposal:
    return Proposal(
        kind=HypothesisKind.INPUT,
        fires_on=rule.sentence,
        promotes=promotes,
        program=rule.program,
        confidence=min(1.0, max(0.0, rule.fit)),
        parent=parent,
        because=f"{because}; correlation {rule.fit:.2f} there",
    )


def _spread(rules: Sequence[Rule], most: int) -> list[Rule]:
    """The shortest, the best fitting ones, and among equals the shorter; `rules` are sorted by length."""
    if len(rules) <= most:
        return list(rules)
    best = sorted(rules[1:], key=lambda rule: -round(rule.fit, 3))[: most - 1]
    return [rule for rule in rules if rule is rules[0] or rule in best]
