"""The pass over a corpus: shard by shard, each kept as soon as it is finished, then everything as one index."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from autointerp.activations._arrays import Folder
from autointerp.activations._corpus import Corpus
from autointerp.activations._finish import join
from autointerp.activations._index import Index, IndexMeta
from autointerp.activations._parts import Parts, Progressed
from autointerp.activations._passages import passages
from autointerp.activations._plan import Plan
from autointerp.activations._sealed import VERSION
from autointerp.activations._settings import IndexSettings
from autointerp.activations._shards import places, record
from autointerp.activations._staging import staged, written_whole
from autointerp.activations._weights import put_vocabulary, put_weights
from autointerp.dictionaries import Dictionary
from autointerp.errors import CacheError, InputError, OutputError
from autointerp.models import Subject

#: Told how many tokens are done and how many there are.
Progress = Callable[[int, int], None]
ENGINES = ("local", "ray")

_log = logging.getLogger(__name__)


def index_key(
    subject: Subject,
    dictionary: Dictionary,
    corpus: Corpus,
    settings: IndexSettings,
    part: tuple[int, int] = (1, 1),
) -> str:
    """Names everything that an index is made from, this program's version of it included."""
    precision = str(next((p.dtype for p in subject.module.parameters() if p.is_floating_point()), None))
    marks = [subject.fingerprint, precision, dictionary.fingerprint, corpus.fingerprint]
    parts = [VERSION, *marks, asdict(settings), *part]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def build_index(
    subject: Subject,
    dictionary: Dictionary,
    corpus: Corpus,
    folder: Path,
    *,
    key: str,
    settings: IndexSettings | None = None,
    progress: Progress | None = None,
    engine: str = "local",
    workers: int | None = None,
    part: tuple[int, int] = (1, 1),
) -> Index:
    """Stream a corpus through the model once and store what every feature did, as `folder`.

    A build that is broken off goes on where it was when it is started again with the same arguments, and its result is the
    same to the bit. Where another process builds the same, it is waited for and its index is taken.

    Parameters
    ----------
    key: names the index; one that is whole in `folder` and has this key is opened and not built again.
    engine: "local", or "ray" to have the shards recorded by Ray's workers, which need the model and the dictionary under the
        same names.
    workers: how many shards Ray records at a time; by default, as many as it has processors.
    part: which of how many parts of the same text to index, from (1, n) to (n, n); `merge_indices` makes one of all of them,
        the same to the bit as the index of the whole. `key` is to tell them apart.

    Raises
    ------
    CorpusError: where the corpus leaves a split without text.
    DictionaryError: where the dictionary does not fit the model.
    OutputError: where the folder cannot be written; what was finished is kept.
    """
    if engine not in ENGINES:
        raise InputError(f"there is no engine {engine!r}: give {' or '.join(ENGINES)}")
    if not 1 <= part[0] <= part[1]:
        raise InputError(f"there is no part {part[0]} of {part[1]}: count from 1")
    build = _Build(subject, dictionary, corpus, settings or IndexSettings(), progress or _silent, part)
    try:
        with staged(folder) as staging:
            try:
                index = Index.read(folder, key)
            except CacheError:
                return build.run(staging, folder, key, engine, workers)
            shutil.rmtree(staging, ignore_errors=True)
            return index
    except OSError as error:
        raise OutputError(
            f"the index cannot be written to {folder.parent}: {error.strerror or error}; make room, or set AUTOINTERP_CACHE"
        ) from error


@contextmanager
def _collecting() -> Iterator[Callable[[], object]]:
    """A function that frees what forward passes left in cycles, which else waits until there is as much as a model's code.

    It looks at what was made since: everything that was there before, torch and transformers above all, is set aside.
    """
    frozen = gc.get_freeze_count()
    gc.collect()
    if not frozen:
        gc.freeze()
    try:
        yield gc.collect
    finally:
        if not frozen:
            gc.unfreeze()


def _silent(done: int, size: int) -> None:
    del done, size


@dataclass(frozen=True, slots=True)
class _Build:
    """What an index is made from."""

    subject: Subject
    dictionary: Dictionary
    corpus: Corpus
    settings: IndexSettings
    progress: Progress
    part: tuple[int, int]

    def run(self, staging: Path, folder: Path, key: str, engine: str, workers: int | None) -> Index:
        """Go on in `staging` until `folder` is there. What was finished stays where that fails, unless it was nothing."""
        parts: Parts | None = None
        kept = False
        try:
            origin = index_key(self.subject, self.dictionary, self.corpus, self.settings, self.part)
            plan = self._plan(staging, origin)
            parts = Parts(staging / "shards", origin, self.settings.caps)
            if engine == "ray":
                self._record_with_ray(plan, parts, workers)
            else:
                self._record(plan, parts)
            return self._join(staging, folder, key, plan, parts)
        except BaseException:
            kept = parts is not None and bool(parts.done)
            raise
        finally:
            if not kept:
                shutil.rmtree(staging, ignore_errors=True)

    def _plan(self, staging: Path, origin: str) -> Plan:
        place, scratch = staging / "plan", staging / "scratch"
        try:
            return Plan.read(place, origin)
        except CacheError:
            pass
        shutil.rmtree(scratch, ignore_errors=True)
        length = places(self.subject, self.settings) - 1
        found = passages(self.corpus, self.subject.encode, length=length, budget=self.settings.tokens, scratch=scratch)
        with written_whole(place) as half:
            Plan.write(half, origin, found, shard=self.settings.shard, corpus=self.corpus.name)
        shutil.rmtree(scratch, ignore_errors=True)
        return Plan.read(place, origin)

    def _wanted(self, plan: Plan) -> range:
        """The shards of this part, which are dealt out in turn, as every one is a uniform sample."""
        return range(self.part[0] - 1, plan.shards, self.part[1])

    def _missing(self, plan: Plan, parts: Parts) -> list[int]:
        if not (wanted := self._wanted(plan)):
            raise InputError(
                f"no part {self.part[0]} of {self.part[1]}: the text makes {plan.shards} shards; give fewer parts, or more text"
            )
        return sorted(set(wanted) - parts.done)

    def _tokens(self, plan: Plan) -> int:
        return sum(plan.size(number) for number in self._wanted(plan))

    def _record(self, plan: Plan, parts: Parts) -> None:
        progressed = Progressed(self.dictionary.size, self.settings.caps)
        done = parts.tokens

        def told(tokens: int) -> None:
            nonlocal done
            done += tokens
            self.progress(done, self._tokens(plan))

        def one(number: int) -> None:
            floor = progressed.floor(parts, number)
            recorded = record(self.subject, self.dictionary, plan.shard(number), self.settings, floor, told)
            progressed.take(range(number, number + 1), recorded.arrays)
            parts.add(number, recorded)

        with _collecting() as collect:
            for number in self._missing(plan, parts):
                one(number)  # a call each, so that nothing of a shard is held while anything else is done
                collect()
                parts.tidy()

    def _record_with_ray(self, plan: Plan, parts: Parts, workers: int | None) -> None:
        from autointerp.activations._ray import record_with_ray

        progressed = Progressed(self.dictionary.size, self.settings.caps)
        arriving = record_with_ray(
            self.subject,
            self.dictionary,
            ((n, plan.shard(n), progressed.floor(parts, n)) for n in self._missing(plan, parts)),
            self.settings,
            workers,
        )
        for number, recorded in arriving:
            parts.add(number, recorded)
            del recorded
            parts.tidy()
            self.progress(parts.tokens, self._tokens(plan))

    def _join(self, staging: Path, folder: Path, key: str, plan: Plan, parts: Parts) -> Index:
        def weights(whole: Path) -> None:
            with Folder(whole) as sink:
                put_weights(sink, self.subject, self.dictionary, plan.tokens)
                put_vocabulary(sink, self.subject.strings)

        def meta(corpus: str) -> IndexMeta:
            return IndexMeta(
                key=key,
                model=self.subject.fingerprint,
                dictionary=self.dictionary.fingerprint,
                corpus=corpus,
                corpus_name=self.corpus.name,
                tokens=self._tokens(plan),
                features=self.dictionary.size,
                length=places(self.subject, self.settings),
                not_finite=parts.not_finite,
                settings=asdict(self.settings),
            )

        index = join(parts.stored, staging, folder, caps=self.settings.caps, weights=weights, meta=meta)
        if index.meta.not_finite:
            _log.warning(
                "%d activations of %s are not finite: they are left out of every figure",
                index.meta.not_finite,
                self.dictionary.name,
            )
        return index
