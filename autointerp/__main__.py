"""`python -m autointerp` is the command `autointerp`."""

from __future__ import annotations

from autointerp.cli import main

if __name__ == "__main__":
    main()
