"""In: a password as typed. Out: whether it may be one; its argon2id hash; whether another one is the same.

The rule is that of NIST SP 800-63B (5.1.1.2): length, no composition rules, no end by date, nothing that is the account's
own name. Guesses are made few by `lockout`.
"""

from __future__ import annotations

import base64
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION

from adapter.errors import BusyError
from adapter.store import fold_name

__all__ = ["MAXIMUM", "MINIMUM", "PasswordProblem", "Passwords", "made_password", "password_problem"]

MINIMUM: Final = 12
#: What is longer is refused before it is hashed.
MAXIMUM: Final = 256
_FEWEST_SIGNS = 5
_AT_ONCE = 2
_WAIT_SECONDS = 10.0
#: Who waits holds a thread of the service, and it has forty for all: others are told at once to come again.
_WAITING = 16
#: No letter or digit that is read as another one.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class PasswordProblem(StrEnum):
    """Why something may not be a password."""

    SHORT = "short"
    LONG = "long"
    NAME = "name"
    PLAIN = "plain"

    def sentence(self) -> str:
        """For the command line."""
        return {
            PasswordProblem.SHORT: f"a password has {MINIMUM} characters or more",
            PasswordProblem.LONG: f"a password has {MAXIMUM} characters or less",
            PasswordProblem.NAME: "a password is not the account's name",
            PasswordProblem.PLAIN: f"a password has {_FEWEST_SIGNS} different characters or more",
        }[self]


def password_problem(password: str, *, name: str) -> PasswordProblem | None:
    """Why this may not be the password of an account; None where it may.

    >>> password_problem("short", name="anna")
    <PasswordProblem.SHORT: 'short'>
    >>> password_problem("a walk by the sea", name="anna") is None
    True
    """
    known = _normal(password)
    if len(known) < MINIMUM:
        return PasswordProblem.SHORT
    if len(password) > MAXIMUM or len(known) > MAXIMUM:
        return PasswordProblem.LONG
    folded = fold_name(known)
    # "annaannaanna" and "anna-anna-anna" are the name as well.
    if folded == name or not any(sign.isalnum() for sign in folded.replace(name, "")):
        return PasswordProblem.NAME
    return PasswordProblem.PLAIN if len(set(folded)) < _FEWEST_SIGNS else None


def made_password() -> str:
    """A random password that can be read out and typed: 4 groups of 5, about 99 bits.

    >>> len(made_password())
    23
    """
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


class Passwords:
    """Hashes by argon2id, as many at once as the machine bears.

    Args:
        hasher: with its parameters; None for the defaults of argon2-cffi (RFC 9106, low memory).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        # Each hash takes 64 MiB: a flood of sign-ins must not take the memory of pulls.
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._line = threading.BoundedSemaphore(_WAITING)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Room for one at the door, to compare and to hash in.

        It is taken before an attempt is counted: whoever is told to come again has had no attempt.

        Raises:
            BusyError: too many are being compared.
        """
        if not self._line.acquire(blocking=False):
            raise BusyError("too many sign in at once")
        try:
            if not self._room.acquire(timeout=_WAIT_SECONDS):
                raise BusyError("too many sign in at once")
        finally:
            self._line.release()
        try:
            yield
        finally:
            self._room.release()

    def hash(self, password: str) -> str:
        """The hash to keep; at the door within `room`."""
        return self._hasher.hash(_normal(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Whether it is the password of a hash; without a hash no, after the same time; within `room`."""
        offered = _normal(password) if len(password) <= MAXIMUM else ""
        try:
            same = self._hasher.verify(self._of_nobody if kept is None else kept, offered)
        except (Argon2Error, InvalidHashError):
            return False
        return same and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether a hash was made by other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    @cached_property
    def _of_nobody(self) -> str:
        # By the parameters of the others, and random where they have what was computed: to compute it would make the first
        # name that nobody has take twice the time.
        hasher = self._hasher
        parameters = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        salt, digest = (_unpadded(secrets.token_bytes(length)) for length in (hasher.salt_len, hasher.hash_len))
        return f"$argon2{hasher.type.name.lower()}$v={ARGON2_VERSION}${parameters}${salt}${digest}"


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _normal(password: str) -> str:
    # The same key gives other code points on other systems (NIST SP 800-63B 5.1.1.2 asks for NFKC or NFKD).
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
