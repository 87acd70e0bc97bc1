"""In: who a study consists of: numbers, contacts, arms, sites. Out: their FHIR elements, and the same read back.

Each writer has its reader beside it; what the aims and criteria are is in `study_aims`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final, TypeVar

from adapter.fhir import Json
from mappings.elements import extension, identifier, without_empty
from mappings.entities import (
    Arm,
    ArmKind,
    Contact,
    EntityError,
    Identifier,
    Recruitment,
    Site,
    Study,
    StudyIdentifier,
)
from mappings.foreign import Element

__all__ = [
    "COUNTRIES",
    "GENERAL_CONTACT",
    "LEAD_SPONSOR",
    "STUDY_CHAIR",
    "arm",
    "arm_link",
    "coded",
    "comparison_group",
    "contact_detail",
    "contact_party",
    "country",
    "identifiers",
    "lead_parties",
    "one_of",
    "party_name",
    "place_of",
    "read_arm",
    "read_coded",
    "read_comparison_group",
    "read_contact",
    "read_contact_party",
    "read_country",
    "read_identifiers",
    "read_site",
    "role_of",
    "study_site",
]

#: R4 valueset-iso3166-1-2.html
COUNTRIES: Final = "urn:iso:std:iso:3166"
#: R5 valueset-research-study-party-role.html
PARTY_ROLE: Final = "http://hl7.org/fhir/research-study-party-role"
GENERAL_CONTACT: Final = "general-contact"
LEAD_SPONSOR: Final = "lead-sponsor"
STUDY_CHAIR: Final = "study-chair"
#: R5 valueset-research-study-arm-type.html; R4 has no codes for it.
_ARM_TYPE: Final = "http://hl7.org/fhir/research-study-arm-type"
_ARM_TYPES: Final[Mapping[ArmKind, str]] = {
    ArmKind.EXPERIMENTAL: "experimental",
    ArmKind.ACTIVE_COMPARATOR: "active-comparator",
    ArmKind.PLACEBO_COMPARATOR: "placebo-comparator",
    ArmKind.SHAM_COMPARATOR: "sham-comparator",
    ArmKind.NO_INTERVENTION: "no-intervention",
    ArmKind.OTHER: "other-arm-type",
}
#: R4 datatypes.html#id
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")

_Code = TypeVar("_Code", bound=StrEnum)


@contextmanager
def place_of(element: Element) -> Iterator[None]:
    """An entity's refusal within becomes a `MappingError` at the element."""
    try:
        yield
    except EntityError as error:
        raise element.fail(error.field, error.problem) from None


def one_of(element: Element, name: str, codes: type[_Code]) -> _Code:
    """A code of a closed list that has to be there."""
    code = element.needed(name)
    try:
        return codes(code)
    except ValueError:
        raise element.fail(name, "is none of the codes that are known") from None


# --- codes and countries -------------------------------------------------------------------------------------------


def coded(code: str | None, system: str, known: frozenset[str]) -> Json:
    """A CodeableConcept; a code that the system does not have stands as text, for it would be an invented one."""
    if code is None:
        return {}
    return {"coding": [{"system": system, "code": code}]} if code in known else {"text": code}


def read_coded(resource: Element, name: str, system: str) -> str | None:
    """The code of the system, else the text."""
    concept = resource.child(name)
    if concept is None:
        return None
    found = (one.text("code") for one in concept.children("coding") if one.text("system") == system)
    return next((code for code in found if code is not None), None) or concept.text("text")


def country(code: str | None) -> list[Json]:
    """A list of one CodeableConcept."""
    return [] if code is None else [{"coding": [{"system": COUNTRIES, "code": code}]}]


def read_country(resource: Element, name: str) -> str | None:
    """The first country; None where a region is told in another way."""
    for concept in resource.children(name):
        for one in concept.children("coding"):
            if one.text("system") == COUNTRIES:
                return one.text("code")
    return None


# --- identifiers ---------------------------------------------------------------------------------------------------


def identifiers(numbers: tuple[StudyIdentifier, ...]) -> list[Json]:
    """Identifiers, each with its use."""
    return [
        without_empty(
            {
                "use": one.use,
                "type": {"text": one.type} if one.type is not None else None,
                "system": one.system,
                "value": one.value,
                "assigner": {"display": one.assigner} if one.assigner is not None else None,
            }
        )
        for one in numbers
    ]


def read_identifiers(resource: Element) -> tuple[StudyIdentifier, ...]:
    """The numbers in force. A hospital may have added its own: the first official one stays official, or else the first of all."""
    listed = [
        one for one in resource.children("identifier") if one.has("value") and one.text("use") not in ("old", "temp")
    ]
    official = next((one for one in listed if one.text("use") == "official"), listed[0] if listed else None)
    if official is None:
        raise resource.fail("identifier", "is missing")
    found: dict[tuple[str | None, str], StudyIdentifier] = {}
    # The official one first, so that a copy of it cannot take its place.
    for one in (official, *listed):
        kind, assigner = one.child("type"), one.child("assigner")
        with place_of(one):
            number = StudyIdentifier(
                value=one.needed("value"),
                use="official" if one is official else "secondary",
                system=one.text("system"),
                type=kind.text("text") if kind else None,
                assigner=assigner.text("display") if assigner else None,
            )
        found.setdefault((number.system, number.value), number)
    order = [(one.text("system"), one.needed("value")) for one in listed]
    return tuple(found[key] for key in dict.fromkeys(order))


# --- contacts ------------------------------------------------------------------------------------------------------


def contact_detail(contact: Contact, *, named: bool = True) -> Json:
    """A ContactDetail; ``named`` is False where its name stands elsewhere."""
    telecom = [
        {"system": system, "value": value}
        for system, value in (("phone", contact.phone), ("email", contact.email))
        if value is not None
    ]
    # ContactDetail has no place for a role.
    role = [extension("contact-role", "String", contact.role)] if contact.role is not None else []
    return without_empty({"extension": role, "name": contact.name if named else None, "telecom": telecom})


def read_contact(detail: Element, *, name: str | None = None) -> Contact:
    """A contact from a ContactDetail; ``name`` where it stands elsewhere."""
    role = detail.extension("contact-role")
    telecom = [(one.text("system"), one.text("value")) for one in detail.children("telecom")]
    with place_of(detail):
        return Contact(
            name=name if name is not None else detail.needed("name"),
            role=role.needed("valueString") if role else None,
            phone=next((value for system, value in telecom if system == "phone"), None),
            email=next((value for system, value in telecom if system == "email"), None),
        )


# --- parties -------------------------------------------------------------------------------------------------------


def _associated(name: str, role: str) -> Json:
    return {"name": name, "role": {"coding": [{"system": PARTY_ROLE, "code": role}]}}


def lead_parties(study: Study) -> list[Json]:
    """R5 associatedParty: who is responsible, and who leads."""
    leading = ((study.sponsor, LEAD_SPONSOR), (study.principal_investigator, STUDY_CHAIR))
    return [_associated(name, role) for name, role in leading if name is not None]


def contact_party(contact: Contact) -> Json:
    """R5 associatedParty: who to ask. R5 dropped R4's contact, and a party has no telephone."""
    detail = contact_detail(contact, named=False)
    return without_empty(
        {
            "extension": [extension("contact-detail", "ContactDetail", detail)] if detail else [],
            **_associated(contact.name, GENERAL_CONTACT),
        }
    )


def role_of(party: Element) -> str | None:
    """The part that an associatedParty plays."""
    role = party.child("role")
    found = (one.text("code") for one in role.children("coding") if one.text("system") == PARTY_ROLE) if role else ()
    return next((code for code in found if code is not None), None)


def party_name(party: Element) -> str | None:
    """The name of an associatedParty, or of the resource that it points to."""
    reference = party.child("party")
    return party.text("name") or (reference.text("display") if reference else None)


def read_contact_party(party: Element) -> Contact:
    """A contact from an associatedParty."""
    name, holder = party_name(party), party.extension("contact-detail")
    if name is None:
        raise party.fail("name", "is missing")
    detail = holder.child("valueContactDetail") if holder else None
    if detail is not None:
        return read_contact(detail, name=name)
    with place_of(party):
        return Contact(name=name)


# --- arms ----------------------------------------------------------------------------------------------------------


def arm_link(name: str) -> str:
    """R5 comparisonGroup.linkId of an arm, which a ResearchSubject's assignedComparisonGroup repeats.

    The arm's name where FHIR allows it as an id, else one made of it.

    >>> arm_link("control"), arm_link("bras témoin")
    ('control', 'arm-04816c3a4bff2bce')
    """
    return name if _ID.fullmatch(name) else f"arm-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def arm(value: Arm) -> Json:
    """R4 arm: subjects are assigned to its name, hence the words for a reader stand in an extension."""
    label = [extension("arm-label", "String", value.label)] if value.label != value.name else []
    return without_empty(
        {
            "extension": label,
            "name": value.name,
            "type": {"text": value.kind.value},
            "description": value.description,
        }
    )


def read_arm(element: Element) -> Arm:
    """An R4 arm."""
    name, label = element.needed("name"), element.extension("arm-label")
    with place_of(element):
        return Arm(
            name=name,
            label=label.needed("valueString") if label else name,
            kind=_arm_kind(element),
            description=element.needed("description"),
        )


def comparison_group(value: Arm) -> Json:
    """R5 comparisonGroup."""
    link = arm_link(value.name)
    name = [extension("arm-name", "String", value.name)] if link != value.name else []
    return without_empty(
        {
            "extension": name,
            "linkId": link,
            "name": value.label,
            "type": {"coding": [{"system": _ARM_TYPE, "code": _ARM_TYPES[value.kind]}], "text": value.kind.value},
            "description": value.description,
        }
    )


def read_comparison_group(element: Element) -> Arm:
    """An R5 comparisonGroup; its linkId is optional in R5."""
    label, name = element.needed("name"), element.extension("arm-name")
    with place_of(element):
        return Arm(
            name=name.needed("valueString") if name else element.text("linkId") or label,
            label=label,
            kind=_arm_kind(element),
            description=element.needed("description"),
        )


def _arm_kind(element: Element) -> ArmKind:
    """What an arm is; never guessed, for it tells a treated subject from an observed one."""
    concept = element.child("type")
    if concept is None:
        raise element.fail("type", "is missing")
    text = concept.text("text")
    codes = {one.text("code") for one in concept.children("coding") if one.text("system") == _ARM_TYPE}
    for kind, code in _ARM_TYPES.items():
        if kind.value == text or code in codes:
            return kind
    raise element.fail("type", "is none of the types that are known")


# --- sites ---------------------------------------------------------------------------------------------------------


def study_site(value: Site) -> Json:
    """A Reference to a Location.

    A Location that the hospital has is not ours to make, and 28 contained ones would be copies without an identity: the
    reference names the site by identifier and display, and what only this study says of it stands in extensions.
    """
    return without_empty(
        {
            "extension": [
                extension("site-name", "String", value.name),
                extension("site-address", "Address", {"city": value.city, "country": value.country}),
                extension("recruitment-status", "Code", value.recruitment.value),
                *([extension("site-code", "String", value.code)] if value.code is not None else []),
                *(
                    [extension("site-contact", "ContactDetail", contact_detail(value.contact))]
                    if value.contact is not None
                    else []
                ),
            ],
            "type": "Location",
            "identifier": identifier(value.identifier) if value.identifier is not None else None,
            "display": f"{value.name}, {value.city}",
        }
    )


def read_site(element: Element) -> Site:
    """A site of ours; what a hospital adds to the list without name, place and status is no site that we could tell."""
    address = _needed_extension(element, "site-address").child("valueAddress")
    if address is None:
        raise element.fail("extension", "the site has no address")
    code, contact = element.extension("site-code"), element.extension("site-contact")
    detail = contact.child("valueContactDetail") if contact else None
    with place_of(element):
        return Site(
            name=_needed_extension(element, "site-name").needed("valueString"),
            city=address.needed("city"),
            country=address.needed("country"),
            recruitment=one_of(_needed_extension(element, "recruitment-status"), "valueCode", Recruitment),
            code=code.needed("valueString") if code else None,
            identifier=_identifier(element),
            contact=read_contact(detail) if detail else None,
        )


def _needed_extension(element: Element, name: str) -> Element:
    found = element.extension(name)
    if found is None:
        raise element.fail("extension", f"{name} is missing")
    return found


def _identifier(element: Element) -> Identifier | None:
    found = element.child("identifier")
    if found is None or not found.has("system") or not found.has("value"):
        return None
    return Identifier(system=found.needed("system"), value=found.needed("value"))
