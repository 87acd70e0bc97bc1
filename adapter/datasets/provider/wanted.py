"""In: the parameters of a bulk export's kick-off. Out: what is wanted, or the reasons why it cannot be had.

Bulk Data Access STU2, with what STU3 adds. What is not supported is refused, unless ``Prefer: handling=lenient`` was sent; then it
is left aside, and the export's own OperationOutcomes say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from adapter.datasets.provider.searching import BadFilter, parse_filter
from adapter.datasets.staging.feed_types import FEED_TYPES

__all__ = ["FORMATS", "NotSupported", "Wanted", "parse_wanted"]

#: Values of ``_outputFormat``, all of them newline-delimited JSON.
FORMATS: Final = ("application/fhir+ndjson", "application/ndjson", "ndjson")
#: Parameters that the guide knows and this server does not follow.
_NOT_FOLLOWED: Final = ("_elements", "_until", "includeAssociatedData", "organizeOutputBy", "patient")
#: Says what the client can read, and asks for nothing.
_WITHOUT_EFFECT: Final = "allowPartialManifests"
_ONCE: Final = ("_outputFormat", "_since")
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}")
# A comma may stand within a search too: only one before another type's search parts two of them.
_BETWEEN_FILTERS: Final = re.compile(r",(?=[A-Z][A-Za-z]{1,63}\?)")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_MICROSECONDS: Final = 6
_LONGEST: Final = 200
_MOST_VALUES: Final = 200


class NotSupported(ValueError):
    """An export cannot be made as it is asked for.

    Args:
        issues: (code of an issue type, sentence) for each reason; a sentence names parameters, and repeats no value but types.
    """

    def __init__(self, *issues: tuple[str, str]) -> None:
        self.issues = issues
        super().__init__("; ".join(text for _, text in issues))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What an export shall hold.

    Attributes:
        types: resource types.
        sites: of whose subjects.
        since: only what changed after it, and what was deleted.
        filters: searches, ``Observation?code=...``.
        remarks: what was left aside, for the client to read.
    """

    types: tuple[str, ...]
    sites: tuple[str, ...] = ()
    since: datetime | None = None
    filters: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def parse_wanted(
    parameters: Sequence[tuple[str, str]], *, lenient: bool = False, may: Callable[[str], bool] = lambda _type: True
) -> Wanted:
    """Read the parameters of a kick-off.

    Args:
        parameters: names and values; a name may stand several times, and lists are parted by commas.
        lenient: leave aside what is not supported.
        may: whether a type may be had by whoever asks.

    Returns:
        what is wanted, its sites yet to be told.

    Raises:
        NotSupported: it cannot be had so; of all reasons, types that may not be had have the code ``forbidden``.

    >>> parse_wanted([("_type", "Patient,Observation"), ("_since", "2025-06-01T00:00:00Z")]).types
    ('Observation', 'Patient')
    """
    if len(parameters) > _MOST_VALUES:
        raise NotSupported(("too-costly", "the request has too many parameters"))
    issues = [
        ("invalid", f"{name} stands more than once") for name in _ONCE if sum(one == name for one, _ in parameters) > 1
    ]
    remarks: list[tuple[str, str]] = []
    values = _sorted_out(parameters, issues, remarks)
    if any(value not in FORMATS for value in values["_outputFormat"]):
        issues.append(("not-supported", f"_outputFormat: {FORMATS[0]} is what there is"))
    types = _types(values["_type"], issues, remarks, may)
    since = _since(values["_since"], issues)
    filters = _filters(values["_typeFilter"], types, remarks)
    if not lenient:
        issues += remarks
    if issues:
        raise NotSupported(*issues)
    if not types:
        raise NotSupported(("forbidden", "the scopes of the token allow none of the types"))
    return Wanted(types=types, since=since, filters=filters, remarks=tuple(text for _, text in remarks))


def _sorted_out(
    parameters: Sequence[tuple[str, str]], issues: list[tuple[str, str]], remarks: list[tuple[str, str]]
) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {name: [] for name in (*_ONCE, "_type", "_typeFilter")}
    for name, value in parameters:
        if name in values:
            values[name].append(value)
        elif name in _NOT_FOLLOWED:
            remarks.append(("not-supported", f"{name} is not supported"))
        elif name != _WITHOUT_EFFECT:
            # Whatever it is called: a name that is not known is not repeated.
            remarks.append(("not-supported", "a parameter of the request is not known"))
        if len(value) > _LONGEST * _MOST_VALUES:
            issues.append(("too-long", "a parameter of the request is too long"))
    return values


def _types(
    told: Collection[str],
    issues: list[tuple[str, str]],
    remarks: list[tuple[str, str]],
    may: Callable[[str], bool],
) -> tuple[str, ...]:
    listed = [part.strip() for value in told for part in value.split(",")]
    if not listed:
        return tuple(type_ for type_ in FEED_TYPES if may(type_))
    found: set[str] = set()
    for name in listed:
        if not _TYPE.fullmatch(name):
            issues.append(("invalid", "_type: names of resource types are wanted, parted by commas"))
        elif name not in FEED_TYPES:
            remarks.append(("not-supported", f"_type: {name} is not served"))
        elif not may(name):
            remarks.append(("forbidden", f"_type: {name} is not within the scopes of the token"))
        else:
            found.add(name)
    return tuple(sorted(found))


def _since(told: Sequence[str], issues: list[tuple[str, str]]) -> datetime | None:
    if not told:
        return None
    # A plus that a client forgot to escape arrives as a blank.
    text = told[-1].strip().replace(" ", "+")
    found = _INSTANT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        fraction = found[1] or ""
        return datetime.fromisoformat(
            text.replace(fraction, fraction[: _MICROSECONDS + 1]) if fraction else text
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        issues.append(("invalid", "_since: an instant with its time zone is wanted"))
        return None


def _filters(told: Sequence[str], types: tuple[str, ...], remarks: list[tuple[str, str]]) -> tuple[str, ...]:
    found = []
    for text in [part for value in told for part in _BETWEEN_FILTERS.split(value)]:
        try:
            parsed = parse_filter(text)
        except BadFilter as error:
            remarks.append(("not-supported", f"_typeFilter: {error}"))
            continue
        if parsed.type in types:
            found.append(text)
        else:
            remarks.append(("invalid", "_typeFilter: its type is not among those that are exported"))
    return tuple(found)
