"""Builds one index again and again in processes that kill themselves at a chosen moment.

    python killed.py MODEL DICTIONARY CORPUS FOLDER MOMENT...

A moment is `step:N`, the Nth time that progress is told; `write:N`, in the middle of the Nth part that is written; `join:N`,
in the middle of the Nth time that parts are put together; `remove:N`, before the Nth part is removed that is now in another;
or `end`, when the index is in place and nothing is tidied up. Each moment builds in a folder of its own below FOLDER.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from autointerp.activations import IndexSettings, build_index, open_corpus
from autointerp.activations import _finish as finish_module
from autointerp.activations import _parts as parts_module
from autointerp.dictionaries import open_dictionary
from autointerp.models import Subject

#: Twelve shards, a batch each, of which every four are put together.
SETTINGS = IndexSettings(tokens=2400, context=32, train_cap=60, heldout_cap=30, shard=200)
GROUP = 4


def die_at(count: int, do: Callable[..., Any], *, before: bool = True) -> Callable[..., Any]:
    """Like `do`, but the Nth time the process ends, before or after."""
    left = [count]

    def instead(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if before and not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        result = do(*args, **kwargs)
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return instead


def main() -> None:
    model, dictionary_name, corpus_name, folder, *moments = sys.argv[1:]
    # A fork inherits no threads, and would wait for those of torch for ever.
    torch.set_num_threads(1)
    subject = Subject.load(model, device="cpu")
    dictionary = open_dictionary(dictionary_name, subject)
    corpus = open_corpus(corpus_name)
    parts_module._GROUP = GROUP
    for moment in moments:
        if child := os.fork():
            _, status = os.waitpid(child, 0)
            print(moment, os.WTERMSIG(status) if os.WIFSIGNALED(status) else "survived", flush=True)
            continue
        kind, _, count = moment.partition(":")
        progress = None
        if kind == "step":
            progress = die_at(int(count), lambda done, size: None)
        elif kind == "write":
            parts_module.seal = die_at(int(count), parts_module.seal)  # type: ignore[attr-defined]
        elif kind == "join":
            parts_module.merge_arrays = die_at(int(count), parts_module.merge_arrays, before=False)  # type: ignore[attr-defined]
        elif kind == "remove":
            parts_module.Parts._remove = die_at(int(count), parts_module.Parts._remove)  # type: ignore[method-assign]
        else:
            finish_module.put_in_place = die_at(1, finish_module.put_in_place, before=False)  # type: ignore[attr-defined]
        build_index(
            subject, dictionary, corpus, Path(folder, moment, "i"), key="k", settings=SETTINGS, progress=progress
        )
        os._exit(0)


if __name__ == "__main__":
    main()
