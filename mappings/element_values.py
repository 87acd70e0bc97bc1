"""In: elements of a foreign resource. Out: the values of entities that stand in them, or a `MappingError` with their path.

What laboratory results and infusions are read by alike, and the few elements that both write in one way.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

from adapter.fhir import Json
from adapter.terminology.coded import UCUM
from mappings.elements import SUBJECT_SYSTEM, extension
from mappings.entities import Coding, EntityError, Identifier
from mappings.foreign import Element

__all__ = [
    "amount_in",
    "coding_of",
    "exact_amount",
    "identified",
    "made",
    "main_identifier",
    "part",
    "patient_of",
    "preferred_coding",
    "pseudonym",
    "pseudonym_of",
    "resources_of",
    "words_of",
]

_T = TypeVar("_T")
_AS_IT_IS: Final = Decimal(1)


def resources_of(mapped: Json) -> list[Element]:
    """The resource itself, or those of a Bundle, each with its own reference and paths that begin in it."""
    whole = Element(mapped)
    if whole.text("resourceType") != "Bundle":
        return [whole]
    found = [entry.child("resource") for entry in whole.children("entry")]
    return [Element(one.content) for one in found if one is not None]


def made(element: Element, kind: type[_T], **told: object) -> _T:
    """A value of an entity; what it refuses is a fault of the element it was told by."""
    try:
        return kind(**told)
    except EntityError as error:
        raise element.fail(error.field, error.problem) from None


def main_identifier(resource: Element) -> Identifier:
    """The identifier that an entity is known by, wherever a server has put it in the list.

    The mappers write theirs as official, so that it is told from those that a hospital adds; the first one of a resource
    that has no official one.
    """
    listed = [one for one in resource.children("identifier") if one.has("system") and one.has("value")]
    official = [one for one in listed if one.content.get("use") == "official"]
    if not listed:
        raise resource.fail("identifier", "one with a system and a value is wanted")
    if len(official) > 1:
        raise resource.fail("identifier", "more than one is official")
    return _identifier(official[0] if official else listed[0])


def identified(reference: Element) -> Identifier:
    """Who is meant by a Reference, by the identifier in it."""
    found = reference.child("identifier")
    if found is None:
        raise reference.fail("identifier", "is missing: a literal reference alone tells nothing outside its server")
    return _identifier(found)


def patient_of(resource: Element) -> Identifier:
    """The hospital's own number of the person a resource speaks of."""
    subject = resource.child("subject")
    if subject is None:
        raise resource.fail("subject", "is missing")
    if subject.text("type") not in (None, "Patient"):
        raise subject.fail("type", "a Patient is wanted")
    return identified(subject)


def coding_of(element: Element) -> Coding:
    """A Coding, which has to have both a system and a code."""
    return made(
        element, Coding, system=element.needed("system"), code=element.needed("code"), display=element.text("display")
    )


def preferred_coding(concept: Element, *, system: str) -> Coding:
    """The Coding of a system where a CodeableConcept has one, else its first."""
    listed = concept.children("coding")
    if not listed:
        raise concept.fail("coding", "is missing")
    return coding_of(next((one for one in listed if one.content.get("system") == system), listed[0]))


def words_of(concept: Element) -> str:
    """What a CodeableConcept says in words: its text, else what the first code that has a display shows."""
    found = concept.text("text")
    for one in concept.children("coding"):
        found = found if found is not None else one.text("display")
    if found is None:
        raise concept.fail("text", "is missing")
    return found


def amount_in(quantity: Element, factors: Mapping[str, Decimal], *, wanted: str) -> Decimal:
    """An exact amount in the unit that the factors lead to.

    Args:
        quantity: the Quantity.
        factors: by the UCUM codes that are read.
        wanted: the units in words, for whoever sent another one.
    """
    value = exact_amount(quantity)
    factor = factors.get(quantity.needed("code")) if quantity.text("system") == UCUM else None
    if factor is None:
        raise quantity.fail("code", f"{wanted} is wanted, as a UCUM code")
    # A product is rounded to the context's digits; what needs no conversion stays as it was written.
    return value if factor == _AS_IT_IS else value * factor


def exact_amount(quantity: Element) -> Decimal:
    """The number of a Quantity, whatever its unit."""
    if quantity.has("comparator"):
        raise quantity.fail("comparator", "an exact amount is wanted")
    value = quantity.decimal("value")
    if value is None:
        raise quantity.fail("value", "is missing")
    return value


def part(complex_extension: Element, name: str) -> Element | None:
    """An extension within one of ours; its url is the bare name (R4 extensibility.html: relative inside a complex one)."""
    return next((one for one in complex_extension.children("extension") if one.content.get("url") == name), None)


def pseudonym(subject: str) -> Json:
    """Extension ``subject`` (Identifier): the trial's pseudonym, kept apart from the numbers of the hospital's Patient."""
    return extension("subject", "Identifier", {"system": SUBJECT_SYSTEM, "value": subject})


def pseudonym_of(resource: Element) -> str | None:
    """The trial's pseudonym that a resource of ours carries."""
    found = resource.extension("subject")
    value = found.child("valueIdentifier") if found else None
    if found is not None and value is None:
        raise found.fail("valueIdentifier", "is missing")
    return value.needed("value") if value is not None else None


def _identifier(element: Element) -> Identifier:
    return made(element, Identifier, system=element.needed("system"), value=element.needed("value"))
