"""In: what was given, when and how, as values. Out: the elements of a MedicationAdministration that say it, and back.

An infusion and its amino acids are written alike here, as far as R4 and R5 name things differently: R5 has one ``medication``
(CodeableReference) in place of two elements, and ``occurence[x]``, spelt with one r, in place of ``effective[x]``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapter.fhir import FhirVersion, Json, parse_when
from mappings.element_values import amount_in, made, preferred_coding, words_of
from mappings.elements import concept, extension, quantity, without_empty
from mappings.entities import Batch, Coding
from mappings.foreign import Element

__all__ = [
    "ACTIVITY",
    "ATC",
    "SNOMED",
    "Dose",
    "activity",
    "dose_in",
    "dose_of",
    "medication",
    "medication_in",
    "product",
    "product_in",
    "time_name",
    "times",
    "times_in",
]

ATC: Final = "http://www.whocc.no/atc"
SNOMED: Final = "http://snomed.info/sct"
#: MBq by the units that activities are told in (clinical-spec.md section 5).
ACTIVITY: Final[Mapping[str, Decimal]] = {"MBq": Decimal(1), "GBq": Decimal(1000), "mCi": Decimal(37)}
_RATE: Final[Mapping[str, Decimal]] = {"mL/h": Decimal(1)}
_WITH_TIME: Final = len("2025-07-10T")
#: Id of the contained Medication, as in the example resources.
_CONTAINED: Final = "m"


# --- when ----------------------------------------------------------------------------------------------------------


def time_name(version: FhirVersion) -> str:
    """What the time of a MedicationAdministration is called, before its type."""
    return "occurence" if version is FhirVersion.R5 else "effective"


def times(name: str, start: str, end: str | None) -> tuple[Json, list[Json]]:
    """The element that tells from when to when, and extension ``end`` (dateTime) where a Period cannot.

    Without an end it is a dateTime: a Period without one would say that it still goes on. A Period whose ends are not told
    equally exactly breaks its invariant in R4 (per-1: a day and a time of day do not compare).
    """
    if end is None:
        return {f"{name}DateTime": start}, []
    first, last = parse_when(start), parse_when(end)
    alike = (len(start) >= _WITH_TIME) is (len(end) >= _WITH_TIME)
    if first is not None and last is not None and alike and first.start <= last.start:
        return {f"{name}Period": {"start": start, "end": end}}, []
    return {f"{name}DateTime": start}, [extension("end", "DateTime", end)]


def times_in(resource: Element) -> tuple[str, str | None]:
    """Beginning and end of a MedicationAdministration of any version."""
    name = next(
        (one for one in ("effective", "occurence") if any(key.startswith(one) for key in resource.content)), None
    )
    if name is None:
        raise resource.fail("effective[x]", "is missing")
    moment, period = resource.text(f"{name}DateTime"), resource.child(f"{name}Period")
    if (moment is None) is (period is None):
        raise resource.fail(f"{name}[x]", "one dateTime or one Period is wanted")
    ending = resource.extension("end")
    if period is not None:
        return period.needed("start"), period.text("end")
    return moment or "", ending.needed("valueDateTime") if ending is not None else None


# --- what ----------------------------------------------------------------------------------------------------------


def medication(version: FhirVersion, what: Json) -> Json:
    """The element that tells a medication as a concept."""
    return {"medication": {"concept": what}} if version is FhirVersion.R5 else {"medicationCodeableConcept": what}


def medication_in(resource: Element) -> tuple[Element, Element | None]:
    """The concept that tells what was given, and the contained Medication where it is told by one."""
    either = resource.child("medication")
    told = either.child("concept") if either is not None else resource.child("medicationCodeableConcept")
    if told is not None:
        return told, None
    reference = either.child("reference") if either is not None else resource.child("medicationReference")
    if reference is None:
        raise resource.fail("medication[x]", "is missing")
    wanted = reference.needed("reference")
    for one in resource.children("contained"):
        if one.text("resourceType") == "Medication" and wanted == f"#{one.text('id')}":
            code = one.child("code")
            if code is None:
                raise one.fail("code", "is missing")
            return code, one
    raise reference.fail("reference", "a Medication that is contained is wanted")


def product(version: FhirVersion, what: Json, batch: Batch | None) -> Json:
    """The elements that tell a product: with its batch a contained Medication, else a concept."""
    if batch is None:
        return medication(version, what)
    lot = without_empty({"lotNumber": batch.number, "expirationDate": batch.expires})
    contained = {"resourceType": "Medication", "id": _CONTAINED, "code": what, "batch": lot}
    reference = {"reference": f"#{_CONTAINED}"}
    if version is FhirVersion.R5:
        return {"contained": [contained], "medication": {"reference": reference}}
    return {"contained": [contained], "medicationReference": reference}


def product_in(resource: Element) -> tuple[Coding, str | None, Batch | None]:
    """A product, its text and its batch; the ATC code where there are several (clinical-spec.md section 6)."""
    what, contained = medication_in(resource)
    lot = contained.child("batch") if contained is not None else None
    batch = made(lot, Batch, number=lot.needed("lotNumber"), expires=lot.text("expirationDate")) if lot else None
    return preferred_coding(what, system=ATC), what.text("text"), batch


# --- how -----------------------------------------------------------------------------------------------------------


def activity(amount: Decimal | None) -> Json:
    """An activity in MBq; empty without one."""
    return quantity(amount, "MBq")


class Dose:
    """How an infusion was given.

    Args:
        given: activity, MBq.
        rate: mL/h.
        route: as a code.
        site: in words.
    """

    def __init__(self, given: Decimal | None, rate: Decimal | None, *, route: Coding | None, site: str | None) -> None:
        self.given = given
        self.rate = rate
        self.route = route
        self.site = site


def dose_of(dose: Dose) -> tuple[Json, list[Json]]:
    """The ``dosage``, or where it may not be (mad-1: it needs a dose or a rate) extensions ``route``, ``body-site``.

    Both extensions are CodeableConcepts.
    """
    route = concept(dose.route) if dose.route is not None else {}
    site = concept(text=dose.site)
    if dose.given is None and dose.rate is None:
        told = (("route", route), ("body-site", site))
        return {}, [extension(name, "CodeableConcept", value) for name, value in told if value]
    return without_empty(
        {"site": site, "route": route, "dose": activity(dose.given), "rateQuantity": quantity(dose.rate, "mL/h")}
    ), []


def dose_in(resource: Element) -> Dose:
    """How an infusion was given, from its ``dosage`` or our extensions."""
    told = resource.child("dosage")
    if told is not None and told.has("rateRatio"):
        raise told.fail("rateRatio", "a rate in mL/h is wanted (rateQuantity)")
    given, rate = (told.child("dose"), told.child("rateQuantity")) if told is not None else (None, None)
    route = _concept_in(told, "route") or _concept_in(resource.extension("route"), "valueCodeableConcept")
    site = _concept_in(told, "site") or _concept_in(resource.extension("body-site"), "valueCodeableConcept")
    return Dose(
        amount_in(given, ACTIVITY, wanted="MBq, GBq or mCi") if given is not None else None,
        amount_in(rate, _RATE, wanted="mL/h") if rate is not None else None,
        route=preferred_coding(route, system=SNOMED) if route is not None else None,
        site=words_of(site) if site is not None else None,
    )


def _concept_in(within: Element | None, name: str) -> Element | None:
    return within.child(name) if within is not None else None
