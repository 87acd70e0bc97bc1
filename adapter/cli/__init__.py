"""In: the command line. Out: what `reluth` does, on stdout; everything else on stderr; an exit code of the contract."""

from __future__ import annotations

from adapter.cli.app import main

__all__ = ["main"]
