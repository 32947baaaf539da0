"""What ablating and steering a feature does to the next-token logits, on texts of the train split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from autointerp.models import Edit, Operation
from autointerp.records import Intervention, PromptKind, Site, SiteKind
from autointerp.tools._bench import Workbench
from autointerp.tools._examples import sample_texts


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """What an intervention did, prompt by prompt.

    Attributes
    ----------
    changes: logit changes relative to their mean over the vocabulary, [prompts, vocabulary].
    likely: the probability of each token, with or without the intervention whichever is more, in the mean over prompts,
        [vocabulary]: which tokens the model considers at all.
    """

    intervention: Intervention
    prompts: PromptKind
    strength: float | None
    changes: Tensor
    likely: Tensor


def effects_of(bench: Workbench, *, prompts: int = 24) -> list[Effects]:
    """Ablate the feature where it fires strongest in a text, and steer by a typical strong activation where it is silent.

    Both at one place of each of up to `prompts` texts. Empty where no text of the train split activates the feature, and
    for a model without logits; no steering where it is silent nowhere.
    """
    sample = sample_texts(bench, active=prompts, silent=prompts // 2)
    if sample.active == 0 or not bench.subject.has_logits:
        return []
    peak = sample.activations[: sample.active].argmax(1)
    strength = float(np.quantile(sample.activations[: sample.active].max(1), 0.75))
    ids = torch.from_numpy(sample.ids).long()
    height = torch.from_numpy(sample.activations[np.arange(sample.active), peak])
    change, likely = _change(bench, ids[: sample.active], torch.from_numpy(peak), -height)
    results = [Effects(Intervention.ABLATE, PromptKind.FIRES, None, change, likely)]
    places = silent_places(sample.activations, sample.lengths, bench.seed)
    some = np.flatnonzero(places > 0)[-prompts:]
    if not len(some):
        return results
    steady = torch.full((len(some),), strength)
    change, likely = _change(bench, ids[some], torch.from_numpy(places[some]), steady)
    results.append(Effects(Intervention.STEER, PromptKind.SILENT, strength, change, likely))
    return results


def _change(bench: Workbench, ids: Tensor, places: Tensor, amounts: Tensor) -> tuple[Tensor, Tensor]:
    """Logit changes by a change of the activation by `amounts` [texts], and how likely each token is with or without it."""
    dictionary, rows = bench.dictionary, torch.arange(len(ids))
    writes = dictionary.writes(bench.feature.index)
    # What stands after the places changes nothing at them, and where nothing but a stream is written, what comes before it
    # need not be computed again.
    ids = ids[:, : int(places.max()) + 1]
    stream = {site for site in writes if site.kind is SiteKind.RESID_POST} if len(writes) == 1 else set[Site]()
    clean = bench.run(ids, capture={dictionary.input_site, *stream}, logits=places)
    scaled = (amounts * dictionary.scale(clean.sites[dictionary.input_site][rows, places].float()).cpu())[:, None]
    edits = []
    for site, vector in writes.items():
        value = torch.zeros(*ids.shape, vector.shape[-1])
        value[rows, places] = scaled * vector.float().cpu()
        edits.append(Edit(site, Operation.ADD, value))
    start = next(((site, clean.sites[site]) for site in stream), None)
    after = bench.run(ids, edits=edits, logits=places, start=start)
    assert clean.logits is not None
    assert after.logits is not None
    before, logits = clean.logits.float(), after.logits.float()
    change = logits - before
    change = change - change.mean(1, keepdim=True)
    return change, torch.maximum(before.softmax(-1), (before + change).softmax(-1)).mean(0)


def silent_places(activations: np.ndarray, lengths: np.ndarray, seed: int) -> np.ndarray:
    """One random place in each text at which the feature is silent; 0 where there is none."""
    random = np.random.default_rng([seed, 1])
    places = np.zeros(len(activations), dtype=np.int64)
    for i, (row, length) in enumerate(zip(activations, lengths, strict=True)):
        quiet = 1 + np.flatnonzero(row[1:length] == 0)
        if len(quiet):
            places[i] = random.choice(quiet)
    return places
