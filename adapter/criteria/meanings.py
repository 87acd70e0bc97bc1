"""In: a trial and a site. Out: `Meanings`: of a coding as it is sent, the codes in standard systems and the trial's value sets that it stands for; of a result, what it says of an analyte.

A hospital writes few codes and few numbers, very often: what each means is found once for all its patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from adapter.criteria.answer import Converted, Reason
from adapter.fhir import NumberInterval
from adapter.fhir.datatypes import Coding
from adapter.terminology import Site, ValueSet
from adapter.terminology.remembered import Remembered

__all__ = ["Meaning", "Meanings", "Measured", "Sent"]

_MOST_CODINGS: Final = 65_536
_MOST_RESULTS: Final = 16_384

#: An analyte's id, and a result as it is sent: the text, or the parts of a quantity with its number as it is written, since 12.10
#: is not shown as 12.1 is.
Sent = tuple[str, str] | tuple[str, str, str | None, str | None, str | None, str | None]


class Meaning(NamedTuple):
    """Codes in standard systems, as pairs of system and code, and the value sets that any of them is in."""

    codes: tuple[tuple[str, str], ...]
    sets: frozenset[ValueSet]


class Measured(msgspec.Struct, frozen=True, gc=False):
    """What a result as it is sent says of an analyte, whosever it is.

    Attributes:
        value: in the analyte's unit; None when it cannot be read.
        problem: why ``value`` is None; None together with it when there is no result at all (haemolysed, pending).
        factor: what turned the sent unit into the analyte's; None where there was no number.
        text: as sent.
        converted: the value rounded for display; None where it is made when it is asked for.
    """

    value: NumberInterval | None = None
    problem: Reason | None = None
    factor: Decimal | None = None
    text: str | None = None
    converted: Converted | None = None


class Meanings:
    """What the codings and results of a site's records mean to a trial.

    Args:
        sets_of: the trial's value sets that a standard code is in.
        site: its ConceptMaps and names of code systems.

    Attributes:
        measured: what quantities and texts were found to say of analytes, in the units of the site.
    """

    def __init__(self, sets_of: Callable[[str, str], Iterable[ValueSet]], site: Site) -> None:
        self._sets_of = sets_of
        self._site = site
        self._known = Remembered[tuple[tuple[str | None, str | None], ...], Meaning](_MOST_CODINGS)
        self.measured = Remembered[Sent, Measured](_MOST_RESULTS)

    def of(self, *codings: Coding) -> Meaning:
        """What the codings of one thing mean together; nothing, without a system or a code."""
        sent = tuple([(coding.system, coding.code) for coding in codings])
        found = self._known.get(sent)
        return self._known.keep(sent, self._found(sent)) if found is None else found

    def _found(self, sent: Iterable[tuple[str | None, str | None]]) -> Meaning:
        codes: list[tuple[str, str]] = []
        for system, code in sent:
            if system is not None and code is not None:
                # Feeds pad codes: one that is passed over would leave an older result the latest.
                codes += self._site.standard(system.strip(), code.strip())
        return Meaning(tuple(codes), frozenset(item for one in codes for item in self._sets_of(*one)))
