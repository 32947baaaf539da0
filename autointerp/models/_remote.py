"""Models on NDIF's servers (National Deep Inference Fabric): the trace is written here and runs there, through nnsight."""

from __future__ import annotations

from typing import Any

import nnsight
import torch
from nnsight import CONFIG, TransformersModel
from nnsight.intervention.backends.remote import RemoteError
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

from autointerp.errors import ModelError
from autointerp.models._adapters import Adapter
from autointerp.models._architectures import ADAPTERS
from autointerp.models._forward import Pass, Read
from autointerp.models._layout import Layout
from autointerp.models._loading import classes_of, load_tokenizer, quiet


class RemoteModel(TransformersModel):  # type: ignore[misc]
    """A model without weights, each trace of which runs on NDIF."""

    remote = True
    #: What nnsight takes for `remote`; "local" is its rehearsal, which sends the trace through the same serialisation.
    where: bool | str = True

    def trace(self, inputs: dict[str, Any], **options: Any) -> Any:
        """A trace of one call of the model with these keywords."""
        return super().trace(inputs, remote=self.where, **options)

    def _remoteable_class(self) -> type:
        # By which the servers know their models.
        known: type = TransformersModel
        return known


def connect(name: str) -> tuple[RemoteModel, Any, Adapter, Any]:
    """The model as nnsight knows it, its configuration, adapter and tokenizer.

    Raises ModelError without a key, without a network, and for a family that has no adapter.
    """
    if not CONFIG.API.APIKEY:
        raise ModelError(
            f"{name} cannot run remotely without a key for NDIF: set NDIF_API_KEY, or load it here without remote"
        )
    # What a trace refers to of ours travels with it, since the servers do not have it.
    nnsight.register("autointerp")
    try:
        with quiet():
            config = AutoConfig.from_pretrained(name)
            family, model_class = next(iter(classes_of(name, config, ADAPTERS).items()))
            tokenizer = load_tokenizer(name, here=False)
            traced = RemoteModel(name, tokenizer=tokenizer, task=_task(config, model_class))
    except ModelError:
        raise
    except Exception as error:
        # The clients of the hub and of NDIF raise their own errors, those of their transports and plain OSErrors.
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
        raise ModelError(
            f"{name} cannot be run remotely: {first:.150}; check its name and the network, or load it here without remote"
        ) from error
    return traced, config, ADAPTERS[family], tokenizer


def forward(layout: Layout, task: Pass) -> Read:
    """Carry out a pass on the servers; see `_forward.forward`.

    What comes back is what the traced block saves under a name of its own, so nothing is filled in from outside, and the pass
    goes to its end. Raises ModelError for gradients, which need the graph here.
    """
    if task.follow:
        raise ModelError(f"{layout.name} runs remotely, where no gradients are taken: load it here without remote")
    sites = layout.order(task.capture | task.edits.keys())
    stops = [(*layout.find(site), task.edits.get(site)) for site in sites]
    head = layout.head if task.logits else None
    resumed = None if task.start is None else task.start[1]
    skipped = [] if task.start is None else layout.blocks[: task.start[0].layer + 1]
    try:
        with layout.computing(sites), torch.no_grad(), layout.traced.trace(task.inputs):
            for block in skipped:
                block.skip(resumed)
            values = []
            for module, point, edit in stops:
                value = point.read(module)
                if edit is not None:
                    value = edit(value)
                    point.write(module, value)
                values.append(value)
            if head is not None:
                values.append(head.output)
            values = nnsight.save(values)
    except RemoteError as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given")
        raise ModelError(
            f"NDIF did not run {layout.name}: {first:.200}; check the key, the model and the network"
        ) from error
    logits = values.pop() if head is not None else None
    return Read({site: value for site, value in zip(sites, values, strict=True) if site in task.capture}, logits)


def _task(config: Any, model_class: Any) -> str:
    """The task of a pipeline, which is a part of a model's name on the servers."""
    for task, mapping in (("text-generation", MODEL_FOR_CAUSAL_LM_MAPPING), ("fill-mask", MODEL_FOR_MASKED_LM_MAPPING)):
        if type(config) in mapping and mapping[type(config)] is model_class:
            return task
    return "feature-extraction"
