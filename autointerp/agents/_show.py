"""Texts with activations as a language model reads them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from autointerp.agents._observe import Observation
from autointerp.agents._protocol import Measured, Standing, View
from autointerp.errors import ProgramError
from autointerp.programs import read
from autointerp.records import Hypothesis, Judgement

#: Tokens shown before and after the strongest one.
_BEFORE, _AFTER = 28, 6
#: From this share of the text's peak on, a token is marked.
_MARKED = 0.15
_TABLE = 24
#: Tokens of which silent occurrences are shown.
_LEADING = 4


def marked(tokens: Sequence[str], activations: Sequence[float]) -> str:
    """One line: the text around its strongest token, line breaks written as \\n, active tokens as «token=activation»."""
    # Of a text on which the feature is silent everywhere the beginning is shown.
    peak = int(np.argmax(activations)) if max(activations, default=0.0) > 0 else _BEFORE
    begin, end = max(0, peak - _BEFORE), min(len(tokens), peak + 1 + _AFTER)
    least = max(_MARKED * max(activations, default=0.0), 1e-9)
    parts = [
        f"«{_escaped(token)}={value:.3g}»" if value >= least else _escaped(token)
        for token, value in zip(tokens[begin:end], activations[begin:end], strict=True)
    ]
    return ("…" if begin else "") + "".join(parts) + ("…" if end < len(tokens) else "")


def tokens_before(tokens: Sequence[str], activations: Sequence[float]) -> str:
    """The strongest token and the five before it, each in quotes: where tokens begin and end cannot be seen in the text."""
    peak = int(np.argmax(activations))
    return " ".join(repr(token) for token in tokens[max(0, peak - 5) : peak + 1])


def table(seen: Observation) -> list[str]:
    """The tokens that carry most of the activation: `token` mean activation, where active, of how many occurrences."""
    flat, totals = seen.flat, seen.flat.totals()
    counts = np.bincount(flat.ids)
    active = np.bincount(flat.ids, weights=flat.activations > 0)
    best = np.argsort(-totals, kind="stable")[:_TABLE]
    return [
        f"{_string(seen, token)!r}: active on {active[token]:.0f} of {counts[token]} occurrences,"
        f" mean {totals[token] / counts[token]:.3g} over all of them"
        for token in best.tolist()
        if totals[token] > 0
    ]


def _string(seen: Observation, token: int) -> str:
    """A token of the texts, by its id."""
    first = int(np.flatnonzero(seen.flat.ids == token)[0])
    return seen.texts[int(seen.flat.texts[first])][int(seen.flat.places[first])]


def examples(seen: Observation, *, active: int, silent: int) -> list[str]:
    """Active texts from the strongest to the weakest, evenly spaced, then silent ones."""
    order = sorted(range(seen.active), key=lambda i: -max(seen.activations[i], default=0.0))
    chosen = [
        order[i] for i in sorted(set(np.linspace(0, len(order) - 1, min(active, len(order))).astype(int).tolist()))
    ]
    shown = []
    for i in chosen:
        tokens, row = seen.texts[i], seen.activations[i]
        shown.append(f"{marked(tokens, row)}\n   strongest token after: {tokens_before(tokens, row)}")
    quiet = [
        marked(seen.texts[i], seen.activations[i])
        for i in range(seen.active, min(seen.active + silent, len(seen.texts)))
    ]
    return [*shown, *(f"(silent) {line}" for line in quiet)]


def reading(seen: Observation) -> str:
    """All that `read` says of the strongest token of all: what the fields hold is easier to see than to describe."""
    text = max(range(len(seen.texts)), key=lambda i: max(seen.activations[i], default=0.0))
    peak = int(np.argmax(seen.activations[text]))
    return ", ".join(f"{name}: {value!r}" for name, value in read(seen.texts[text][: peak + 1])[-1].items())


def contrasts(seen: Observation, count: int) -> list[str]:
    """Places at which the feature is silent although the token is one of those that carry most of its activation."""
    flat, totals = seen.flat, seen.flat.totals()
    leading = [token for token in np.argsort(-totals, kind="stable")[:_LEADING].tolist() if totals[token] > 0]
    found: dict[int, list[str]] = {token: [] for token in leading}
    each = -(-count // max(1, len(leading)))
    last = -1
    for i in np.flatnonzero(np.isin(flat.ids, leading) & (flat.activations == 0)).tolist():
        token, text, at = int(flat.ids[i]), int(flat.texts[i]), int(flat.places[i])
        # One from each text, so that they differ.
        if text == last or len(found[token]) >= each:
            continue
        tokens, last = seen.texts[text], text
        before = "".join(map(_escaped, tokens[max(0, at - _BEFORE) : at]))
        found[token].append(f"…{before}«{_escaped(tokens[at])}»")
    return [line for lines in found.values() for line in lines][:count]


def measured(found: Sequence[Measured]) -> list[str]:
    """What experiments found: the text, what was done to it, what came out, and what each hypothesis had said."""
    lines = []
    for m in found:
        last = "last token" if m.probe.measured == "last" else "strongest"
        said = ", ".join(f"{id_} {expected}" for id_, expected in m.said.items()) or "nothing"
        text = "".join(map(_escaped, m.probe.tokens[-_BEFORE:]))
        lines.append(f"{m.value:.3g} at the {last} of: {text}\n   ({m.probe.made}; predicted: {said})")
    return lines


def mistakes(view: View, standing: Standing, count: int) -> list[str]:
    """Where a program is most wrong on the texts of the train split, as text, what it says and what is so."""
    program = standing.hypothesis.program
    if program is None:
        return []
    try:
        predicted = view.predict(program, view.seen.texts)
    except ProgramError as error:
        return [f"the program fails: {error}"]
    worst = []
    for tokens, true, said in zip(view.seen.texts, view.seen.activations, predicted, strict=True):
        if not true:
            continue
        off = [abs(max(0.0, s) - t) for s, t in zip(said, true, strict=True)]
        at = int(np.argmax(off))
        text = "".join(map(_escaped, tokens[max(0, at - _BEFORE) : at]))
        worst.append((off[at], f"…{text}«{_escaped(tokens[at])}»: says {max(0.0, said[at]):.3g}, is {true[at]:.3g}"))
    return [line for _, line in sorted(worst, key=lambda pair: -pair[0])[:count]]


def residuals(view: View, standing: Standing, count: int) -> list[str]:
    """The tokens at which a program is most wrong in all, with what it says and what is so in the mean."""
    program = standing.hypothesis.program
    if program is None:
        return []
    try:
        predicted = view.predict(program, view.seen.texts)
    except ProgramError:
        return []  # what fails is told with the mistakes
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for tokens, true, said in zip(view.seen.texts, view.seen.activations, predicted, strict=True):
        for token, t, s in zip(tokens, true, said, strict=True):
            pairs[token].append((max(0.0, s), t))
    wrong = {token: sum(abs(s - t) for s, t in found) for token, found in pairs.items()}
    worst = sorted((token for token in wrong if wrong[token] > 0), key=lambda token: -wrong[token])[:count]
    return [_residual(token, pairs[token]) for token in worst]


def _residual(token: str, found: Sequence[tuple[float, float]]) -> str:
    said, true = np.mean(found, axis=0)
    silent = sum(t == 0 for _, t in found)
    return f"{token!r}: {len(found)} times, silent at {silent}; says {said:.3g} in the mean, is {true:.3g}"


def standing_lines(standings: Sequence[Standing]) -> list[dict[str, str]]:
    """The live hypotheses with their programs and records, for a template."""
    return [
        {
            "id": s.hypothesis.id,
            "kind": str(s.hypothesis.kind),
            "fires_on": s.hypothesis.fires_on,
            "program": s.hypothesis.program.source if s.hypothesis.program else "",
            "score": "not known" if s.score is None else f"{s.score:.2f}",
            "record": f"{s.right} of {s.said}",
        }
        for s in standings
    ]


def refuted_lines(refuted: Sequence[tuple[Hypothesis, Judgement]]) -> list[str]:
    """Hypotheses that fell, and what felled them."""
    return [f"{h.id} ({h.fires_on}): {j.sentence}" for h, j in refuted]


def _escaped(token: str) -> str:
    return token.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
