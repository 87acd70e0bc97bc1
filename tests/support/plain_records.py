"""In: a subject as ``plain_feed`` reads them. Out: the cells that must stand in the SDTM package, domain by domain, as tuples: the course, and what was given.

Written from sdtm-mapping.md, clinical-spec.md and the registry record, without a line of the product; the trial's code is upper case.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from tests.support.plain_feed import (
    ATC,
    LUTATHERA,
    TERMS,
    Feed,
    PlainSubject,
    Resource,
    codes,
    completed_years,
    day_of,
    local,
    plain_number,
    study_day,
    when_of,
)

__all__ = [
    "collected",
    "demographics",
    "dispositions",
    "elements",
    "exposures",
    "failed_criteria",
    "medications",
    "procedures",
    "visit_of",
    "visits_of",
]

Cells = tuple[Any, ...]
_GIVEN: Final = ("completed", "stopped", "on-hold", "in-progress")
_ENDING: Final = ("withdrawn", "randomisation-failed", "died", "ended", "ineligible", "not-registered")
_ARMS: Final = {"experimental": "LUT2", "control": "OBS"}


# --- DM, DS, IE, SE, SV ------------------------------------------------------------------------------------------------


def demographics(feed: Feed, subject: PlainSubject) -> Cells:
    """USUBJID SUBJID RFSTDTC RFXSTDTC RFXENDTC RFICDTC RFPENDTC DTHDTC DTHFL SITEID AGE AGEU SEX ARMCD ACTARMCD ARMNRS DMDY."""
    given, died = _on_study(feed, subject), day_of(subject.patient.get("deceasedDateTime"))
    consented = subject.on("consented") or ""
    arm = _ARMS.get(subject.arm or "")
    return (
        subject.usubjid,
        subject.usubjid.removeprefix("RELUTH-"),
        subject.on("randomised"),
        min((local(when_of(one)) or "" for one in given), default=None),
        max((_end(one) or "" for one in given), default=None),
        consented,
        _over(subject),
        died,
        "Y" if died else None,
        "05",
        completed_years(subject.patient["birthDate"], consented),
        "YEARS",
        {"male": "M", "female": "F"}.get(subject.patient["gender"], "U"),
        arm,
        arm if (arm == "LUT2") == bool(given) else None,
        None if arm else "NOT ASSIGNED" if subject.on("registered") else "SCREEN FAILURE",
        study_day(consented, subject.on("randomised")),
    )


def _over(subject: PlainSubject) -> str | None:
    return next((one.on for one in reversed(subject.events) if one.kind in _ENDING), None)


_DISPOSITIONS: Final = {
    "consented": ("INFORMED CONSENT OBTAINED", "PROTOCOL MILESTONE"),
    "registered": ("REGISTERED", "PROTOCOL MILESTONE"),
    "randomised": ("RANDOMIZED", "PROTOCOL MILESTONE"),
    "ineligible": ("SCREEN FAILURE", "DISPOSITION EVENT"),
    "not-registered": ("WITHDRAWAL BY SUBJECT", "DISPOSITION EVENT"),
    "randomisation-failed": ("FAILURE TO MEET RANDOMIZATION CRITERIA", "DISPOSITION EVENT"),
    "treatment-over": ("COMPLETED", "DISPOSITION EVENT"),
    "progression": ("PROGRESSIVE DISEASE", "DISPOSITION EVENT"),
    "withdrawn": ("WITHDRAWAL BY SUBJECT", "DISPOSITION EVENT"),
    "died": ("DEATH", "DISPOSITION EVENT"),
    "ended": ("COMPLETED", "DISPOSITION EVENT"),
}


def dispositions(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID DSDECOD DSCAT DSSTDTC DSSTDY."""
    for event in subject.events:
        if event.kind in _DISPOSITIONS:
            yield subject.usubjid, *_DISPOSITIONS[event.kind], event.on, study_day(event.on, subject.on("randomised"))


def failed_criteria(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID IETESTCD IEORRES IEDTC."""
    for event in subject.events:
        if event.kind in ("ineligible", "randomisation-failed"):
            reason = event.reason or "-"
            kind, answer = {"I": ("INCL", "N"), "E": ("EXCL", "Y")}[reason[0]]
            yield subject.usubjid, kind + reason[1:], answer, event.on


def elements(subject: PlainSubject) -> list[Cells]:
    """USUBJID ETCD SESTDTC SEENDTC."""
    begun = {"SCRN": subject.on("consented"), "PRRT2": subject.on("cycle")}
    if subject.arm is not None:
        begun[_ARMS[subject.arm]] = subject.on("randomised")
    # The day on which the treatment is over, or the progression is seen, still belongs to what was before; who was never randomised
    # is not followed up.
    last = min((day for kind in ("treatment-over", "progression") if (day := subject.on(kind))), default=None)
    over = _over(subject)
    if last is not None and subject.arm is not None and (over is None or last < over):
        begun["FUP"] = _next_day(last)
    known = sorted((day, code) for code, day in begun.items() if day is not None)
    ends = [day for day, _ in known[1:]] + [over]
    return [(subject.usubjid, code, day, end) for (day, code), end in zip(known, ends, strict=True)]


def _next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


_VISITS: Final = {
    ("visit-screening", 1): "1",
    ("visit-cycle", 1): "2",
    ("visit-cycle", 2): "3",
    ("visit-screening", 2): "4",
    ("visit-cycle", 3): "5",
    ("visit-cycle", 4): "6",
    **{("visit-follow-up", number): str(6 + number) for number in range(1, 7)},
}


def visit_of(encounter: Resource) -> str | None:
    """Number of the visit that an encounter is."""
    kind = [c["code"] for t in encounter.get("type", ()) for c in t["coding"] if c["system"] == TERMS]
    number = [e["valueInteger"] for e in encounter.get("extension", ()) if e["url"] == "urn:reluth:extension:visit"]
    return _VISITS[kind[0], number[0]] if kind and number else None


def visits_of(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID VISITNUM SVOCCUR SVSTDTC SVENDTC SVSTDY: the encounters that were held, else the event that tells of it; N: called off."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for event in subject.events:
        key = {
            "registered": ("visit-screening", 1),
            "randomised": ("visit-screening", 2),
            "cycle": ("visit-cycle", event.cycle or 0),
            "visit": ("visit-follow-up", event.visit or 0),
        }.get(event.kind)
        if key is not None:
            found[_VISITS[key]] = event.on, event.on
    for encounter in subject.of("Encounter"):
        number = visit_of(encounter)
        if number is not None and encounter["status"] != "cancelled":
            found[number] = local(encounter["period"]["start"]), local(encounter["period"].get("end"))
    for number, (start, end) in found.items():
        yield subject.usubjid, number, "Y", start, end, study_day(start, subject.on("randomised"))
    called_off = {visit_of(one) for one in subject.of("Encounter") if one["status"] == "cancelled"} - {None, *found}
    for missed in called_off:
        yield subject.usubjid, missed, "N", None, None, None


# --- EX, EC, CM, PR ----------------------------------------------------------------------------------------------------


def _infusions(feed: Feed, subject: PlainSubject, *statuses: str) -> list[Resource]:
    return [
        one
        for one in subject.of("MedicationAdministration")
        if LUTATHERA in feed.product(one) and one["status"] in statuses
    ]


def _on_study(feed: Feed, subject: PlainSubject, *more: str) -> list[Resource]:
    start = subject.on("randomised") or "9999"
    return [one for one in _infusions(feed, subject, *_GIVEN, *more) if (day_of(when_of(one)) or "") >= start]


def _end(one: Resource) -> str | None:
    return local(one.get("effectivePeriod", {}).get("end") or when_of(one))


def _dose(one: Resource) -> tuple[str | None, str | None]:
    dose = one.get("dosage", {}).get("dose")
    return (plain_number(Decimal(dose["value"])), dose.get("code") or dose["unit"]) if dose else (None, None)


def exposures(feed: Feed, subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID EXDOSE EXDOSU EXSTDTC EXENDTC EXSTDY."""
    for one in _on_study(feed, subject):
        value, unit = _dose(one)
        given = plain_number(Decimal(value or "") / {"MBq": 1000, "GBq": 1}[unit or ""])
        start = local(when_of(one))
        yield subject.usubjid, given, "GBq", start, _end(one), study_day(start, subject.on("randomised"))


def collected(feed: Feed, subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID ECDOSE ECDOSU ECSTDTC ECOCCUR."""
    for one in _on_study(feed, subject, "not-done"):
        yield subject.usubjid, *_dose(one), local(when_of(one)), "N" if one["status"] == "not-done" else "Y"


def medications(feed: Feed, subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID CMCAT CMCLASCD CMDOSE CMDOSU CMSTDTC CMENDTC."""
    mine, registered = subject.usubjid, subject.on("registered") or "9999"
    during = {one["id"] for one in _on_study(feed, subject)}
    for one in _infusions(feed, subject, *_GIVEN):
        if one["id"] not in during:
            name = "FIRST PRRT" if (day_of(when_of(one)) or "") < registered else "SECOND PRRT"
            yield mine, name, LUTATHERA, *_dose(one), local(when_of(one)), _end(one)
    for one in subject.of("MedicationAdministration"):
        product = feed.product(one)
        if LUTATHERA not in product and one["status"] in _GIVEN:
            code = next((each for each in product if each.startswith("H01")), None)
            yield mine, "GENERAL", code, *_dose(one), local(when_of(one)), _end(one)
    for one in subject.of("MedicationRequest"):
        if LUTATHERA not in feed.product(one):
            doses = [each for told in one.get("dosageInstruction", ()) for each in told.get("doseAndRate", ())]
            dose = _dose({"dosage": {"dose": doses[0]["doseQuantity"]}} if doses else {})
            (code,) = codes(one, ATC, "medicationCodeableConcept")
            yield mine, "GENERAL", code, *dose, local(one["authoredOn"]), None


def procedures(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID PRTRT PRSTDTC PRSTDY."""
    names = {
        "ct-thorax-abdomen-pelvis": "CT OF CHEST, ABDOMEN AND PELVIS",
        "sstr-pet-68ga": "68GA SOMATOSTATIN RECEPTOR PET",
    }
    told = {one["procedureReference"]["reference"] for one in subject.of("ImagingStudy") if "procedureReference" in one}
    for one in (*subject.of("Procedure"), *subject.of("ImagingStudy")):
        if one["resourceType"] == "ImagingStudy":
            concepts = one.get("procedureCode", ())
            named = [code for concept in concepts for code in codes({"code": concept}, TERMS)]
            if one.get("procedureReference", {}).get("reference") in told:
                continue
        else:
            named = codes(one, TERMS)
        start = local(when_of(one))
        if named and named[0] in names:
            yield subject.usubjid, names[named[0]], start, study_day(start, subject.on("randomised"))
