"""In: the process's stdout and stderr. Out: the same for one verb, which goes on where nobody reads on, and writes every sign.

A verb that is at work is not ended by who reads its lines: ``reluth screen | head`` screens all sites, and its exit code tells
how that went.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from adapter.errors import StorageError

__all__ = ["unbroken_streams"]


class _Unbroken:
    """A text stream whose reader may leave; all else is that of the stream within."""

    def __init__(self, inner: TextIO, name: str) -> None:
        self._inner = inner
        self._name = name

    def write(self, text: str) -> int:
        with self._left_alone():
            return self._inner.write(text)
        return len(text)

    def flush(self) -> None:
        with self._left_alone():
            self._inner.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @contextmanager
    def _left_alone(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._drop()
        except OSError as error:
            self._drop()
            raise StorageError(self._name, error.strerror or type(error).__name__) from None

    def _drop(self) -> None:
        # What is buffered is written once more, at exit at the latest: give it a place to go (library/signal.html#note-on-sigpipe).
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._inner.fileno())
        os.close(nowhere)


@contextmanager
def unbroken_streams() -> Iterator[None]:
    """Let stdout and stderr be left by their readers, and flush them at the end.

    Raises:
        StorageError: what was written could not be kept: no room where stdout leads.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _unbroken(before[0], "stdout"), _unbroken(before[1], "stderr")
    try:
        yield
        sys.stdout.flush()
    finally:
        with suppress(StorageError):
            sys.stdout.flush()
            sys.stderr.flush()
        sys.stdout, sys.stderr = before


def _unbroken(stream: TextIO | None, name: str) -> TextIO:
    if stream is None:
        # Closed by who started us (``>&-``): Python has nothing in its place.
        stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    elif (stream.encoding or "utf-8").lower().replace("-", "") != "utf8":
        # JSON is UTF-8 (RFC 8259, 8.1). A terminal of another encoding is told what it cannot show by its number.
        told: dict[str, str] = {} if stream.isatty() else {"encoding": "utf-8"}
        cast(Any, stream).reconfigure(errors="backslashreplace", **told)
    return cast(TextIO, _Unbroken(stream, name))
