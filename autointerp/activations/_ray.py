"""Shards recorded by Ray's workers, on this machine or on many.

Only the text of a shard goes out, and only its sketch comes back, so the machines need no disk in common; each opens the
model and the dictionary once, by name. Ray runs a shard again where a machine is lost.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from autointerp.activations._plan import ShardText
from autointerp.activations._recorder import Floor, Recorded
from autointerp.activations._settings import IndexSettings
from autointerp.activations._shards import record
from autointerp.dictionaries import Dictionary, open_dictionary
from autointerp.errors import InputError
from autointerp.models import Subject


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a worker needs to open the same model and dictionary, and to compute with them in the same way."""

    model: str
    model_fingerprint: str
    dictionary: str
    dictionary_fingerprint: str
    dtype: str
    threads: int


def record_with_ray(
    subject: Subject,
    dictionary: Dictionary,
    shards: Iterator[tuple[int, ShardText, Floor]],
    settings: IndexSettings,
    workers: int | None,
) -> Iterator[tuple[int, Recorded]]:
    """Finished shards, in the order in which they come back.

    Uses the cluster that this process is connected to, else that of `RAY_ADDRESS`, else one made on this machine.

    Raises InputError where Ray is not installed, or a worker cannot open the model or the dictionary.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "ray is not installed: pip install 'autointerp-agents[ray]', or build with --engine local"
        ) from error
    ours = not ray.is_initialized()
    if ours:
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        # A shard that a lost machine was at is as good as one that was not begun: it may be started as often as it takes.
        task = ray.remote(num_cpus=1, max_retries=-1)(_record)
        origin = ray.put(_origin(subject, dictionary))
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = workers or max(1, int(resources.get("CPU", 1)))
        running: dict[Any, int] = {}
        for number, text, floor in shards:
            running[task.remote(origin, text, settings, floor)] = number
            while len(running) >= most:
                yield _next(running)
        while running:
            yield _next(running)
    finally:
        if ours:
            ray.shutdown()


def _next(running: dict[Any, int]) -> tuple[int, Recorded]:
    import ray

    (done,), _ = ray.wait(list(running), num_returns=1)
    try:
        recorded: Recorded = ray.get(done)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise cause if isinstance(cause, InputError) else error from error
    return running.pop(done), recorded


def _origin(subject: Subject, dictionary: Dictionary) -> _Origin:
    return _Origin(
        _found_anywhere(subject.name),
        subject.fingerprint,
        _found_anywhere(dictionary.name),
        dictionary.fingerprint,
        str(next(subject.module.parameters()).dtype).removeprefix("torch."),
        torch.get_num_threads(),
    )


def _found_anywhere(name: str) -> str:
    """A name with its path, if it is one, made absolute: a worker may stand in another folder."""
    scheme, colon, place = name.rpartition(":")
    path = Path(place).expanduser()
    return f"{scheme}{colon}{path.resolve()}" if path.exists() else name


@lru_cache(maxsize=1)
def _opened(origin: _Origin) -> tuple[Subject, Dictionary]:
    # Sums in a matrix product are grouped by thread: as many threads, the same bits.
    torch.set_num_threads(origin.threads)
    subject = Subject.load(origin.model, dtype=origin.dtype)
    dictionary = open_dictionary(origin.dictionary, subject)
    found = subject.fingerprint, dictionary.fingerprint
    if found != (origin.model_fingerprint, origin.dictionary_fingerprint):
        raise InputError(
            f"a worker of Ray finds another {origin.model} or {origin.dictionary} than this machine: give all the same files"
        )
    return subject, dictionary


def _record(origin: _Origin, text: ShardText, settings: IndexSettings, floor: Floor) -> Recorded:
    return record(*_opened(origin), text, settings, floor)
