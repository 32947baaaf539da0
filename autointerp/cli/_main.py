"""The command `autointerp`: how errors become one line and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

from autointerp.cli._interrupts import noting_interrupts, pressed
from autointerp.errors import AutointerpError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0 done, 1 failed, 2 usage, 130 interrupted."""
    with noting_interrupts():
        try:
            # Imported here: the parser takes a tenth of a second, and Ctrl-C may come as early as that.
            from autointerp.cli._app import app

            result = app(args=arguments, standalone_mode=False)
        except KeyboardInterrupt:
            _interrupted()
        except Exception as error:
            # An import or a read that was interrupted fails with whatever error its library makes of that.
            if pressed():
                _interrupted()
            if isinstance(error, AutointerpError):
                _fail(str(error), FAILED)
            # Usage errors of the parser know their own message; anything else is a defect and keeps its traceback.
            show = getattr(error, "format_message", None)
            if show is None:
                raise
            _fail(f"{show()} (see --help)", USAGE)
        if result == INTERRUPTED:
            _interrupted()
    sys.exit(result if isinstance(result, int) else DONE)


def _interrupted() -> NoReturn:
    _fail("interrupted: what was finished is kept, the same command goes on from there", INTERRUPTED)


def _fail(message: str, code: int) -> NoReturn:
    print(f"autointerp: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
