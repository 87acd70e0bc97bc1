"""In: a subject as ``plain_feed`` reads them. Out: the cells that must stand in the findings and events domains of the SDTM package.

The companion of ``plain_records``, which has the subject's course and what was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from tests.support.plain_feed import (
    ICD10,
    LOINC,
    LUTATHERA,
    TERMS,
    USED,
    Feed,
    Lab,
    PlainSubject,
    Resource,
    codes,
    day_of,
    local,
    plain_number,
    result_of,
    study_day,
    when_of,
)

__all__ = [
    "adverse_events",
    "conditions",
    "earlier_events",
    "lesions",
    "limit_cells",
    "measurements",
    "responses",
    "result_cells",
    "vital_signs",
]

Cells = tuple[Any, ...]
_SCT: Final = "http://snomed.info/sct"


# --- LB, VS, RS, TU, TR ------------------------------------------------------------------------------------------------


def _text(number: Decimal | None) -> str | None:
    return None if number is None else plain_number(number)


def result_cells(one: Resource, lab: Lab) -> Cells:
    """LBORRES LBSTRESC LBSTRESN LBSTRESU LBSTAT."""
    found = result_of(one, lab)
    standard = found.standard(found.number, found.unit)
    received = None if found.number is None else f"{found.comparator}{found.number:f}"
    return (
        received,
        None if standard is None else found.comparator + plain_number(standard),
        None if found.comparator else _text(standard),
        None if standard is None else lab.unit,
        "NOT DONE" if received is None else None,
    )


def limit_cells(one: Resource, lab: Lab) -> Cells:
    """LBORNRLO LBORNRHI LBSTNRLO LBSTNRHI LBNRIND."""
    found = result_of(one, lab)
    return (
        None if found.low is None else f"{found.low:f}",
        None if found.high is None else f"{found.high:f}",
        _text(found.standard(found.low, found.range_unit)),
        _text(found.standard(found.high, found.range_unit)),
        found.indicator,
    )


def vital_signs(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID VSTESTCD VSORRES VSORRESU VSDTC VSDY."""
    names = {"8480-6": "SYSBP", "8462-4": "DIABP", "29463-7": "WEIGHT", "8302-2": "HEIGHT"}
    for one in subject.of("Observation"):
        for part in (one, *one.get("component", ())):
            for code in codes(part, LOINC):
                if code in names and one["status"] in USED:
                    quantity, when = part["valueQuantity"], local(when_of(one))
                    unit = {"mm[Hg]": "mmHg", "mm Hg": "mmHg"}.get(u := quantity.get("code", quantity["unit"]), u)
                    day = study_day(when, subject.on("randomised"))
                    yield subject.usubjid, names[code], f"{Decimal(quantity['value']):f}", unit, when, day


_ECOG: Final = {f"LA{number}": str(score) for score, number in enumerate(("9622-7", "9623-5", "9624-3", "9625-0"))}
_STATUS: Final = {
    "268910001": "IMPROVED",
    "359746009": "STABLE",
    "271299001": "WORSENED",
    "709137006": "NOT DETERMINED",
}
_RECIST: Final = {
    "recist-response": "OVRLRESP",
    "recist-target-response": "TRGRESP",
    "recist-non-target-response": "NTRGRESP",
}


def _answer(one: Resource) -> str | None:
    for system in (TERMS, LOINC, _SCT):
        found = codes(one, system, "valueCodeableConcept")
        if found:
            return found[0]
    value = one.get("valueInteger", one.get("valueString"))
    return None if value is None else str(value)


def responses(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID RSTESTCD RSORRES RSDTC RSDY."""
    for one in subject.of("Observation"):
        if one["status"] not in USED:
            continue
        answer, when = _answer(one) or "", local(when_of(one))
        found = None
        if "89247-1" in codes(one, LOINC):
            found = "ECOG101", _ECOG.get(answer, answer)
        elif "97509-4" in codes(one, LOINC):
            found = "DISSTAT", _STATUS[answer]
        else:
            for code in codes(one, TERMS):
                if code in _RECIST:
                    found = _RECIST[code], answer.replace("NON-CR-NON-PD", "NON-CR/NON-PD")
        if found is not None:
            yield subject.usubjid, *found, when, study_day(when, subject.on("randomised"))


_BODY_SITE: Final = "http://hl7.org/fhir/StructureDefinition/bodySite"


def _lesion(feed: Feed, one: Resource) -> Resource | None:
    for extension in one.get("extension", ()):
        if extension["url"] == _BODY_SITE:
            id_ = extension["valueReference"]["reference"].partition("/")[2]
            return feed.resources["BodyStructure", id_]
    return None


def _label(lesion: Resource | None) -> str | None:
    return None if lesion is None else str(lesion["identifier"][0]["value"])


def lesions(feed: Feed, subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID TUSPID TUORRES TULOC TUDTC: each lesion on the day on which it was first measured or seen."""
    first: dict[str, str] = {}
    for one in subject.of("Observation"):
        lesion, when = _lesion(feed, one), local(when_of(one)) or ""
        if lesion is not None and {"lesion-longest-diameter", "lesion-state"} & set(codes(one, TERMS)):
            first[lesion["id"]] = min(first.get(lesion["id"], when), when)
    for id_, when in first.items():
        lesion = feed.resources["BodyStructure", id_]
        kind = codes(lesion, TERMS, "morphology")[0].removeprefix("lesion-").upper()
        place = codes(lesion, TERMS, "location")[0].removeprefix("site-").replace("-", " ").upper()
        yield subject.usubjid, _label(lesion), kind, place, when


def measurements(feed: Feed, subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID TRTESTCD lesion TRORRES TRORRESU TRDTC."""
    names = {
        "lesion-longest-diameter": ("LDIAM", "mm"),
        "lesion-sum-of-diameters": ("SUMDIAM", "mm"),
        "lesion-state": ("TUMSTATE", None),
        "sstr-suvmax": ("SUVMAX", None),
        "sstr-positive-percent": ("SSTRPCT", "%"),
        "krenning-score": ("KRENNING", None),
        "lesion-count": ("LESCOUNT", None),
    }
    for one in subject.of("Observation"):
        for code in codes(one, TERMS):
            if code in names and one["status"] in USED:
                test, unit = names[code]
                quantity = one.get("valueQuantity")
                value = f"{Decimal(quantity['value']):f}" if quantity else (_answer(one) or "").upper()
                found = {"NEW": "PRESENT"}.get(value, value)
                yield subject.usubjid, test, _label(_lesion(feed, one)), found, unit, local(when_of(one))


# --- AE, MH ------------------------------------------------------------------------------------------------------------

_OUTCOMES: Final = {
    "resolved": "RECOVERED/RESOLVED",
    "recovering": "RECOVERING/RESOLVING",
    "ongoing": "NOT RECOVERED/NOT RESOLVED",
    "resolvedWithSequelae": "RECOVERED/RESOLVED WITH SEQUELAE",
    "fatal": "FATAL",
}
_CAUSES: Final = {"Certain": "CERTAIN", "Probably-Likely": "PROBABLE", "Possible": "POSSIBLE", "Unlikely": "UNLIKELY"}


def adverse_events(feed: Feed, subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID AETERM AETOXGR AESER AESHOSP AESDTH AEOUT AEREL AESTDTC AEENDTC AESTDY."""
    for one in subject.of("AdverseEvent"):
        if _is_earlier(one, subject):
            continue
        told = {extension["url"].rpartition("/")[2]: extension for extension in one["extension"]}
        grade = told["urn:reluth:adverse-event-grade"]["valueInteger"]
        period = told["extension-AdverseEvent.occurrence"]["valuePeriod"]
        (serious,) = (coding["code"] for coding in one["seriousness"]["coding"])
        (outcome,) = (coding["code"] for coding in one["outcome"]["coding"])
        start = local(period["start"])
        yield (
            subject.usubjid,
            codes(one, TERMS, "event")[0].removeprefix("ae-").replace("-", " ").upper(),
            str(grade),
            "N" if serious == "Non-serious" else "Y",
            "Y" if serious == "SeriousResultsInHospitalization" else None,
            "Y" if serious == "SeriousResultsInDeath" else None,
            _OUTCOMES[outcome],
            _relation(feed, one),
            start,
            local(period.get("end")),
            study_day(start, subject.on("randomised")),
        )


def _is_earlier(one: Resource, subject: PlainSubject) -> bool:
    return (day_of(one["date"]) or "") < (subject.on("consented") or "")


def earlier_events(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID MHTERM MHSTDTC MHENDTC of adverse events before the consent."""
    for one in subject.of("AdverseEvent"):
        if _is_earlier(one, subject):
            (period,) = (each["valuePeriod"] for each in one["extension"] if "valuePeriod" in each)
            term = codes(one, TERMS, "event")[0].removeprefix("ae-").replace("-", " ").upper()
            yield subject.usubjid, term, period["start"], period.get("end")


def _relation(feed: Feed, one: Resource) -> str | None:
    for suspect in one.get("suspectEntity", ()):
        type_, _, id_ = suspect["instance"]["reference"].partition("/")
        if LUTATHERA in feed.product(feed.resources[type_, id_]):
            (code,) = (coding["code"] for coding in suspect["causality"][0]["assessment"]["coding"])
            return _CAUSES[code]
    return None


def conditions(subject: PlainSubject) -> Iterator[Cells]:
    """USUBJID, code of ICD-10 (SUPPMH), MHDTC MHSTDTC MHENDTC MHENRTPT."""
    registered = subject.on("registered") or "9999"
    for one in subject.of("Condition"):
        onset = local(one.get("onsetDateTime") or one.get("onsetPeriod", {}).get("start"))
        recorded, end = local(one.get("recordedDate")), local(one.get("abatementDateTime"))
        status = codes(one, "http://terminology.hl7.org/CodeSystem/condition-clinical", "clinicalStatus")
        verified = codes(one, "http://terminology.hl7.org/CodeSystem/condition-ver-status", "verificationStatus")
        if (onset or recorded or "")[:10] <= registered and not {"refuted", "entered-in-error"} & set(verified):
            going = "ONGOING" if {"active", "recurrence", "relapse"} & set(status) and end is None else None
            code = codes(one, ICD10)
            yield subject.usubjid, code[0] if code else None, recorded, onset, end, going
