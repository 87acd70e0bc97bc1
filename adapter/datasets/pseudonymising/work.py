"""In: one subject: whose it is, when the data end, what identifies the person. Out: what the rules need while its resources are pseudonymised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final

from adapter.datasets.model import Finding
from adapter.fhir import When

__all__ = ["Notes", "Pending", "Work", "identifying"]

#: Shorter ones occur by chance: a 42 in the record is not the patient's number 42.
_SHORTEST: Final = 5
_PLAIN = re.compile(r"[^0-9A-Z]")


def identifying(texts: Iterable[object]) -> frozenset[str]:
    """Numbers and words of a person in the form in which they are compared: capitals and digits only, of five characters or more.

    >>> sorted(identifying(["1 80 05 34-172", "0042", None]))
    ['1800534172']
    """
    plain = (_PLAIN.sub("", text.upper()) for text in texts if isinstance(text, str))
    return frozenset(text for text in plain if len(text) >= _SHORTEST)


class Notes:
    """Findings while a feed is made: counted by kind, type and element, never with a value."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str]] = Counter()

    def add(self, code: str, type_: str, element: str, count: int = 1) -> None:
        """One more."""
        self._counts[code, type_, element] += count

    def findings(self, texts: Mapping[str, str]) -> list[Finding]:
        """All of them, sorted."""
        return [
            Finding(code=code, text=texts[code], domain=type_, variable=element or None, count=count)
            for (code, type_, element), count in sorted(self._counts.items())
        ]


@dataclass(slots=True)
class Pending:
    """A reference that is put right, or taken out, when all of the person's resources are known."""

    holder: dict[str, Any]
    element: str
    target: str
    place: tuple[str, str]


@dataclass(slots=True)
class Work:
    """One subject while its resources are pseudonymised.

    Attributes:
        usubjid: what the person is called.
        notes: where findings go.
        cut: last day of the data; None for all.
        strict: after a withdrawal: what may lie after the cut is left out, not only what surely does.
        weeks: by how much dates are moved.
        born: when the person was born, as far as told: no date of the record may tell it.
        sex: administrative gender, which tells the reference range that holds.
        numbers: what identifies the person (`identifying`).
        pending: references that are not put right yet.
        died_late: the person is known to have died after the cut, which nothing before it may tell.
        ended_late: an end was left out of the resource at hand, as it lies after the cut.
    """

    usubjid: str
    notes: Notes
    cut: date | None = None
    strict: bool = False
    weeks: int = 0
    born: When | None = None
    sex: str | None = None
    numbers: frozenset[str] = frozenset()
    pending: list[Pending] = field(default_factory=list)
    died_late: bool = False
    ended_late: bool = False
    _asked: dict[str, bool] = field(default_factory=dict)

    def is_after(self, when: When) -> bool:
        """It lies after the end of the data; after a withdrawal, it may."""
        if self.cut is None:
            return False
        return (when.latest if self.strict else when.earliest) > self.cut

    def tells_birth(self, when: When) -> bool:
        """It may be the day of birth."""
        return self.born is not None and when.earliest <= self.born.latest and self.born.earliest <= when.latest

    def identifies(self, text: str | Decimal | int) -> bool:
        """It is one of the person's numbers, however it is written."""
        shown = text if isinstance(text, str) else str(text)
        if len(shown) < _SHORTEST:
            return False
        found = self._asked.get(shown)
        if found is None:
            found = self._asked[shown] = _PLAIN.sub("", shown.upper()) in self.numbers
        return found
