"""In: values of entities, or pieces of a foreign resource. Out: FHIR elements, or values read from them with their path.

What all mappers share: the systems of our own identifiers and extensions, the making and reading of elements, and what of a
foreign resource survives an update.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from adapter.fhir import Json
from adapter.terminology.coded import UCUM
from mappings.entities import Coding, Identifier

__all__ = [
    "EXTENSION",
    "OURS",
    "REFERENCE_SYSTEM",
    "SUBJECT_SYSTEM",
    "Element",
    "MappingError",
    "bundle_of",
    "business_identifiers",
    "carry_over",
    "coding",
    "concept",
    "exceeded",
    "extension",
    "full_url",
    "identifier",
    "main_resource",
    "patient_reference",
    "quantity",
    "resources_in",
    "without_empty",
]

#: Names of our own; a URN needs no host that somebody would have to keep.
OURS: Final = "urn:reluth:"
#: Extensions of ours: `EXTENSION` + name.
EXTENSION: Final = "urn:reluth:extension:"
#: Identifier.system of the trial's pseudonyms.
SUBJECT_SYSTEM: Final = "urn:reluth:subject"
#: Identifier.system where the only number known is the server's own: the value is the literal reference, ``Patient/id``.
REFERENCE_SYSTEM: Final = "urn:reluth:reference"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, OURS)


class MappingError(ValueError):
    """A foreign resource cannot be read as an entity.

    Args:
        reference: ``ResourceType/id``, as far as it tells.
        path: to the element, e.g. ``valueQuantity.value``.
        problem: what is wrong; never the value.
    """

    def __init__(self, reference: str, path: str, problem: str) -> None:
        self.reference = reference
        self.path = path
        self.problem = problem
        super().__init__(f"{reference}: {path}: {problem}")


# --- making --------------------------------------------------------------------------------------------------------


def without_empty(element: Mapping[str, Any]) -> Json:
    """The same without what is None or empty, which FHIR does not allow to be written.

    >>> without_empty({"status": "final", "note": [], "issued": None, "code": {}, "value": False})
    {'status': 'final', 'value': False}
    """
    return {key: value for key, value in element.items() if value is not None and value not in ({}, [], "")}


def coding(value: Coding) -> Json:
    """A Coding."""
    return without_empty({"system": value.system, "code": value.code, "display": value.display})


def concept(*codings: Coding, text: str | None = None) -> Json:
    """A CodeableConcept."""
    return without_empty({"coding": [coding(one) for one in codings], "text": text})


def identifier(value: Identifier, **more: Any) -> Json:
    """An Identifier; ``more`` are further elements of it, e.g. ``use``."""
    return without_empty({**more, "system": value.system, "value": value.value})


def quantity(value: Decimal | None, unit: str, *, shown: str | None = None) -> Json:
    """A Quantity in a UCUM unit; empty without a value.

    >>> quantity(Decimal("7400"), "MBq")
    {'value': Decimal('7400'), 'unit': 'MBq', 'system': 'http://unitsofmeasure.org', 'code': 'MBq'}
    """
    return {} if value is None else {"value": value, "unit": shown or unit, "system": UCUM, "code": unit}


def patient_reference(patient: Identifier) -> Json:
    """A person by the hospital's own number; the push puts the literal reference beside it (R4 references.html#logical)."""
    return {"type": "Patient", "identifier": identifier(patient)}


def extension(name: str, kind: str, value: Any) -> Json:
    """An extension of ours: ``extension("cycle", "PositiveInt", 3)``."""
    return {"url": f"{EXTENSION}{name}", f"value{kind}": value}


def full_url(value: Identifier) -> str:
    """The ``urn:uuid:`` of an entry, the same for the same business identifier."""
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{value.system}|{value.value}')}"


def bundle_of(resources: Iterable[tuple[str, Json]]) -> Json:
    """A collection of (fullUrl, resource), the main one first."""
    entries = [{"fullUrl": url, "resource": resource} for url, resource in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def resources_in(mapped: Json) -> list[tuple[str | None, Json]]:
    """(fullUrl, resource) of a Bundle, or the resource itself."""
    if mapped.get("resourceType") != "Bundle":
        return [(None, mapped)]
    return [(entry.get("fullUrl"), entry["resource"]) for entry in mapped.get("entry", []) if "resource" in entry]


def main_resource(mapped: Json) -> Json:
    """The resource, or the first of a Bundle."""
    return resources_in(mapped)[0][1]


def business_identifiers(resource: Json) -> list[Identifier]:
    """Identifiers with a system and a value, in the order in which they stand (R5 lets some types have one only)."""
    found = resource.get("identifier") or []
    listed = found if isinstance(found, list) else [found]
    return [
        Identifier(system=one["system"], value=one["value"]) for one in listed if one.get("system") and one.get("value")
    ]


# --- reading -------------------------------------------------------------------------------------------------------


class Element:
    """A piece of a foreign resource with the way to it; what is not as FHIR has it becomes a `MappingError`.

    Args:
        content: the JSON object.
        reference: ``ResourceType/id``.
        path: from the resource to this piece, "" for the resource itself.
    """

    def __init__(self, content: Json, *, reference: str = "", path: str = "") -> None:
        if not isinstance(content, dict):
            raise MappingError(reference or "resource", path or "/", "an object is wanted")
        self.content = content
        self.reference = reference or f"{content.get('resourceType', 'resource')}/{content.get('id', '?')}"
        self.path = path

    def fail(self, name: str, problem: str) -> MappingError:
        """The error for an element of this piece."""
        return MappingError(self.reference, f"{self.path}.{name}" if self.path else name, problem)

    def has(self, name: str) -> bool:
        """It is there."""
        return name in self.content

    def text(self, name: str) -> str | None:
        """A text or code; None where it is not there."""
        found = self.content.get(name)
        if found is not None and not isinstance(found, str):
            raise self.fail(name, "a text is wanted")
        return found

    def needed(self, name: str) -> str:
        """A text that has to be there."""
        found = self.text(name)
        if found is None:
            raise self.fail(name, "is missing")
        return found

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        found = self.content.get(name)
        if found is not None and not isinstance(found, bool):
            raise self.fail(name, "true or false is wanted")
        return found

    def whole(self, name: str) -> int | None:
        """An integer."""
        found = self.content.get(name)
        if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
            raise self.fail(name, "a whole number is wanted")
        return found

    def decimal(self, name: str) -> Decimal | None:
        """A number, exact."""
        found = self.content.get(name)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | Decimal):
            raise self.fail(name, "a number read without loss is wanted")
        return Decimal(found)

    def child(self, name: str) -> Element | None:
        """An object within."""
        found = self.content.get(name)
        return None if found is None else self._within(name, found)

    def children(self, name: str) -> list[Element]:
        """The objects of a list; none where it is not there."""
        found = self.content.get(name)
        if found is None:
            return []
        if not isinstance(found, list):
            raise self.fail(name, "a list is wanted")
        return [self._within(f"{name}[{at}]", one) for at, one in enumerate(found)]

    def texts(self, name: str) -> list[str]:
        """The texts of a list."""
        found = self.content.get(name, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise self.fail(name, "a list of texts is wanted")
        return found

    def extensions(self, name: str) -> list[Element]:
        """Our extensions of a name."""
        return [one for one in self.children("extension") if one.content.get("url") == f"{EXTENSION}{name}"]

    def extension(self, name: str) -> Element | None:
        """Our extension of a name; the first where a foreign hand doubled it."""
        return next(iter(self.extensions(name)), None)

    def codings(self, *, systems: frozenset[str] | None = None) -> list[Coding]:
        """The Codings of a CodeableConcept that have a system and a code, of some systems only where they are named."""
        return [
            Coding(system=one.needed("system"), code=one.needed("code"), display=one.text("display"))
            for one in self.children("coding")
            if one.has("system") and one.has("code") and (systems is None or one.content["system"] in systems)
        ]

    def identifiers(self, name: str = "identifier") -> list[Identifier]:
        """The identifiers with a system and a value."""
        return [
            Identifier(system=one.needed("system"), value=one.needed("value"))
            for one in self.children(name)
            if one.has("system") and one.has("value")
        ]

    def identified(self, name: str) -> Identifier | None:
        """The identifier within a Reference."""
        reference = self.child(name)
        found = reference.child("identifier") if reference else None
        if found is None or not found.has("system") or not found.has("value"):
            return None
        return Identifier(system=found.needed("system"), value=found.needed("value"))

    def refuse_modifiers(self) -> None:
        """Raise where a modifierExtension changes the meaning in a way that nobody here knows (R4 extensibility.html)."""
        for path, found in _walk(self.content, self.path):
            if found.get("modifierExtension"):
                raise MappingError(self.reference, f"{path}.modifierExtension".lstrip("."), "is not known here")

    def _within(self, name: str, found: Any) -> Element:
        return Element(found, reference=self.reference, path=f"{self.path}.{name}" if self.path else name)


def _walk(content: Any, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(content, dict):
        yield path, content
        for key, value in content.items():
            yield from _walk(value, f"{path}.{key}" if path else key)
    elif isinstance(content, list):
        for at, value in enumerate(content):
            yield from _walk(value, f"{path}[{at}]")


# --- updating what is there ----------------------------------------------------------------------------------------

#: By what two elements of a list are the same one; what has none of these is compared by its place.
_KEYS: Final = (("url",), ("system", "value"), ("system", "code"), ("linkId",), ("fullUrl",))
_IDENTIFIER: Final = "identifier"
_EXTENSION: Final = "extension"


def carry_over(ours: Json, theirs: Json, *, owned: frozenset[str], exact: frozenset[str] = frozenset()) -> Json:
    """What to send as an update: our elements, and of the server's resource all that is not ours to say.

    Args:
        ours: the resource as we would have it.
        theirs: the resource as the server has it.
        owned: names of the elements of the resource that the mapper speaks of, and URLs of its extensions that are not ours by
            name; one that it does not write any more goes.
        exact: of these elements nothing stays that we do not say ourselves, but for foreign extensions (see `exceeded`).

    Returns:
        Ours, with the server's id and meta, the elements that no mapper knows, further identifiers, what the server's element
        says beyond the same in ours, and foreign extensions wherever their element still is; lists in the server's order.
    """
    merged = {key: value for key, value in theirs.items() if key.removeprefix("_") not in owned and key != _EXTENSION}
    for key, value in ours.items():
        if key in (_EXTENSION, _IDENTIFIER):
            continue
        covered = key not in exact and key in theirs and _covers(theirs[key], value)
        merged[key] = theirs[key] if covered else _with_foreign(value, theirs.get(key), owned)
        shadow = theirs.get(f"_{key}")
        if shadow is not None and f"_{key}" not in ours and theirs.get(key) == value:
            # Extensions of a primitive speak of the value that they stand beside.
            merged[f"_{key}"] = shadow
    if _IDENTIFIER in ours:
        merged[_IDENTIFIER] = _identifiers(ours[_IDENTIFIER], theirs.get(_IDENTIFIER), owned)
    extensions = _extensions(ours.get(_EXTENSION), theirs.get(_EXTENSION), owned)
    if extensions:
        merged[_EXTENSION] = extensions
    if _is_generated(merged.get("text")):
        # A narrative made of the elements as they were would contradict them now (R4 narrative.html).
        del merged["text"]
    return merged


def exceeded(ours: Json, theirs: Json) -> frozenset[str]:
    """Names of the elements in which the server says all that we do, and more.

    >>> sorted(exceeded({"subject": {"type": "Patient"}, "status": "final"}, {"subject": {"type": "Patient", "display": "A"}}))
    ['subject']
    """
    apart = (_EXTENSION, _IDENTIFIER)
    return frozenset(
        key
        for key, value in ours.items()
        if key not in apart and key in theirs and theirs[key] != value and _covers(theirs[key], value)
    )


def _is_generated(text: Any) -> bool:
    return isinstance(text, dict) and text.get("status") == "generated"


def _covers(theirs: Any, ours: Any) -> bool:
    """The server's says all that ours does, in the same order, and maybe more."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(key in theirs and _covers(theirs[key], value) for key, value in ours.items())
    if isinstance(ours, list) and isinstance(theirs, list):
        rest = iter(theirs)
        return all(any(_covers(one, wanted) for one in rest) for wanted in ours)
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    return bool(ours == theirs)


def _identifiers(ours: Any, theirs: Any, owned: frozenset[str]) -> Any:
    """Ours, each as the server has it where that says more, and the others that are there."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        # Some types of R4 have one identifier only, and some servers none.
        return theirs if _covers(theirs, ours) else ours
    pairs = _paired(ours, theirs)
    merged = [other if _covers(other, one) else _with_foreign(one, other, owned) for one, other in pairs]
    return _arranged(merged, theirs, known={_key(one) for one in ours})


def _extensions(ours: Any, theirs: Any, owned: frozenset[str]) -> list[Any]:
    """Ours and the foreign ones; one of ours that we dropped is gone."""
    listed = ours if isinstance(ours, list) else []
    if not isinstance(theirs, list):
        return listed
    known = {_key(one) for one in listed}
    known |= {_key(one) for one in theirs if not _is_foreign(one, owned)}
    return _arranged([_with_foreign(one, other, owned) for one, other in _paired(listed, theirs)], theirs, known=known)


def _is_foreign(element: Any, owned: frozenset[str]) -> bool:
    """An extension that no mapper writes. One with a bare name belongs to the extension that it stands in."""
    url = str(element.get("url", "")) if isinstance(element, dict) else ""
    return ":" in url and not url.startswith(EXTENSION) and url not in owned


def _arranged(ours: list[Any], theirs: list[Any], *, known: set[tuple[object, ...]]) -> list[Any]:
    """Ours in our order at the places where such stand at the server; what is not known here stays where it is."""
    waiting = iter(ours)
    arranged: list[Any] = []
    for one in theirs:
        if _key(one) not in known:
            arranged.append(one)
        else:
            arranged += [next_ for next_ in (next(waiting, None),) if next_ is not None]
    return [*arranged, *waiting]


def _paired(ours: list[Any], theirs: list[Any]) -> list[tuple[Any, Any]]:
    """Each of ours with the same element at the server, None where there is none for certain."""
    left: dict[tuple[object, ...], list[Any]] = {}
    for one in theirs:
        left.setdefault(_key(one), []).append(one)
    pairs = []
    for one in ours:
        same = left.get(_key(one), [])
        # Several may have one key (the events of a subject): only one that says what ours says is the same.
        alone = len(same) == 1 and sum(_key(other) == _key(one) for other in ours) == 1
        other = next((other for other in same if alone or _covers(other, one)), None)
        if other is not None:
            same.remove(other)
        pairs.append((one, other))
    return pairs


def _key(element: Any) -> tuple[object, ...]:
    if isinstance(element, dict):
        for names in _KEYS:
            if all(name in element for name in names):
                return tuple(str(element[name]) for name in names)
        if isinstance(element.get("value"), str):
            # An identifier without a system, or a label.
            return ("", element["value"])
    return (_plain(element),)


def _plain(element: Any) -> str:
    """The same for the same content, in whatever order a server gives its keys."""
    if isinstance(element, dict):
        return f"{{{', '.join(f'{key}: {_plain(element[key])}' for key in sorted(element))}}}"
    return f"[{', '.join(map(_plain, element))}]" if isinstance(element, list) else repr(element)


def _with_foreign(ours: Any, theirs: Any, owned: frozenset[str]) -> Any:
    """Ours, with the foreign extensions of the same element at the server."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        merged = {key: _with_foreign(value, theirs.get(key), owned) for key, value in ours.items() if key != _EXTENSION}
        for key in ("modifierExtension", "id"):
            if key not in ours and key in theirs:
                merged[key] = theirs[key]
        extensions = _extensions(ours.get(_EXTENSION), theirs.get(_EXTENSION), owned)
        if extensions:
            merged[_EXTENSION] = extensions
        return merged
    if isinstance(ours, list) and isinstance(theirs, list):
        keyed = all(isinstance(one, dict) and _key(one) != (_plain(one),) for one in [*ours, *theirs])
        if keyed:
            return [_with_foreign(one, other, owned) for one, other in _paired(ours, theirs)]
        if len(ours) == len(theirs):
            return [_with_foreign(one, other, owned) for one, other in zip(ours, theirs, strict=True)]
    return ours
