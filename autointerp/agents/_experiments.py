"""Making an experiment: keyed, so that one that is in the notebook is not made again, and counted before it begins."""

from __future__ import annotations

from math import ceil

import numpy as np
import torch
from pydantic import TypeAdapter

from autointerp.activations import activations_on
from autointerp.agents._case import Case
from autointerp.agents._notebook import now
from autointerp.circuits import clean_run, next_token_change
from autointerp.errors import AutointerpError, BudgetError
from autointerp.records import (
    EffectClaim,
    EffectExperiment,
    Experiment,
    Intervention,
    Outcome,
    Probe,
    PromptKind,
    RefineExperiment,
    TextExperiment,
)
from autointerp.tools import Workbench, sample_texts

#: Texts that share one forward pass.
_BATCH = 32
#: Prompts that a claim is tried on.
_PROMPTS = 20
_ROWS: TypeAdapter[list[list[float]]] = TypeAdapter(list[list[float]])


def perform(case: Case, experiment: Experiment) -> Outcome:
    """The outcome, measured now or found in the notebook. A failure is an outcome too; only the budget's end is not.

    Raises BudgetError where it does not fit.
    """
    found = next((o for o in case.notebook.all("outcome", Outcome) if o.experiment == experiment.id), None)
    if found is not None:
        return found
    passes = _passes(experiment)
    case.meter.reserve(experiment.id, tool_calls=1, forward_passes=passes)
    try:
        values, sentence = _measure(case, experiment)
        outcome = Outcome(experiment=experiment.id, at=now(), sentence=sentence, values=tuple(values))
    except BudgetError:
        raise
    except AutointerpError as error:
        outcome = Outcome(experiment=experiment.id, at=now(), sentence="could not be measured", failed=str(error))
    return case.notebook.put("outcome", experiment.id, outcome)


def rows_of(case: Case, experiment: TextExperiment) -> list[list[float]]:
    """The activations on all tokens of each probe, as the notebook has them; empty before it was performed."""
    text = case.notebook.text("activations", experiment.id)
    return [] if text is None else _ROWS.validate_json(text)


def _passes(experiment: Experiment) -> int:
    if isinstance(experiment, TextExperiment):
        return ceil(len(experiment.probes) / _BATCH)
    return 2 * ceil(_PROMPTS / _BATCH) if isinstance(experiment, EffectExperiment) else 0


def _measure(case: Case, experiment: Experiment) -> tuple[list[float], str]:
    if isinstance(experiment, TextExperiment):
        rows = read_probes(case.bench, experiment.probes)
        case.notebook.put_text("activations", experiment.id, _ROWS.dump_json(rows).decode())
        values = [row[-1] if p.measured == "last" else max(row) for p, row in zip(experiment.probes, rows, strict=True)]
        return values, f"active on {sum(v > 0 for v in values)} of {len(values)} texts, at most {max(values):.2f}"
    if isinstance(experiment, EffectExperiment):
        values = moved_by(case.bench, experiment.claim)
        if not values:
            return [], "no other prompt of the train split has such a place"
        return (
            values,
            f"the named logits move by {np.median(values):+.2f} in the claimed direction, in the median prompt",
        )
    assert isinstance(experiment, RefineExperiment)
    program = next(h.program for h in case.notebook.hypotheses() if h.id == experiment.target)
    with case.sandbox_lock:
        score = None if program is None else case.gate(program)
    return ([], "no correlation could be computed") if score is None else ([score], f"correlation {score:.3f}")


def read_probes(bench: Workbench, probes: tuple[Probe, ...]) -> list[list[float]]:
    """The feature's activation on every token of each probe; one too long for the model keeps its end."""
    room = bench.subject.context - 1
    texts = [list(probe.token_ids)[-room:] for probe in probes]
    lengths = np.array([1 + len(ids) for ids in texts], dtype=np.int32)
    ids = np.full((len(texts), int(lengths.max())), bench.subject.padding, dtype=np.int32)
    for row, text in zip(ids, texts, strict=True):
        row[: 1 + len(text)] = [bench.subject.bos, *text]
    acts = activations_on(bench.subject, bench.dictionary, bench.feature.index, ids, lengths)
    return [
        [0.0] * (len(p.token_ids) - len(t)) + [float(v) for v in row[1:length]]
        for p, t, row, length in zip(probes, texts, acts, lengths, strict=True)
    ]


def moved_by(bench: Workbench, claim: EffectClaim) -> list[float]:
    """By how much the claimed tokens' logits move in the claimed direction, on prompts that no claim was made from.

    One number a prompt: the mean over the tokens, relative to the mean over the vocabulary.
    """
    firing = claim.prompts is PromptKind.FIRES
    used = set(sample_texts(bench, active=24, silent=12).passages.tolist())
    windows = bench.train.windows(bench.feature.index)
    dense, maxima = windows.dense(bench.train.length), windows.maxima()
    random = np.random.default_rng([bench.seed, bench.feature.index, 24])
    candidates = random.permutation(np.flatnonzero(maxima > 0 if firing else maxima == 0))
    chosen = np.array([p for p in candidates.tolist() if p not in used][:_PROMPTS], dtype=np.int64)
    if not len(chosen):
        return []
    lengths, acts = bench.train.lengths[chosen], dense[chosen]
    places = acts.argmax(1) if firing else random.integers(1, np.maximum(lengths, 2))
    ids = torch.from_numpy(np.asarray(bench.train.tokens[chosen])).long()
    dictionary = bench.dictionary
    clean = clean_run(bench.subject, {dictionary.input_site, *dictionary.output_sites}, ids)
    rows, at = torch.arange(len(chosen)), torch.from_numpy(places)
    if claim.intervention is Intervention.ABLATE:
        amounts = -torch.from_numpy(acts[np.arange(len(chosen)), places])
    else:
        amounts = torch.full((len(chosen),), claim.strength or 0.0)
    read = clean.sites[dictionary.input_site][rows, at]
    scaled = (amounts * dictionary.scale(read.float()))[:, None]
    added = {site: scaled * vector for site, vector in dictionary.writes(bench.feature.index).items()}
    change = next_token_change(clean, at, added)
    return [float(v) for v in claim.sign * change[:, list(claim.token_ids)].mean(1)]
