"""In: what went wrong. Out: one exception a cause, whose class says what to do next.

::

    ReluthError                     exit  retryable
    |-- DefectError                   1     no      a defect of ours
    |-- UsageError                    2     no      the command line or a request does not make sense
    |   `-- ConfigurationError        2     no      adapter.toml, environment or a secret file
    |-- DocumentError                 3     no      a mapping document is wrong: file#json-pointer
    |-- RemoteError                   4     no      the other side refused
    |   `-- TransientError           75     yes     the other side may answer later
    |-- BusyError                    75     yes     another run of ours holds the lock
    |-- StorageError                 75     yes     this machine has no room, or cannot write
    |   `-- StateUnavailableError    75     yes     the database of the state does not answer, or gave up
    |-- QuarantinedError              5     no      one named item was put aside; the rest went on
    `-- DamagedError                  5     no      what was kept is not as it was written

Texts never hold patient content: a resource is named ``ResourceType/id``, an address without its query.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

__all__ = [
    "BusyError",
    "ConfigurationError",
    "DamagedError",
    "DefectError",
    "DocumentError",
    "QuarantinedError",
    "ReluthError",
    "RemoteError",
    "StateUnavailableError",
    "StorageError",
    "TransientError",
    "UsageError",
    "worst_exit_code",
]

#: Where several outcomes hold at once, the first of these that occurred is the exit code (design 4.1).
EXIT_PRECEDENCE = (1, 2, 3, 4, 75, 5)


class ReluthError(Exception):
    """Root of all errors of this product; ``exit_code`` is what the command line returns."""

    exit_code = 1
    retryable = False


class DefectError(ReluthError):
    """Something that cannot happen did: a defect of ours, to be reported."""


class UsageError(ReluthError):
    """The command line or a request does not make sense."""

    exit_code = 2


class ConfigurationError(UsageError):
    """A setting is missing or wrong.

    Args:
        setting: the key as written in ``adapter.toml``, e.g. ``sites.icm.base_url``.
        problem: what is wrong with it, and what would be right.
    """

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        self.problem = problem
        super().__init__(f"{setting}: {problem}")


class DocumentError(ReluthError):
    """A mapping document is wrong.

    Args:
        file: the document's name.
        pointer: JSON pointer (RFC 6901) to the wrong place, ``""`` for the whole document.
        problem: what is wrong there.
    """

    exit_code = 3

    def __init__(self, file: str, pointer: str, problem: str) -> None:
        self.file = file
        self.pointer = pointer
        self.problem = problem
        super().__init__(f"{file}#{pointer}: {problem}")


class RemoteError(ReluthError):
    """The other side refused, or answered with what cannot be used."""

    exit_code = 4


class TransientError(RemoteError):
    """The other side did not answer, or asked to come back: trying again later is right."""

    exit_code = 75
    retryable = True


class BusyError(ReluthError):
    """Another run of ours holds what this one needs."""

    exit_code = 75
    retryable = True


#: Of the system and of SQLite: what no room mends.
_NO_RIGHT = frozenset({*map(os.strerror, (errno.EACCES, errno.EPERM, errno.EROFS)), "readonly database"})
#: A limit of the process or of the machine, and none of the disk; DuckDB has it in small letters.
_TOO_MANY = frozenset({*map(os.strerror, (errno.EMFILE, errno.ENFILE)), "too many open files"})


class StorageError(ReluthError):
    """This machine cannot keep what came: no room, or no right to write. What was kept before is whole.

    Args:
        where: file or folder, without its path.
        problem: the system's own words, e.g. ``No space left on device``.
    """

    exit_code = 75
    retryable = True

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        if problem in _TOO_MANY:
            to_do = "allow more open files (`ulimit -n`, LimitNOFILE=)"
        else:
            to_do = "give the right to write" if problem in _NO_RIGHT else "make room"
        super().__init__(f"{where}: cannot be written ({problem}): {to_do}, then run the same command again")


class StateUnavailableError(StorageError):
    """The database of the state does not answer, or gave a transaction up: nothing of it is kept by half.

    Args:
        problem: what the database's driver calls it, without its text: that may quote a row.
    """

    def __init__(self, problem: str) -> None:
        self.where = "the store's state"
        self.problem = problem
        ReluthError.__init__(
            self,
            f"{self.where}: the database does not answer ({problem}): nothing is kept by half; run the same command again",
        )


class QuarantinedError(ReluthError):
    """One item (a line, a resource, a row) cannot be used and is put aside; the rest goes on.

    Args:
        where: ``file:line`` or ``ResourceType/id``.
        reason: what is wrong, without patient content.
    """

    exit_code = 5

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


class DamagedError(ReluthError):
    """What was kept is not as it was written.

    Args:
        where: the backup, or what of the store.
        problems: each names a file.
    """

    exit_code = 5

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.where = where
        self.problems = list(problems)
        super().__init__("\n".join(f"{where}: {problem}" for problem in self.problems))


def worst_exit_code(codes: set[int]) -> int:
    """The exit code of a run in which all of ``codes`` occurred (0 when none did).

    >>> worst_exit_code({5, 75})
    75
    >>> worst_exit_code(set())
    0
    """
    return next((code for code in EXIT_PRECEDENCE if code in codes), 0)
