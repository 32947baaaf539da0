"""Counterfactual edits of texts, and the choice of those on which hypotheses differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from autointerp.agents._observe import Observation
from autointerp.programs import Predictor
from autointerp.records import Expected, Probe, Program

#: How much of the text before the edited place is kept: enough for the line, the string or the bracket that it is in.
_KEPT = 48
#: How far before the active token single tokens are replaced.
_REACH = 4
#: From this share of a typical peak on, a program says that the feature fires; up to the other that it is silent.
SAYS_FIRES, SAYS_SILENT = 0.35, 0.15
#: From this share of a typical peak on, the feature fires.
FIRES = 0.25


def edits_of(seen: Observation, *, texts: int, seed: int, strings: Sequence[str]) -> list[Probe]:
    """Texts cut after their strongest token, as they are and edited: a token before it replaced or removed, the active token
    replaced, the context cut short, the last tokens moved behind a text on which the feature is silent.

    Each reads the activation at its last token.
    """
    random = np.random.default_rng([seed, 21])
    common = [token for row in seen.ids[seen.active :] for token in row] or [t for row in seen.ids for t in row]
    silent = [row for row in seen.ids[seen.active :] if len(row) > _REACH] or seen.ids
    probes: dict[tuple[int, ...], Probe] = {}

    def add(ids: list[int], made: str) -> None:
        if ids:
            tokens = tuple(strings[i] for i in ids)
            probes.setdefault(tuple(ids), Probe(tokens=tokens, token_ids=tuple(ids), measured="last", made=made))

    for which in random.permutation(seen.active)[:texts].tolist():
        row = np.asarray(seen.activations[which])
        # Not always the strongest place: the edits are to tell of the feature, not of its peak.
        places = np.flatnonzero(row >= FIRES * seen.typical)
        place = int(random.choice(places)) if len(places) else int(row.argmax())
        ids = seen.ids[which][max(0, place + 1 - _KEPT) : place + 1]
        active = strings[ids[-1]]
        add(ids, "as it stands in the corpus")
        for back in range(1, min(_REACH, len(ids) - 1) + 1):
            other = int(random.choice(common))
            at = len(ids) - 1 - back
            gone = f"{strings[ids[at]]!r}, {back} before {active!r}"
            add([*ids[:at], other, *ids[at + 1 :]], f"{gone}, replaced by {strings[other]!r}")
            add([*ids[:at], *ids[at + 1 :]], f"{gone}, removed")
        other = int(random.choice(common))
        add([*ids[:-1], other], f"{active!r} replaced by {strings[other]!r}")
        for kept in (1, 2, 4, 8):
            add(ids[-kept:], f"only the last {kept} tokens kept")
        host = silent[int(random.integers(len(silent)))][: _KEPT // 2]
        for moved in (1, 3):
            add([*host, *ids[-moved:]], f"the last {moved} tokens moved behind another text")
    for which in random.permutation(len(silent))[:texts].tolist():
        row_ids = silent[which]
        place = int(random.integers(1, len(row_ids)))
        add(row_ids[max(0, place + 1 - _KEPT) : place + 1], "a place at which the feature was silent")
    return list(probes.values())


def expectations(program: Program, probes: Sequence[Probe], typical: float, predictor: Predictor) -> list[Expected]:
    """What a program says of each probe. Raises ProgramError."""
    values = predictor(program, [list(probe.tokens) for probe in probes])
    said: list[Expected] = []
    for probe, row in zip(probes, values, strict=True):
        value = row[-1] if probe.measured == "last" else max(row)
        share = value / typical if typical else 0.0
        said.append("fires" if share >= SAYS_FIRES else "silent" if share <= SAYS_SILENT else "open")
    return said


def pick_separating(
    probes: Sequence[Probe], said: Mapping[str, Sequence[Expected]], count: int, *, seed: int
) -> list[int]:
    """The probes on which the most pairs of hypotheses say opposite things; at random among equals, none where all agree."""
    random = np.random.default_rng([seed, 22])
    worth = [_pairs([row[i] for row in said.values()]) for i in range(len(probes))]
    order = sorted(range(len(probes)), key=lambda i: (-worth[i], random.random()))
    return [i for i in order if worth[i] > 0][:count]


def pick_bold(probes: Sequence[Probe], said: Sequence[Expected], count: int, *, seed: int) -> list[int]:
    """Probes on which one hypothesis commits itself, half of them firing and half silent where there are as many; edited
    ones before natural ones, for what stands in the corpus it has learned from."""
    random = np.random.default_rng([seed, 23])
    chosen: list[int] = []
    for side in ("fires", "silent"):
        here = [i for i, expected in enumerate(said) if expected == side]
        here.sort(key=lambda i: ("as it stands" in probes[i].made or "was silent" in probes[i].made, random.random()))
        chosen += here[: count // 2]
    return sorted(chosen)


def _pairs(said: Sequence[Expected]) -> int:
    return sum(s == "fires" for s in said) * sum(s == "silent" for s in said)
