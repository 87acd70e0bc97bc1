"""In: the parameters of a FHIR search and an index. Out: the rows that match, in order.

R4 search.html, as far as a pull needs it: ``_lastUpdated`` ``_id`` ``_sort`` ``_count`` ``patient`` ``subject``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from adapter.service.hospital_index import TypeIndex, micros

__all__ = ["BadSearch", "Search", "decode_token", "encode_token", "matching_rows", "parse_search", "search_params"]

DEFAULT_COUNT = 50
LARGEST_COUNT = 1000

#: R4 search parameters that lead to the patient, per resource type.
_BY_SUBJECT = ("patient", "subject")
_PATIENT_PARAMS: Mapping[str, tuple[str, ...]] = {
    "AdverseEvent": ("subject",),
    "AllergyIntolerance": ("patient",),
    "CarePlan": _BY_SUBJECT,
    "Condition": _BY_SUBJECT,
    "Consent": ("patient",),
    "Coverage": ("patient",),
    "DiagnosticReport": _BY_SUBJECT,
    "DocumentReference": _BY_SUBJECT,
    "Encounter": _BY_SUBJECT,
    "ImagingStudy": _BY_SUBJECT,
    "Immunization": ("patient",),
    "MedicationAdministration": _BY_SUBJECT,
    "MedicationRequest": _BY_SUBJECT,
    "MedicationStatement": _BY_SUBJECT,
    "Observation": _BY_SUBJECT,
    "Procedure": _BY_SUBJECT,
    "QuestionnaireResponse": _BY_SUBJECT,
    "ResearchSubject": ("patient",),
    "ServiceRequest": _BY_SUBJECT,
    "Specimen": _BY_SUBJECT,
}
_COMMON_PARAMS = ("_id", "_lastUpdated")
_SORTS = ("_lastUpdated", "-_lastUpdated")
_FORMATS = frozenset({"json", "application/json", "application/fhir+json"})

_DATE = re.compile(
    r"(?P<prefix>eq|ge|gt|le|lt)?(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(\.(?P<fraction>\d{1,6})\d*)?)?"
    r"(?P<zone>Z|[+ -]\d\d:\d\d)?)?)?)?"
)
_DECEMBER = 12

Test = Callable[[int], bool]


class BadSearch(ValueError):
    """The search cannot be answered; the text names the parameter, never its value."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search as understood: ``used`` is what goes into the self link, ``unknown`` the names that were not."""

    used: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    count: int

    def values(self, *names: str) -> list[str]:
        """The values of the parameters called one of ``names``, in order."""
        return [value for name, value in self.used if name in names]


def search_params(resource_type: str) -> tuple[str, ...]:
    """The search parameters that a type can be asked by, for the CapabilityStatement."""
    return (*_COMMON_PARAMS, *_PATIENT_PARAMS.get(resource_type, ()))


def parse_search(resource_type: str, params: Iterable[tuple[str, str]]) -> Search:
    """Sort the parameters of a search into those understood and those not.

    Raises:
        BadSearch: a known parameter has a value that cannot be read.
    """
    known = search_params(resource_type)
    used: list[tuple[str, str]] = []
    unknown: list[str] = []
    count = DEFAULT_COUNT
    for name, value in params:
        plain = name.removesuffix(":Patient")
        if name == "_count":
            count = _count_of(value)
        elif name == "_format":
            if value not in _FORMATS:
                raise BadSearch("_format: only JSON is served")
        elif name in known or (plain in known and plain in _BY_SUBJECT) or (name == "_sort" and value in _SORTS):
            used.append((plain, value))
        else:
            unknown.append(name)
    return _checked(Search(used=tuple(used), unknown=tuple(unknown), count=count))


def _checked(search: Search) -> Search:
    """The same search, once its times are known to be readable."""
    for value in search.values("_lastUpdated"):
        _time_tests(value)
    return search


def _count_of(value: str) -> int:
    if not value.isascii() or not value.isdecimal():
        raise BadSearch("_count: a whole number from 0 is wanted")
    return min(int(value), LARGEST_COUNT)


def matching_rows(index: TypeIndex, search: Search) -> Sequence[int]:
    """The rows that a search finds, in the order asked for, else in the file's."""
    rows = _ordered(index, search)
    times = [_time_tests(value) for value in search.values("_lastUpdated")]
    if not times:
        return rows
    # Of one parameter any value may hold, of repeated ones all must (R4 search.html#combining).
    return [row for row in rows if all(any(test(index.updated[row]) for test in tests) for tests in times)]


def _ordered(index: TypeIndex, search: Search) -> Sequence[int]:
    sort = (search.values("_sort") or [""])[-1]
    chosen = _chosen(index, search)
    if chosen is None:
        if not sort:
            return range(len(index.ids))
        return index.by_updated if sort == "_lastUpdated" else index.by_updated[::-1]
    rows = sorted(chosen)
    if sort:
        rows.sort(key=index.updated.__getitem__, reverse=sort.startswith("-"))
    return rows


def _chosen(index: TypeIndex, search: Search) -> set[int] | None:
    """Rows named by id or patient; None when the search names none."""
    chosen: set[int] | None = None
    for value in search.values("_id"):
        found = {index.rows[name] for name in value.split(",") if name in index.rows}
        chosen = found if chosen is None else chosen & found
    for value in search.values(*_BY_SUBJECT):
        found = {row for name in value.split(",") for row in index.by_patient.get(_patient_key(name), ())}
        chosen = found if chosen is None else chosen & found
    return chosen


def _patient_key(value: str) -> str:
    """``Patient/id`` of a reference parameter: a bare id, a relative or an absolute reference."""
    parts = value.split("/")
    return f"Patient/{value}" if len(parts) == 1 else "/".join(parts[-2:])


def _time_tests(value: str) -> list[Test]:
    return [_time_test(part) for part in value.split(",")]


def _time_test(text: str) -> Test:
    """One ``_lastUpdated`` value as a test of microseconds since 1970 (R4 search.html#date: it is an interval)."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise BadSearch("_lastUpdated: a date or an instant is wanted, after eq, ge, gt, le or lt")
    try:
        low, high = (micros(moment) for moment in _interval(match))
    except (ValueError, OverflowError):
        raise BadSearch("_lastUpdated: no such date") from None
    tests: Mapping[str, Test] = {
        "eq": lambda at: low <= at < high,
        "ge": lambda at: at >= low,
        "gt": lambda at: at >= high,
        "le": lambda at: at < high,
        "lt": lambda at: at < low,
    }
    return tests[match["prefix"] or "eq"]


def _interval(match: re.Match[str]) -> Iterator[datetime]:
    """First moment of the value written, and first moment after it."""
    year, month, day = int(match["year"]), int(match["month"] or 1), int(match["day"] or 1)
    # A plus that a client forgot to escape arrives as a blank.
    zone = (match["zone"] or "Z").replace(" ", "+").replace("Z", "+00:00")
    sign = -1 if zone[0] == "-" else 1
    offset = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    fraction = match["fraction"] or ""
    low = datetime(
        year, month, day, int(match["hour"] or 0), int(match["minute"] or 0), int(match["second"] or 0), tzinfo=UTC
    ) + timedelta(microseconds=int(fraction.ljust(6, "0")))
    yield low - offset
    if match["month"] is None:
        yield low.replace(year=year + 1)
    elif match["day"] is None:
        yield low.replace(year=year + month // _DECEMBER, month=month % _DECEMBER + 1)
    elif match["hour"] is None:
        yield low + timedelta(days=1)
    elif match["second"] is None:
        yield low - offset + timedelta(minutes=1)
    else:
        yield low - offset + timedelta(microseconds=10 ** (6 - len(fraction)))


class _Token(msgspec.Struct, array_like=True):
    fingerprint: str
    position: int
    count: int
    used: tuple[tuple[str, str], ...]


def encode_token(search: Search, *, position: int, fingerprint: str) -> str:
    """A page token: everything the next page needs, so that the server remembers nothing between requests."""
    token = _Token(fingerprint, position, search.count, search.used)
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode().rstrip("=")


def decode_token(text: str, *, fingerprint: str) -> tuple[Search, int] | None:
    """The search and position of a page token; None when the files have changed since it was made.

    Raises:
        BadSearch: not a token of this server.
    """
    try:
        token = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise BadSearch("_page: not a page of this server") from None
    if token.fingerprint != fingerprint:
        return None
    if token.position < 0 or not 0 < token.count <= LARGEST_COUNT:
        raise BadSearch("_page: not a page of this server")
    return _checked(Search(used=token.used, unknown=(), count=token.count)), token.position
