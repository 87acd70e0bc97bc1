"""In: questions, answers given as options, a person at a terminal or none. Out: the answers, each of them checked."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass

from adapter.errors import UsageError

__all__ = ["Asking", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Args:
        option: by which it is answered without a terminal, e.g. ``--site``.
        text: as asked.
        default: where nothing is answered; None where it has none.
        check: raises ValueError, with a sentence, for what is no answer.
    """

    option: str
    text: str
    default: str | None = None
    check: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Asking:
    """How answers are had.

    Args:
        yes: defaults are taken, nobody is asked.
    """

    yes: bool

    @property
    def is_possible(self) -> bool:
        """There is somebody to ask."""
        return not self.yes and sys.stdin.isatty()

    def answer(self, question: Question, given: str | None) -> str:
        """The answer to a question: as given, by its default, or asked until it can be used.

        Raises:
            UsageError: what was given is no answer, or nothing was and nobody can be asked.
        """
        if given is None and self.is_possible:
            return _asked(question)
        taken = question.default if given is None and self.yes else given
        if taken is not None:
            try:
                # A default is checked too: it may be made of what was answered before, or name a file.
                question.check(taken)
            except ValueError as error:
                raise UsageError(f"{question.option}: {error}") from None
            return taken
        told = "it has no default" if self.yes else "there is no terminal to ask at (--yes takes the defaults)"
        raise UsageError(f"{question.option} is wanted: {told}")

    def secret(self, text: str, *, option: str) -> str:
        """A secret, typed unseen; it is never an option, which others on the machine could read.

        Raises:
            UsageError: nobody can be asked, or nothing was typed.
        """
        if not self.is_possible:
            raise UsageError(f"{option} is wanted: the file that holds it")
        typed = getpass.getpass(f"{text}: ", stream=sys.stderr).strip()
        if not typed:
            raise UsageError(f"nothing was typed; {option} names a file that holds it")
        return typed


def _asked(question: Question) -> str:
    shown = f" [{question.default}]" if question.default else ""
    while True:
        sys.stderr.write(f"{question.text}{shown}: ")
        sys.stderr.flush()
        read = sys.stdin.readline()
        if not read:
            raise UsageError(f"{question.option} was not answered")
        typed = read.strip() or question.default
        if typed is None:
            continue
        try:
            question.check(typed)
        except ValueError as error:
            sys.stderr.write(f"  {error}\n")
            continue
        return typed
