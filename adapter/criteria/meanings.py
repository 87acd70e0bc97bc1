"""In: a trial and a site. Out: `Meanings`: of a coding as it is sent, the codes in standard systems and the trial's value sets that it stands for.

A hospital writes few codes, very often: what each means is found once for all its patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from adapter.fhir.datatypes import Coding
from adapter.terminology import Site, ValueSet

__all__ = ["Meaning", "Meanings"]

#: A feed that puts something new into each code must not fill the memory.
_MOST_KNOWN: Final = 65_536


class Meaning(NamedTuple):
    """Codes in standard systems, as pairs of system and code, and the value sets that any of them is in."""

    codes: tuple[tuple[str, str], ...]
    sets: frozenset[ValueSet]


class Meanings:
    """What the codings of a site's records mean to a trial.

    Args:
        sets_of: the trial's value sets that a standard code is in.
        site: its ConceptMaps and names of code systems.
    """

    def __init__(self, sets_of: Callable[[str, str], Iterable[ValueSet]], site: Site) -> None:
        self._sets_of = sets_of
        self._site = site
        self._known: dict[tuple[tuple[str | None, str | None], ...], Meaning] = {}

    def of(self, *codings: Coding) -> Meaning:
        """What the codings of one thing mean together; nothing, without a system or a code."""
        sent = tuple([(coding.system, coding.code) for coding in codings])
        found = self._known.get(sent)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[sent] = self._found(sent)
        return found

    def _found(self, sent: Iterable[tuple[str | None, str | None]]) -> Meaning:
        codes: list[tuple[str, str]] = []
        for system, code in sent:
            if system is not None and code is not None:
                # Feeds pad codes: one that is passed over would leave an older result the latest.
                codes += self._site.standard(system.strip(), code.strip())
        return Meaning(tuple(codes), frozenset(item for one in codes for item in self._sets_of(*one)))
