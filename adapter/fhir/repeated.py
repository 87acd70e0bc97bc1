"""In: the raw JSON of resources, one after the other. Out: their `Summary`, read from what their elements said before.

The elements of a feed repeat endlessly: its categories, codes, units, reference ranges, days. So a resource is cut into
its members, and each member is looked at once for as long as the same bytes come again under the same key of the same
type. What a summary says is put together of what its members say.

Nothing is taken on trust for it. The members' lengths and those of the signs between them must add up to the length
of the line: then there is no key twice, no space, no escape in a key, and nothing else in it. All that does not add
up, or that this file is not sure of, goes the long way, through `summarise`, which also says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import getitem
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from adapter.fhir.dates import calendar_day
from adapter.fhir.names import RESOURCE_TYPES
from adapter.fhir.resources import PRODUCT_TYPES, element_types
from adapter.fhir.summary import (
    PERSON_ELEMENTS,
    TIME_ELEMENTS,
    Links,
    Summary,
    Walked,
    check_types,
    duplicate_key,
    indexed,
    links,
    named_person,
    normalise_reference,
    summarise,
    time_of,
    walked,
)

__all__ = ["Summariser"]

#: So many bytes of members are remembered, at most; then all are forgotten.
_ROOM = 8 * 2**20
#: A longer member is not likely to come again.
_LONGEST = 2048
#: What a remembered member costs beside its own bytes.
_OVERHEAD = 300
#: A shape is a type and its keys in their order; a feed has some hundreds.
_MOST_SHAPES = 4096
#: Deeper nesting is left to `summarise`: how deep a parser goes counts from the outermost bracket.
_DEEPEST = 64

#: So many elements with a number are remembered by what surrounds it; then all are forgotten.
_MOST_MEASURED = 4096

_KEY = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")
# R4 datatypes.html#id
_ID = re.compile(rb'"[A-Za-z0-9\-.]{1,64}"')
#: Where these are texts, or there at all, the resource itself is read like a concept or a coding.
_NO_TEXTS = frozenset({"code", "display", "text"})
_NOT_AT_ALL = frozenset({"coding", "reference"})

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_SPACED = re.compile(rb'"[ \t\r\n]')
_PLAIN = rb"[ !#-\[\]-~]*"
_VERSIONED = re.compile(rb'\{"versionId":"(%b)","lastUpdated":"(%b)"\}' % (_PLAIN, _PLAIN))
_REFERRING = re.compile(rb'\{"reference":"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})"\}')
#: A number that every reader of numbers takes, whatever its digits.
_MEASURED = re.compile(rb'\{"value":-?(?:0|[1-9]\d{0,14})(\.\d{1,15})?([,}].*)', re.DOTALL)


class _UnclearError(Exception):
    """To be read the long way."""


class _Element(msgspec.Struct, frozen=True, gc=False):
    """What one member of a resource says. No garbage collection: it holds texts only, and there are very many.

    Attributes:
        tells: it has codes, texts or references.
        string: the member, where it is a text.
        when: first and last day, of an element of time that decides.
        person: the patient, of an element that names one.
        person_base: of that reference, where it is absolute.
        bases: of absolute references to Medications and ResearchStudies.
        version: of ``meta``, as is ``updated``.
        links: of a Patient's ``link``.
    """

    tells: bool = False
    codes: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    string: str | None = None
    when: tuple[str | None, str | None] | None = None
    person: str | None = None
    person_base: str | None = None
    bases: tuple[str, ...] = ()
    version: str | None = None
    updated: str | None = None
    links: Links = Links()


class _Known(dict[bytes, _Element]):
    """Members of one key of one type that have been looked at, by their bytes."""

    def __init__(self, look: Callable[[bytes], _Element], remember: Callable[[bytes], bool]) -> None:
        self._look = look
        self._remember = remember

    def __missing__(self, value: bytes) -> _Element:
        found = self._look(value)
        if self._remember(value):
            self[value] = found
        return found


class _Shape(msgspec.Struct, frozen=True):
    """A type and the keys of a resource, in their order; places are indices of these keys.

    Attributes:
        type: the resource type.
        known: what the members said before, key by key.
        rest: length of all that is not a value.
        persons, times: places, the most telling first.
    """

    type: str
    known: list[_Known]
    rest: int
    persons: list[int]
    times: list[int]
    status: int | None
    meta: int | None
    questionnaire: int | None
    link: int | None


class Summariser:
    """Does what `summarise` does, several times as fast where resources resemble each other. Not for two threads at once."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[bytes, tuple[str, ...]], _Shape] = {}
        self._known: dict[object, _Known] = {}
        self._room = _ROOM

    def summarise(self, raw: bytes) -> Summary:
        """Check and index one resource.

        Raises:
            as `summarise`.
        """
        try:
            return self._put_together(raw)
        except (_UnclearError, msgspec.MsgspecError, KeyError, ValueError, ArithmeticError, RecursionError):
            # Whatever it is, the long way says it properly, or does not mind.
            return summarise(raw)

    def _put_together(self, raw: bytes) -> Summary:
        members = _members(raw)
        kind, identity = bytes(members.pop("resourceType")), bytes(members.pop("id"))
        keys = tuple(members)
        shape = self._shapes.get((kind, keys)) or self._new_shape(kind, keys)
        values = list(map(bytes, members.values()))
        if sum(map(len, values)) + len(identity) + shape.rest != len(raw) or not _ID.fullmatch(identity):
            raise _UnclearError
        elements = list(map(getitem, shape.known, values))
        own = identity[1:-1].decode()
        person = _NOTHING if shape.type == "Patient" else _first(elements, shape.persons)
        patient = f"Patient/{own}" if shape.type == "Patient" else person.person
        codes: list[str] = []
        texts: list[str] = []
        references: list[str] = []
        bases: tuple[str, ...] = ()
        # From the last to the first, as `walked` goes.
        for element in reversed(elements):
            if element.tells:
                codes += element.codes
                texts += element.texts
                references += element.references
                if element.bases:
                    bases += element.bases
        if shape.questionnaire is not None and (canonical := elements[shape.questionnaire].string) is not None:
            codes.append(f"questionnaire|{canonical}")
        start = end = None
        for place in shape.times:
            when = elements[place].when
            if when is not None:
                start, end = when
                break
        meta = _NOTHING if shape.meta is None else elements[shape.meta]
        told = _NO_LINKS if shape.link is None else elements[shape.link].links
        summary = Summary(
            shape.type,
            own,
            meta.version,
            meta.updated,
            patient,
            None if shape.status is None else elements[shape.status].string,
            start,
            end,
            _once(codes),
            [] if shape.type == "Patient" else _once(texts),
            [reference for reference in dict.fromkeys(references) if reference != patient],
            [] if shape.link is None else list(told.links),
        )
        if bases or told.bases or person.person_base is not None:
            return replace(
                summary,
                person_base=person.person_base,
                shared_bases=tuple(dict.fromkeys(bases)),
                link_bases=told.bases,
            )
        return summary

    def _new_shape(self, kind: bytes, keys: tuple[str, ...]) -> _Shape:
        type_ = kind[1:-1].decode()
        if type_ not in RESOURCE_TYPES or not _NOT_AT_ALL.isdisjoint(keys) or not all(map(_KEY.fullmatch, keys)):
            raise _UnclearError
        place = {key: number for number, key in enumerate(keys)}
        shape = _Shape(
            type=type_,
            known=[self._known_of(type_, key) for key in keys],
            # Of each member two quotes and a colon, commas between them, two braces.
            rest=sum(len(key) + 4 for key in (*keys, "resourceType", "id")) + 1 + len(kind),
            persons=[place[key] for key in PERSON_ELEMENTS if key in place],
            times=[place[key] for key in TIME_ELEMENTS if key in place],
            status=place.get("status"),
            meta=place.get("meta"),
            questionnaire=place.get("questionnaire"),
            link=place.get("link") if type_ == "Patient" else None,
        )
        if len(self._shapes) >= _MOST_SHAPES:
            self._shapes.clear()
        self._shapes[kind, keys] = shape
        return shape

    def _known_of(self, type_: str, key: str) -> _Known:
        looker = _Looker(type_, key)
        known = self._known.get(looker.kind)
        if known is None:
            known = self._known[looker.kind] = _Known(looker.look, self._remember)
        return known

    def _remember(self, value: bytes) -> bool:
        if len(value) > _LONGEST:
            return False
        self._room -= len(value) + _OVERHEAD
        if self._room < 0:
            for known in self._known.values():
                known.clear()
            self._room = _ROOM
        return True


_NO_LINKS = Links()
_NOTHING = _Element()


def _once(words: list[str]) -> list[str]:
    return list(dict.fromkeys(words)) if len(words) > 1 else words


def _first(elements: Sequence[_Element], places: Sequence[int]) -> _Element:
    """Of the elements that may name the person the first that does."""
    for place in places:
        if elements[place].person is not None:
            return elements[place]
    return _NOTHING


class _Looker:
    """Looks at the members of one key of one type.

    Attributes:
        kind: lookers of the same kind say the same of the same bytes, whatever the type.
    """

    def __init__(self, type_: str, key: str) -> None:
        self._type = type_
        self._key = key
        self._is_time = key in TIME_ELEMENTS
        read_as = element_types(type_).get(key, Any)
        self._takes_texts = read_as in (Any, str) or str in get_args(read_as)
        self._check: Callable[[bytes], object] | None = None if read_as is Any else msgspec.json.Decoder(read_as).decode
        self._is_link = (type_, key) == ("Patient", "link")
        holds_resources = key == "contained" and type_ in PRODUCT_TYPES
        if holds_resources:
            self._check = self._check_in_resource
        self.kind = (key, read_as, self._is_link, holds_resources)
        self._measured: dict[tuple[bool, bytes], _Element] = {}
        self._taken: set[bytes] = set()

    def look(self, value: bytes) -> _Element:
        """What a member says, as `summarise` would find it in the resource.

        Raises:
            _UnclearError: it is faulty, or must be seen together with other members.
            ValueError: likewise, as are the other errors that `Summariser.summarise` catches.
        """
        if value.startswith(b'"'):
            return self._text(value)
        return self._usual(value) or self._look(value)

    def _usual(self, value: bytes) -> _Element | None:
        """What members say that differ all the time, and are nearly always written in one way; None for others."""
        if self._is_time or self._is_link:
            return None
        if self._key == "meta":
            found = _VERSIONED.fullmatch(value)
            if found is None or not self._takes(b'{"versionId":"1","lastUpdated":"1"}'):
                return None
            return _Element(version=found[1].decode(), updated=found[2].decode())
        if (found := _REFERRING.fullmatch(value)) is not None and self._takes(b'{"reference":"Basic/1"}'):
            target = normalise_reference(found[1].decode())
            if target is None:
                return _NOTHING
            names_person = self._key in PERSON_ELEMENTS and target.startswith("Patient/")
            return _Element(True, references=(target,), person=target if names_person else None)
        if (found := _MEASURED.fullmatch(value)) is not None:
            return self._look_around(found[1] is not None, found[2])
        return None

    def _takes(self, example: bytes) -> bool:
        """Members like this one are read in this place."""
        if example not in self._taken:
            self._look(example)
            self._taken.add(example)
        return True

    def _look_around(self, is_broken: bool, rest: bytes) -> _Element:
        """What surrounds a number says the same whatever the number."""
        known = self._measured.get((is_broken, rest))
        if known is None:
            known = self._look(b'{"value":' + (b"0.5" if is_broken else b"1") + rest)
            if len(self._measured) >= _MOST_MEASURED:
                self._measured.clear()
            if len(rest) <= _LONGEST:
                self._measured[is_broken, rest] = known
        return known

    def _look(self, value: bytes) -> _Element:
        if value.count(b"[") + value.count(b"{") > _DEEPEST:
            raise _UnclearError
        body = msgspec.json.decode(value)
        if self._check is not None:
            self._check(value)
        if type(body) is not dict and type(body) is not list:
            return _NOTHING
        found = walked(body)
        # As many keys as `":` and no space between these two: none was dropped. A text may hold `\\":`; then it is looked at closely.
        if (value.count(b'":') != found.keys or _SPACED.search(value)) and duplicate_key(value, body) is not None:
            raise _UnclearError
        return self._nested(body, found)

    def _text(self, value: bytes) -> _Element:
        if self._key in _NO_TEXTS:
            raise _UnclearError
        text: str = msgspec.json.decode(value)
        if self._check is not None and not self._takes_texts:
            self._check(value)
        if not self._is_time:
            return _Element(string=text)
        day = calendar_day(text)
        return _Element(string=text, when=time_of(text) if day is None else (day, day))

    def _nested(self, body: Any, found: Walked) -> _Element:
        key = self._key
        meta = body if key == "meta" and type(body) is dict else {}
        person, base = named_person({key: body}) if key in PERSON_ELEMENTS else (None, None)
        return _Element(
            tells=bool(found.codes or found.texts or found.references),
            codes=tuple(found.codes),
            texts=tuple(indexed(found.texts)),
            references=tuple(found.references),
            when=_period(body) if self._is_time else None,
            person=person,
            person_base=base,
            bases=tuple(found.bases),
            version=_string(meta.get("versionId")),
            updated=_string(meta.get("lastUpdated")),
            links=links({key: body}) if self._is_link else _NO_LINKS,
        )

    def _check_in_resource(self, value: bytes) -> None:
        check_types(
            self._type, b'{"resourceType":"%b","id":"1","%b":%b}' % (self._type.encode(), self._key.encode(), value)
        )


def _period(body: Any) -> tuple[str | None, str | None] | None:
    if type(body) is dict:
        first, last = (calendar_day(text) if type(text := body.get(end)) is str else None for end in ("start", "end"))
        if first is not None and last is not None:
            # As `period_when`: one that ends before it begins is as long as its beginning.
            return first, max(first, last)
    return time_of(body)


def _string(value: Any) -> str | None:
    return value if type(value) is str else None
