"""In: a search of a ``_typeFilter``, a resource as JSON. Out: whether the one finds the other. Pure.

R4 search.html, as far as the table here goes; the resources are pseudonymised, so there is no text to search.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from adapter.fhir import When, parse_when, period_when

__all__ = ["SEARCH_PARAMETERS", "BadFilter", "TypeFilter", "parse_filter"]

Kind = Literal["id", "token", "reference", "date"]
_Parameter = tuple[Kind, tuple[str, ...]]
_SUBJECT: Final[_Parameter] = ("reference", ("subject",))
_PATIENT: Final[_Parameter] = ("reference", ("patient",))
_CODE: Final[_Parameter] = ("token", ("code",))
_STATUS: Final[_Parameter] = ("token", ("status",))
_CATEGORY: Final[_Parameter] = ("token", ("category",))
_OF_SUBJECT: Final[Mapping[str, _Parameter]] = {"subject": _SUBJECT, "patient": _SUBJECT}
_DRUG: Final[_Parameter] = ("token", ("medicationCodeableConcept",))

#: By type and name: what kind of parameter it is, and the elements that it looks at.
SEARCH_PARAMETERS: Final[Mapping[str, Mapping[str, _Parameter]]] = {
    "AdverseEvent": {"subject": _SUBJECT, "date": ("date", ("date",))},
    "AllergyIntolerance": {
        "patient": _PATIENT,
        "code": _CODE,
        "category": _CATEGORY,
        "date": ("date", ("recordedDate",)),
    },
    "BodyStructure": {"patient": _PATIENT},
    "Condition": {
        **_OF_SUBJECT,
        "code": _CODE,
        "category": _CATEGORY,
        "clinical-status": ("token", ("clinicalStatus",)),
        "onset-date": ("date", ("onsetDateTime", "onsetPeriod")),
        "recorded-date": ("date", ("recordedDate",)),
    },
    "Consent": {"patient": _PATIENT, "status": _STATUS, "category": _CATEGORY, "date": ("date", ("dateTime",))},
    "DiagnosticReport": {
        **_OF_SUBJECT,
        "code": _CODE,
        "category": _CATEGORY,
        "status": _STATUS,
        "date": ("date", ("effectiveDateTime", "effectivePeriod")),
    },
    "Encounter": {**_OF_SUBJECT, "status": _STATUS, "class": ("token", ("class",)), "date": ("date", ("period",))},
    "ImagingStudy": {**_OF_SUBJECT, "status": _STATUS, "started": ("date", ("started",))},
    "Medication": {"code": _CODE, "status": _STATUS},
    "MedicationAdministration": {
        **_OF_SUBJECT,
        "code": _DRUG,
        "status": _STATUS,
        "effective-time": ("date", ("effectiveDateTime", "effectivePeriod")),
    },
    "MedicationRequest": {
        **_OF_SUBJECT,
        "code": _DRUG,
        "status": _STATUS,
        "intent": ("token", ("intent",)),
        "authoredon": ("date", ("authoredOn",)),
    },
    "MedicationStatement": {
        **_OF_SUBJECT,
        "code": _DRUG,
        "status": _STATUS,
        "effective": ("date", ("effectiveDateTime", "effectivePeriod")),
    },
    "Observation": {
        **_OF_SUBJECT,
        "code": _CODE,
        "category": _CATEGORY,
        "status": _STATUS,
        "date": ("date", ("effectiveDateTime", "effectivePeriod", "effectiveInstant")),
    },
    "Patient": {"gender": ("token", ("gender",))},
    "Procedure": {
        **_OF_SUBJECT,
        "code": _CODE,
        "category": _CATEGORY,
        "status": _STATUS,
        "date": ("date", ("performedDateTime", "performedPeriod")),
    },
    "QuestionnaireResponse": {**_OF_SUBJECT, "status": _STATUS, "authored": ("date", ("authored",))},
    "ResearchSubject": {
        "patient": ("reference", ("individual",)),
        "individual": ("reference", ("individual",)),
        "status": _STATUS,
        "date": ("date", ("period",)),
    },
}
_DATE: Final = re.compile(r"(?P<prefix>eq|ne|gt|lt|ge|le|sa|eb)?(?P<date>\d{4}(-.*)?)")
#: R4 search.html#escaping: a comma of a value is written with a backslash before it.
_OR: Final = re.compile(r"(?<!\\),")
_MOST_VALUES: Final = 500
Test = Callable[[Mapping[str, Any]], bool]


class BadFilter(ValueError):
    """A search that cannot be followed; the text repeats none of its values."""


@dataclass(frozen=True, slots=True)
class TypeFilter:
    """A search of one type.

    Attributes:
        type: resource type.
        tests: all of them hold for what it finds.
    """

    type: str
    tests: tuple[Test, ...]

    def finds(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource of the type is found."""
        return all(test(resource) for test in self.tests)


def parse_filter(text: str) -> TypeFilter:
    """Read a search.

    Raises:
        BadFilter: it is none, or asks by something else than `SEARCH_PARAMETERS`.

    >>> glucose = parse_filter("Observation?code=http://loinc.org|2345-7&date=ge2025-01")
    >>> code = {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}
    >>> [glucose.finds({"code": code, "effectiveDateTime": day}) for day in ("2025-01-01", "2024-12-31")]
    [True, False]
    """
    resource_type, mark, query = text.strip().partition("?")
    known = SEARCH_PARAMETERS.get(resource_type)
    if known is None or not mark:
        raise BadFilter("a search of a type that is served is wanted, e.g. Observation?status=final")
    try:
        # Once more: a comma within is written %2C by some clients, in a value that is an address's part already.
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=_MOST_VALUES)
    except ValueError:
        raise BadFilter(f"{resource_type}: not the query of a search") from None
    tests = []
    for name, value in pairs:
        if name == "_id":
            tests.append(_of_ids(value))
        elif name in known:
            tests.append(_test(f"{resource_type}?{name}", *known[name], value))
        else:
            raise BadFilter(f"{resource_type}: only {', '.join(sorted(('_id', *known)))} are searched by")
    return TypeFilter(resource_type, tuple(tests))


def _test(shown: str, kind: Kind, paths: tuple[str, ...], value: str) -> Test:
    values = [part.replace("\\,", ",") for part in _OR.split(value)]
    if not all(values) or len(values) > _MOST_VALUES:
        raise BadFilter(f"{shown}: a value is missing")
    if kind == "date":
        spans = [_date_test(shown, one) for one in values]
        return lambda resource: any(test(when) for when in _whens(resource, paths) for test in spans)
    if kind == "reference":
        wanted = {one if "/" in one else f"Patient/{one}" for one in values}
        return lambda resource: any(one in wanted for one in _references(resource, paths))
    codes = [_token(one) for one in values]
    return lambda resource: any(
        (system is None or system == has_system) and (code is None or code == has_code)
        for has_system, has_code in _codings(resource, paths)
        for system, code in codes
    )


def _of_ids(value: str) -> Test:
    ids = frozenset(value.split(","))
    return lambda resource: resource.get("id") in ids


def _token(text: str) -> tuple[str | None, str | None]:
    """(system, code), None for any: ``code``, ``system|code``, ``system|``, ``|code`` (R4 search.html#token)."""
    system, bar, code = text.partition("|")
    return (system, code or None) if bar else (None, system)


def _date_test(shown: str, text: str) -> Callable[[When], bool]:
    """R4 search.html#date: both sides are spans of time."""
    found = _DATE.fullmatch(text.replace(" ", "+"))
    asked = None if found is None else parse_when(found["date"])
    if found is None or asked is None:
        raise BadFilter(f"{shown}: a date is wanted, after eq, ne, gt, lt, ge, le, sa or eb")
    start, end = asked.start, asked.end
    tests: Mapping[str, Callable[[When], bool]] = {
        "eq": lambda when: start <= when.start and when.end <= end,
        "ne": lambda when: not (start <= when.start and when.end <= end),
        "gt": lambda when: when.end > end,
        "lt": lambda when: when.start < start,
        "ge": lambda when: when.end > end or (start <= when.start and when.end <= end),
        "le": lambda when: when.start < start or (start <= when.start and when.end <= end),
        "sa": lambda when: when.start >= end,
        "eb": lambda when: when.end <= start,
    }
    return tests[found["prefix"] or "eq"]


def _values(resource: Mapping[str, Any], paths: Iterable[str]) -> Iterator[Any]:
    for path in paths:
        value = resource.get(path)
        if value is not None:
            yield from value if isinstance(value, list) else [value]


def _codings(resource: Mapping[str, Any], paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    for value in _values(resource, paths):
        if isinstance(value, str):
            yield "", value
        elif isinstance(value, dict):
            for coding in value.get("coding", [value]):
                yield coding.get("system", ""), coding.get("code", "")


def _references(resource: Mapping[str, Any], paths: Iterable[str]) -> Iterator[str]:
    for value in _values(resource, paths):
        if isinstance(value, dict) and isinstance(value.get("reference"), str):
            yield value["reference"]


def _whens(resource: Mapping[str, Any], paths: Iterable[str]) -> Iterator[When]:
    for value in _values(resource, paths):
        when = period_when(value.get("start"), value.get("end")) if isinstance(value, dict) else parse_when(value)
        if when is not None:
            yield when
