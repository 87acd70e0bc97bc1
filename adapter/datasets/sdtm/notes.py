"""In: what went wrong with a cell, a row or a subject while a package is made. Out: findings, counted and in one fixed order."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

import msgspec

from adapter.datasets.model import Finding

__all__ = ["SENTENCES", "Notes", "Place"]

#: What each code of the engine's own means; a document's checks bring their own sentences.
SENTENCES: Final = {
    "ambiguous-unit": "The unit can mean more than one thing for this test: the value as received stays, the standard value is empty.",
    "codelist-extended": "The value is not in the extensible codelist; it is kept, the codelist has to be extended or the value mapped.",
    "dates-out-of-order": "The start lies after the end; both are kept as received.",
    "non-ascii-folded": "The text holds characters that a transport file cannot; they are written with plain letters.",
    "not-a-date": "The text is no date of FHIR; the cell is empty.",
    "not-a-number": "The text is no number; the cell is empty.",
    "not-in-codelist": "The value is not in the codelist, which is closed; the cell is empty.",
    "result-perhaps-replaced": "A correction of the same day may replace the result, or be of another sample: both are kept.",
    "result-replaced": "A correction of the same instant replaces the result, which is left out.",
    "row-key-repeated": "Two records have the same source and place in it; the later is told apart by its order only.",
    "text-continued": "The text is longer than 200 bytes; it goes on in further variables or supplemental qualifiers.",
    "text-cut": "The text is longer than its variable; it is cut at a word.",
    "unknown-unit": "The unit is not known for this test: the value as received stays, the standard value is empty.",
    "unmapped-code": "The code is in no table; nothing is guessed.",
    "unmapped-row": "The code is in no table; its records are left out.",
    "without-record": "No record comes from it: no domain reads resources of its kind.",
    "without-unit": "The value has no unit: it stays as received, the standard value is empty.",
}

#: What may be shown as a value: the look of a code, a unit or a term. The feed holds known codes only, this is a second fence.
_SHOWN: Final = re.compile(r"[A-Za-z0-9µ%./_*^\[\]{}()|:+, -]{1,60}")


class Place(NamedTuple):
    """What a row is known by in a finding."""

    domain: str
    subject: str | None = None
    resource: str | None = None


class Notes:
    """Findings as they come up: those of a value are counted by value, those of a record by subject."""

    def __init__(self) -> None:
        self._valued: dict[tuple[str, str, str | None, str, str, str], int] = {}
        self._single: dict[Finding, int] = {}

    def value(self, code: str, domain: str, variable: str | None, value: str, *, text: str | None = None) -> None:
        """A code, unit or term that is not mapped: one finding a distinct value, with its count."""
        shown = value if _SHOWN.fullmatch(value) else ""
        key = (code, domain, variable, shown, text or SENTENCES[code], "warning")
        self._valued[key] = self._valued.get(key, 0) + 1

    def record(
        self,
        code: str,
        place: Place,
        variable: str | None = None,
        *,
        text: str | None = None,
        severity: Literal["error", "warning"] = "warning",
    ) -> None:
        """Something that is wrong with one record of one subject."""
        finding = Finding(
            code=code,
            text=text or SENTENCES[code],
            severity=severity,
            domain=place.domain,
            variable=variable,
            subject=place.subject,
            resource=place.resource,
        )
        self._single[finding] = self._single.get(finding, 0) + 1

    def findings(self) -> tuple[Finding, ...]:
        """All of them, by code, domain, variable, subject, resource and value."""
        found = [
            Finding(code=code, text=text, domain=domain, variable=variable, value=value or None, count=count)
            for (code, domain, variable, value, text, _), count in self._valued.items()
        ]
        found += self._together()
        return tuple(sorted(found, key=_order))

    def _together(self) -> list[Finding]:
        """Those of records, one a subject and kind with their count; the record is named where it is the only one."""
        groups: dict[Finding, list[tuple[Finding, int]]] = {}
        for one, count in self._single.items():
            groups.setdefault(msgspec.structs.replace(one, resource=None), []).append((one, count))
        return [
            msgspec.structs.replace(
                of_all, resource=ones[0][0].resource if len(ones) == 1 else None, count=sum(count for _, count in ones)
            )
            for of_all, ones in groups.items()
        ]


def _order(one: Finding) -> tuple[str, ...]:
    return (
        one.code,
        one.domain or "",
        one.variable or "",
        one.subject or "",
        one.resource or "",
        one.value or "",
        one.text,
    )
