"""The inside of a jail: reads code from a pipe, runs it, and writes what came of it to another.

This file runs in the jail alone, in a process that holds nothing worth having. It keeps honest code comfortable (a
captured print, errors with a line); what holds the others is the jail and the host's end of the pipes.
"""

from __future__ import annotations

import ast
import builtins
import io
import json
import os
import sys
import traceback
from typing import Any, NoReturn

from autointerp.sandbox._wire import LONGEST_LINE, line, pack, unpack

_FILE = "<code>"
#: Printed characters are sent in parts of this size, so that a run that is stopped has printed something.
_PART = 4096


class Channel:
    """The two pipes to the host."""

    def __init__(self) -> None:
        self._requests = os.fdopen(os.dup(0), "rb")
        self._answers = os.dup(1)
        for stream in (0, 1, 2):
            os.close(stream)

    def send(self, **message: Any) -> None:
        """Write one message, whole."""
        rest = memoryview(line(message))
        while rest:
            rest = rest[os.write(self._answers, rest) :]

    def receive(self) -> dict[str, Any]:
        """The next message; the end of the pipe ends the process."""
        read = self._requests.readline(LONGEST_LINE)
        if not read:
            os._exit(0)
        message: dict[str, Any] = json.loads(read)
        return message


class Printed(io.TextIOBase):
    """Standard output and standard error."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._kept: list[str] = []
        self._length = 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Keep `text` until there is enough to send."""
        for start in range(0, len(text), LONGEST_LINE // 16):
            part = text[start : start + LONGEST_LINE // 16]
            self._kept.append(part)
            self._length += len(part)
            if self._length >= _PART:
                self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what is kept."""
        if self._kept:
            text = "".join(self._kept)
            self._kept, self._length = [], 0
            self._channel.send(print=text)


def host_function(channel: Channel, printed: Printed, name: str) -> Any:
    """A function of the host, as the code sees it."""

    def call(*args: Any, **kwargs: Any) -> Any:
        printed.flush()
        channel.send(call=name, args=pack(list(args)), kwargs=pack(kwargs))
        answer = channel.receive()
        if "raise" in answer:
            kind, message = answer["raise"]
            found = getattr(builtins, kind, RuntimeError)
            usable = isinstance(found, type) and issubclass(found, Exception)
            raise (found if usable else RuntimeError)(message)
        return unpack(answer["return"])

    call.__name__ = call.__qualname__ = name
    return call


def value_of(source: str, names: dict[str, Any]) -> Any:
    """Run `source`; the value of its last line where that is an expression."""
    tree = ast.parse(source, _FILE)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, _FILE, "exec"), names)  # noqa: S102 (in the jail)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), _FILE, "eval"), names)  # noqa: S307 (in the jail)


def described(error: BaseException) -> list[Any]:
    """Type, message and line of an error of the code's."""
    where = error.lineno if isinstance(error, SyntaxError) and error.filename == _FILE else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == _FILE:
            where = number
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # noqa: BLE001 (its text is code of the code's, too)
        message = ""
    return [type(error).__name__[:80], str(message)[:2000], where]


def answer_one(channel: Channel, printed: Printed, names: dict[str, Any]) -> None:
    """Run what the host asks for, and tell it."""
    request = channel.receive()
    names.update(unpack(request["inputs"]))
    names.update({name: host_function(channel, printed, name) for name in request["functions"]})
    try:
        value = pack(value_of(request["code"], names))
        printed.flush()
        channel.send(done=value)
    except MemoryError:
        channel.send(limit="memory")
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is the code's)
        printed.flush()
        channel.send(error=described(error))
    finally:
        # Names of host functions end with the run that was given them.
        for name in request["functions"]:
            names.pop(name, None)


def main() -> NoReturn:
    """Serve the host until it ends this process."""
    # Loaded before memory and time are limited: neither is the code's to pay for.
    import numpy as np

    channel = Channel()
    printed = Printed(channel)
    sys.stdout = sys.stderr = printed
    sys.stdin = io.StringIO()
    sys.argv = [_FILE]
    names: dict[str, Any] = {"__name__": "__main__"}
    channel.send(ready=np.__version__)
    while True:
        answer_one(channel, printed, names)


if __name__ == "__main__":
    main()
