"""In: the raw JSON of one resource as it came. Out: its `Summary`, what the store needs to keep and find it again; or the reason why not.

The summary is an index for finding: every coding anywhere in the resource, whatever its element, so that a search by
code can miss nothing. No threshold is ever decided on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from adapter.errors import QuarantinedError
from adapter.fhir.bases import base_of
from adapter.fhir.dates import ALWAYS, When, parse_when, period_when
from adapter.fhir.faulty import as_far_as_told
from adapter.fhir.names import RESOURCE_TYPES, is_shared
from adapter.fhir.resources import ProductResource, decode

__all__ = [
    "LONG_TEXT",
    "PERSON_ELEMENTS",
    "ResourceProblem",
    "Summary",
    "normalise_reference",
    "person_of",
    "summarise",
]

#: Elements that name the person a resource is about, in order of precedence.
PERSON_ELEMENTS = ("subject", "patient", "individual", "beneficiary")

#: Elements that hold the time of what a resource tells, the most telling first.
TIME_ELEMENTS = (
    "effectiveDateTime",
    "effectiveInstant",
    "effectivePeriod",
    "occurenceDateTime",
    "occurencePeriod",
    "occurrenceDateTime",
    "occurrencePeriod",
    "performedDateTime",
    "performedPeriod",
    "onsetDateTime",
    "onsetPeriod",
    "started",
    "authored",
    "authoredOn",
    "dateTime",
    "date",
    "period",
    "recordedDate",
    "issued",
    "birthDate",
)

#: What R4 takes for the id of a resource (datatypes.html#id).
ID_FORM = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(
    r"(?:^|/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$"
)
_WORDS = frozenset({"text", "display"})
#: Stands in the index for a text that is too long to be searched there: any word may be in it.
LONG_TEXT = "\uf8ff"
_LONGEST_TEXT = 10_000
_TEXT_ONLY = frozenset({"id", "extension", "text"})
_ELEMENT = re.compile(r"_?[a-z]+(?:[A-Z][a-z0-9]+)*[A-Z]?")
_ESCAPED_MARK = re.compile(rb"\\u00(?:22|3[aA])")
_SPACE_BEFORE_COLON = re.compile(rb'"[ \t\r\n]+:')


class ResourceProblem(QuarantinedError):
    """A resource that cannot be used as it came.

    Args:
        reason: what is wrong, without any content of the resource.
        reference: ``ResourceType/id`` where that much could be read.
    """

    def __init__(self, reason: str, reference: str | None = None) -> None:
        self.reference = reference
        super().__init__(reference or "resource", reason)


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What the store needs to know of one resource version; ``patient`` is ``Patient/id`` or None.

    Whether an absolute reference is one to this site's server is not known here: it is read as if, and its base told.

    Attributes:
        person_base: of the reference that names the person, None where that is relative.
        shared_bases: of absolute references to Medications and ResearchStudies.
        link_bases: of each of ``links``, "" where it is relative; empty where all are.
    """

    type: str
    id: str
    version: str | None
    last_updated: str | None
    patient: str | None
    status: str | None
    start: str | None
    end: str | None
    codes: list[str]
    texts: list[str]
    references: list[str]
    links: list[str]
    person_base: str | None = None
    shared_bases: tuple[str, ...] = ()
    link_bases: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """``ResourceType/id``."""
        return f"{self.type}/{self.id}"


def summarise(raw: bytes) -> Summary:
    """Check and index one resource.

    Args:
        raw: the JSON of one resource, UTF-8, without byte order mark.

    Raises:
        ResourceProblem: not JSON, cut short, not an object, a key twice in one object, an unknown resource type,
            no valid id, or an element that this product reads has the wrong type.
    """
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise ResourceProblem(_json_problem(raw, problem), name_of(raw)) from None
    if not isinstance(body, dict):
        raise ResourceProblem("not a JSON object")
    resource_type, identity = body.get("resourceType"), body.get("id")
    if not isinstance(resource_type, str):
        raise ResourceProblem("no resourceType")
    if resource_type not in RESOURCE_TYPES:
        raise ResourceProblem("unknown resource type")
    if not isinstance(identity, str) or not ID_FORM.fullmatch(identity):
        raise ResourceProblem("no valid id", resource_type)
    reference = f"{resource_type}/{identity}"
    duplicate = duplicate_key(raw, body)
    if duplicate is not None:
        # Parsers differ in which of the two they keep, so the record says two things at once.
        raise ResourceProblem(f"the key {duplicate} stands twice in one object", reference)
    try:
        check_types(resource_type, raw)
    except (msgspec.MsgspecError, ArithmeticError) as problem:
        raise ResourceProblem(f"element of the wrong type: {problem}", reference) from None
    return _summary(resource_type, identity, body)


def name_of(raw: bytes) -> str | None:
    """``ResourceType/id`` of a resource, as far as even a faulty one tells; None when it does not."""
    body = as_far_as_told(raw)
    if not isinstance(body, dict):
        return None
    resource_type, identity = body.get("resourceType"), body.get("id")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPES:
        return None
    return f"{resource_type}/{identity}" if isinstance(identity, str) and ID_FORM.fullmatch(identity) else None


def check_types(resource_type: str, raw: bytes) -> None:
    """See that each element that this product reads has its type.

    Raises:
        msgspec.MsgspecError: one has not; the text names the path, no value.
        ArithmeticError: a number of no use.
    """
    resource = decode(resource_type, raw)
    if isinstance(resource, ProductResource):
        resource.contained_medications()


def _json_problem(raw: bytes, problem: Exception) -> str:
    if not raw.rstrip().endswith(b"}"):
        return "not JSON: cut short or followed by other text"
    if isinstance(problem, UnicodeDecodeError) or "utf-8" in str(problem).lower():
        return "not UTF-8"
    return "not JSON"


def duplicate_key(raw: bytes, body: Any) -> str | None:
    """The first key that stands twice in one object of ``raw``, or None.

    ``body`` is what a parser that keeps the last of two made of ``raw``: written again it has fewer ``":`` than the
    source when a key was dropped. Only where white space or an escaped quote blurs that count is the slow way needed.
    """
    blurred = _SPACE_BEFORE_COLON.search(raw) is not None or _ESCAPED_MARK.search(raw) is not None
    if not blurred and raw.count(b'":') == msgspec.json.encode(body).count(b'":'):
        return None
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                found.append(key)
            seen[key] = value
        return seen

    json.loads(raw, object_pairs_hook=look)
    # Elements of FHIR begin with a small letter, names of people do not; what is no element is not repeated in the message.
    return next((key if _ELEMENT.fullmatch(key) else "(unnamed)" for key in found), None)


@lru_cache(maxsize=2**16)
def normalise_reference(text: str) -> str | None:
    """``Type/id`` of a literal reference: relative, absolute, versioned; None for ``#contained`` and ``urn:``.

    >>> normalise_reference("https://ehr.example.org/fhir/Patient/12/_history/3")
    'Patient/12'
    """
    found = _REFERENCE.search(text)
    return f"{found['type']}/{found['id']}" if found and found["type"] in RESOURCE_TYPES else None


def _summary(resource_type: str, identity: str, body: dict[str, Any]) -> Summary:
    own = f"{resource_type}/{identity}"
    codes, texts, references, _, bases = walked(body)
    if isinstance(canonical := body.get("questionnaire"), str):
        codes[f"questionnaire|{canonical}"] = None
    patient, person_base = (own, None) if resource_type == "Patient" else named_person(body)
    told = links(body) if resource_type == "Patient" else Links()
    references.pop(patient or "", None)
    meta = body.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    start, end = _time(body)
    return Summary(
        type=resource_type,
        id=identity,
        version=_string(meta.get("versionId")),
        last_updated=_string(meta.get("lastUpdated")),
        patient=patient,
        status=_string(body.get("status")),
        start=start,
        end=end,
        codes=list(codes),
        texts=[] if resource_type == "Patient" else indexed(texts),
        references=list(references),
        links=list(told.links),
        person_base=person_base,
        shared_bases=tuple(bases),
        link_bases=told.bases,
    )


def indexed(texts: Iterable[str]) -> list[str]:
    """Texts as the index has them: one of the length of a book, in the place of a name, must not keep a whole site from being searched."""
    return list(dict.fromkeys(text if len(text) <= _LONGEST_TEXT else LONG_TEXT for text in texts))


class Walked(NamedTuple):
    """Codes, texts and references of all that a part of a resource holds, how many keys, and the bases of references to what is shared."""

    codes: dict[str, None]
    texts: dict[str, None]
    references: dict[str, None]
    keys: int
    bases: dict[str, None]


def walked(body: dict[str, Any] | list[Any]) -> Walked:
    """What a resource, or a part of one, holds, whatever its elements.

    Exact types, as a parser makes no others.
    """
    codes: dict[str, None] = {}
    texts: dict[str, None] = {}
    references: dict[str, None] = {}
    bases: dict[str, None] = {}
    keys = 0
    stack: list[Any] = [body]
    while stack:
        node = stack.pop()
        if type(node) is list:
            stack += [value for value in node if type(value) is dict or type(value) is list]
            continue
        keys += len(node)
        words: list[str] = []
        for key, value in node.items():
            kind = type(value)
            if kind is dict or kind is list:
                stack.append(value)
            elif kind is str and key in _WORDS:
                words.append(value)
        code, literal = node.get("code"), node.get("reference")
        if type(code) is str and type(system := node.get("system")) is str:
            codes[f"{system}|{code}"] = None
        if type(literal) is str and (target := normalise_reference(literal)):
            references[target] = None
            bases |= _shared_base(target, literal)
        if words and _is_concept(node, code):
            texts |= dict.fromkeys(words)
        if type(coding := node.get("coding")) is list:
            # A coding with a display and no code is words, too.
            texts |= dict.fromkeys(_displays(coding))
    return Walked(codes, texts, references, keys, bases)


def _shared_base(target: str, literal: str) -> dict[str, None]:
    """The base of an absolute reference to what is shared, nothing for others."""
    base = base_of(literal) if is_shared(target) else None
    return {} if base is None else {base: None}


def _is_concept(node: dict[str, Any], code: Any) -> bool:
    """A concept may be a text alone: what a hospital writes without a code must be found too. Names are not searched."""
    return type(code) is str or "coding" in node or "reference" in node or node.keys() <= _TEXT_ONLY


def _displays(codings: list[Any]) -> list[str]:
    return [text for entry in codings if type(entry) is dict and type(text := entry.get("display")) is str]


def named_person(body: dict[str, Any]) -> tuple[str | None, str | None]:
    """``Patient/id`` that a resource is about, and the base of that reference where it is absolute."""
    for element in PERSON_ELEMENTS:
        node = body.get(element)
        if isinstance(node, dict) and isinstance(literal := node.get("reference"), str):
            target = normalise_reference(literal)
            if target is not None and target.startswith("Patient/"):
                return target, base_of(literal)
    return None, None


def person_of_body(body: dict[str, Any]) -> str | None:
    """``Patient/id`` that a resource is about, whatever server it names."""
    return named_person(body)[0]


def person_of(raw: bytes) -> str | None:
    """``Patient/id`` that a resource is about, as far as even a faulty one tells; None when it does not."""
    body = as_far_as_told(raw)
    if not isinstance(body, dict):
        return None
    return name_of(raw) if body.get("resourceType") == "Patient" else person_of_body(body)


def _time(body: dict[str, Any]) -> tuple[str | None, str | None]:
    for element in TIME_ELEMENTS:
        if element in body and (found := time_of(body[element])) is not None:
            return found
    return None, None


def time_of(value: Any) -> tuple[str | None, str | None] | None:
    """First and last day of an element of time, each None where it is open; None when the element decides nothing."""
    if isinstance(value, str) and (when := parse_when(value)) is not None:
        return _days(when)
    if isinstance(value, dict):
        return _days(period_when(_string(value.get("start")), _string(value.get("end"))))
    return None


def _days(when: When) -> tuple[str | None, str | None]:
    return (
        str(when.earliest) if when.start > ALWAYS.start else None,
        str(when.latest) if when.end < ALWAYS.end else None,
    )


class Links(NamedTuple):
    """A Patient's links (``replaced-by Patient/2``), and the base of each, "" of a relative one; no bases where all are."""

    links: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()


def links(body: dict[str, Any]) -> Links:
    found, bases = [], []
    for link in body.get("link", []):
        other = link.get("other", {}).get("reference") if isinstance(link, dict) else None
        target = normalise_reference(other) if isinstance(other, str) else None
        if target is not None:
            found.append(f"{link.get('type')} {target}")
            bases.append(base_of(other) or "")
    return Links(tuple(found), tuple(bases) if any(bases) else ())


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None
