"""A corpus of made-up source files."""

from __future__ import annotations

import json
import random
from pathlib import Path

_NAMES = ("count", "item", "key", "name", "node", "parent", "path", "result", "self", "size", "text", "value")
_VERBS = ("build", "check", "close", "find", "get", "join", "load", "parse", "read", "set", "split", "write")


def tiny_corpus(folder: Path, documents: int = 60, seed: int = 0) -> Path:
    """Write `corpus.jsonl` into `folder`: one {"text": …} a line, each text a short module that Python could parse.

    Texts differ from each other, and with the default number each of the three splits gets several. Returns the file.
    """
    random_ = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "corpus.jsonl"
    lines = [json.dumps({"text": module_text(random_, number)}) + "\n" for number in range(documents)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def module_text(random_: random.Random, number: int) -> str:
    """The source of one made-up module."""
    parts = [f'"""Module {number}: to {random_.choice(_VERBS)} a {random_.choice(_NAMES)}."""\n', "import re\n"]
    kinds = [random_.random() for _ in range(random_.randint(2, 6))]
    return "\n".join([*parts, *(_class(random_) if kind < 0.3 else _function(random_, "") for kind in kinds)])


def _class(random_: random.Random) -> str:
    name = random_.choice(_NAMES).title()
    methods = "\n".join(_function(random_, "    ") for _ in range(random_.randint(1, 3)))
    return f'class {name}:\n    """Holds a {random_.choice(_NAMES)}."""\n\n{methods}'


def _function(random_: random.Random, indent: str) -> str:
    first, second = random_.sample(_NAMES, 2)
    verb, number = random_.choice(_VERBS), random_.randint(0, 99)
    arguments = f"self, {first}" if indent else f"{first}, {second}={number}"
    body = random_.choice(
        [
            f'    """{verb.title()} the {first}."""\n    return {verb}({first}, [{number}, {number + 1}])\n',
            f"    for i in range({number}):\n        if {first}[i] == '{second}':\n            return i\n    return None\n",
            f'    # {verb} it once\n    {second} = {{"{first}": {first}, "n": ({number} + 1)}}\n    return {second}\n',
            f"    while {first}:\n        {first} = {verb}({first}.{second})\n    raise ValueError({first})\n",
        ]
    )
    indented = "".join(f"{indent}{line}" for line in body.splitlines(keepends=True))
    return f"{indent}def {verb}_{first}({arguments}):\n{indented}"
