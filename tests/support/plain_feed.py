"""In: a folder of FHIR NDJSON as a hospital hands it over. Out: its subjects and what an SDTM package must say of their records.

A second reading of the same feed, with the standard library alone: nothing of the product is imported, so that one mistake cannot be
made twice. Factors and normal limits are those of the trial's eligibility.yaml, written here a second time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

__all__ = [
    "ATC",
    "ICD10",
    "LOINC",
    "LUTATHERA",
    "TERMS",
    "USED",
    "Feed",
    "Lab",
    "PlainSubject",
    "Resource",
    "codes",
    "completed_years",
    "day_of",
    "has_text_range_only",
    "labs_of",
    "local",
    "person_of",
    "plain_number",
    "result_of",
    "spelt",
    "study_day",
    "when_of",
]

Resource = dict[str, Any]

LOINC: Final = "http://loinc.org"
TERMS: Final = "urn:reluth:terms"
ATC: Final = "http://www.whocc.no/atc"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
LUTATHERA: Final = "V10XX04"
_PARIS: Final = ZoneInfo("Europe/Paris")
_COUNTS: Final = {"10*9/L": "1", "10*3/uL": "1", "/uL": "0.001", "/mm3": "0.001"}
_ENZYMES: Final = {"U/L": "1", "[iU]/L": "1", "ukat/L": "60", "nkat/L": "0.06"}


@dataclass(frozen=True)
class Lab:
    """A test: SDTM code, standard unit, specimen, factors by unit of UCUM."""

    testcd: str
    unit: str
    specimen: str
    factors: dict[str, str]


_BLOOD, _SERUM, _PLASMA = "BLOOD", "SERUM OR PLASMA", "PLATELET POOR PLASMA"
_HGB = Lab("HGB", "g/dL", _BLOOD, {"g/dL": "1", "g/L": "0.1"})
_NEUT = Lab("NEUT", "10^9/L", _BLOOD, _COUNTS)
_CREAT = Lab("CREAT", "umol/L", _SERUM, {"umol/L": "1", "mg/dL": "88.4", "mg/L": "8.84", "mmol/L": "1000"})
_ALT, _AST = Lab("ALT", "U/L", _SERUM, _ENZYMES), Lab("AST", "U/L", _SERUM, _ENZYMES)
_BILI = Lab("BILI", "umol/L", _SERUM, {"umol/L": "1", "mg/dL": "17.1", "mg/L": "1.71"})
_GLUC = Lab("GLUC", "mmol/L", _SERUM, {"mmol/L": "1", "mg/dL": "0.0555", "g/L": "5.55"})
_MDRD = Lab("GFRBSCRT", "mL/min/1.73m2", _SERUM, {"mL/min/{1.73_m2}": "1"})
#: By code of LOINC.
LABS: Final[dict[str, Lab]] = {
    "718-7": _HGB,
    "26499-4": _NEUT,
    "751-8": _NEUT,
    "777-3": Lab("PLAT", "10^9/L", _BLOOD, _COUNTS),
    "6690-2": Lab("WBC", "10^9/L", _BLOOD, _COUNTS),
    "26474-7": Lab("LYM", "10^9/L", _BLOOD, _COUNTS),
    "14682-9": _CREAT,
    "2160-0": _CREAT,
    "77147-7": _MDRD,
    "1742-6": _ALT,
    "1743-4": _ALT,
    "1920-8": _AST,
    "30239-8": _AST,
    "14631-6": _BILI,
    "1975-2": _BILI,
    "1751-7": Lab("ALB", "g/L", _SERUM, {"g/L": "1", "g/dL": "10"}),
    "5894-1": Lab("PTACT", "%", _PLASMA, {"%": "1"}),
    "6301-6": Lab("INR", "RATIO", _PLASMA, {"{INR}": "1"}),
    "14771-0": _GLUC,
    "1558-6": _GLUC,
    "21198-7": Lab("HCG", "IU/L", _SERUM, {"U/L": "1", "[iU]/L": "1"}),
}
#: Units of UCUM by the spellings of clarifications.md, folded.
_SPELLINGS: Final = {
    "g/l|giga/l|10^9/l|10*9/l|10⁹/l|x10(9)/l": "10*9/L",
    "10*3/ul": "10*3/uL",
    "/ul|/µl": "/uL",
    "/mm3|/mm³": "/mm3",
    "g/dl|g/100ml": "g/dL",
    "g/l": "g/L",
    "ui/l|u/l": "U/L",
    "[iu]/l": "[iU]/L",
    "umol/l|µmol/l": "umol/L",
    "mmol/l": "mmol/L",
    "mg/dl": "mg/dL",
    "mg/l": "mg/L",
    "ukat/l": "ukat/L",
    "nkat/l": "nkat/L",
    "%": "%",
    "{inr}|inr": "{INR}",
    "ml/min/{1.73_m2}|ml/min/1,73m²|ml/min/1.73m2": "mL/min/{1.73_m2}",
}
#: Units of UCUM as the codelist of CDISC spells them, where it does otherwise.
_CDISC: Final = {
    "10*9/L": "10^9/L",
    "10*3/uL": "10^3/uL",
    "{INR}": "RATIO",
    "mL/min/{1.73_m2}": "mL/min/1.73m2",
    "[iU]/L": "IU/L",
}
_RESULT: Final = re.compile(r"(?P<comparator>[<>]=?)?\s*(?P<number>\d[\d\s]*(?:[.,]\d+)?)\s+(?P<unit>\D.*|10\D.*)")
_TEXT_RANGE: Final = re.compile(r"(?:N\s*:\s*)?(?:<\s*(?P<top>[\d.,]+)|(?P<low>[\d.,]+)\s*-\s*(?P<high>[\d.,]+))")
#: Statuses of an Observation that count.
USED: Final = ("final", "amended", "corrected")


@dataclass(frozen=True)
class Event:
    """Something of a ResearchSubject's history."""

    kind: str
    on: str
    reason: str | None = None
    cycle: int | None = None
    visit: int | None = None
    arm: str | None = None


@dataclass
class PlainSubject:
    """A subject and all that the feed holds about them, the last version of each."""

    usubjid: str
    patient: Resource
    events: list[Event]
    resources: dict[str, list[Resource]] = field(default_factory=dict)

    def on(self, kind: str) -> str | None:
        """Day of the first event of a kind."""
        return next((one.on for one in self.events if one.kind == kind), None)

    @property
    def takes_back(self) -> bool:
        """Withdrawn, and nothing may be used."""
        return any(one.kind == "withdrawn" and one.reason == "no-data" for one in self.events)

    @property
    def arm(self) -> str | None:
        """Arm of the randomisation."""
        return next((one.arm for one in self.events if one.kind == "randomised"), None)

    def of(self, type_: str) -> list[Resource]:
        """Resources of a type that may leave: none dated after a withdrawal."""
        last = self.on("withdrawn") or "9999"
        return [one for one in self.resources.get(type_, ()) if (day_of(when_of(one)) or "") <= last]


class Feed:
    """A folder of NDJSON."""

    def __init__(self, folder: Path) -> None:
        self.resources: dict[tuple[str, str], Resource] = {}
        for path in sorted(folder.glob("*.ndjson")):
            for line in path.read_text(encoding="utf-8").splitlines():
                one = json.loads(line, parse_float=Decimal)
                if "resourceType" in one:
                    self._keep(one)
        self.subjects = {one.usubjid: one for one in self._subjects()}

    def _keep(self, one: Resource) -> None:
        key = one["resourceType"], one["id"]
        known = self.resources.get(key)
        if known is None or int(one["meta"]["versionId"]) >= int(known["meta"]["versionId"]):
            self.resources[key] = one

    def _subjects(self) -> Iterator[PlainSubject]:
        about: dict[str, dict[str, list[Resource]]] = {}
        for (type_, _), one in self.resources.items():
            reference = person_of(one)
            if reference is not None:
                about.setdefault(reference, {}).setdefault(type_, []).append(one)
        for resources in about.values():
            for one in resources.get("ResearchSubject", ()):
                numbers = [i["value"] for i in one.get("identifier", ()) if i.get("system") == "urn:reluth:subject"]
                if numbers:
                    patient = self.resources["Patient", person_of(one) or ""]
                    yield PlainSubject(numbers[0], patient, list(_events(one)), resources)

    def product(self, one: Resource) -> set[str]:
        """Codes of what an administration or a prescription is of."""
        concept = one.get("medicationCodeableConcept")
        if concept is None:
            reference = one["medicationReference"]["reference"]
            inner = [m for m in one.get("contained", ()) if f"#{m['id']}" == reference]
            medication = inner[0] if inner else self.resources["Medication", reference.partition("/")[2]]
            concept = medication["code"]
        return {coding["code"] for coding in concept["coding"] if coding["system"] in (ATC, TERMS)}


def person_of(one: Resource) -> str | None:
    """Id of the Patient that a resource is about."""
    if one["resourceType"] == "Patient":
        return str(one["id"])
    for name in ("subject", "patient", "individual", "beneficiary"):
        literal = one.get(name, {}).get("reference", "") if isinstance(one.get(name), dict) else ""
        if literal.startswith("Patient/"):
            return str(literal[8:])
    return None


def _events(one: Resource) -> Iterator[Event]:
    for extension in one.get("extension", ()):
        if extension["url"] == "urn:reluth:extension:event":
            told = {
                part["url"].rpartition(":")[2]: next(value for name, value in part.items() if name != "url")
                for part in extension["extension"]
            }
            known = {name: told[name] for name in Event.__dataclass_fields__ if name in told}
            yield Event(**known)


def codes(one: Resource, system: str, name: str = "code") -> list[str]:
    """Codes of a system in a concept."""
    return [c["code"] for c in one.get(name, {}).get("coding", ()) if c.get("system") == system]


def when_of(one: Resource) -> str | None:
    """What a resource is dated by."""
    for name in ("effectivePeriod", "period", "performedPeriod"):
        if name in one:
            return str(one[name]["start"])
    for name in ("effectiveDateTime", "performedDateTime", "started", "date", "dateTime", "authoredOn", "authored"):
        if name in one:
            return str(one[name])
    return None


def local(when: str | None) -> str | None:
    """Time of the clocks in Paris; seconds only where there are any."""
    if when is None or "T" not in when:
        return when
    moment = datetime.fromisoformat(when).astimezone(_PARIS)
    return moment.strftime("%Y-%m-%dT%H:%M:%S" if moment.second else "%Y-%m-%dT%H:%M")


def day_of(when: str | None) -> str | None:
    """Day in Paris."""
    found = local(when)
    return found[:10] if found else None


def study_day(when: str | None, reference: str | None) -> int | None:
    """Day 1 is the reference, the day before it is -1."""
    if when is None or reference is None:
        return None
    apart = (date.fromisoformat(when[:10]) - date.fromisoformat(reference[:10])).days
    return apart + 1 if apart >= 0 else apart


def plain_number(number: Decimal) -> str:
    """Without trailing zeros and without an exponent."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def completed_years(born: str, on: str) -> int:
    """Age on a day."""
    return int(on[:4]) - int(born[:4]) - (on[5:10] < born[5:10])


def ucum(lab: Lab, unit: str | None, code: str | None = None) -> str | None:
    """The unit meant, of those that the test may be in."""
    if code in lab.factors:
        return code
    # Both micro signs fold to the Greek letter.
    folded = (unit or "").casefold()
    for spellings, meant in _SPELLINGS.items():
        if folded in spellings.casefold().split("|") and meant in lab.factors:
            return meant
    return "{INR}" if not unit and not code and "{INR}" in lab.factors else None


def spelt(unit: str | None) -> str | None:
    """The unit as the codelist writes it."""
    return None if unit is None else _CDISC.get(unit, unit)


@dataclass(frozen=True)
class Result:
    """One laboratory result, as it must stand in LB."""

    lab: Lab
    comparator: str
    number: Decimal | None
    unit: str | None
    low: Decimal | None
    high: Decimal | None
    range_unit: str | None

    def standard(self, number: Decimal | None, unit: str | None) -> Decimal | None:
        """In the protocol's unit."""
        return None if number is None or unit is None else number * Decimal(self.lab.factors[unit])

    @property
    def indicator(self) -> str | None:
        """Against the limits; nothing for a limit."""
        value = None if self.comparator else self.standard(self.number, self.unit)
        low, high = self.standard(self.low, self.range_unit), self.standard(self.high, self.range_unit)
        if value is None or (low is None and high is None):
            return None
        return "LOW" if low is not None and value < low else "HIGH" if high is not None and value > high else "NORMAL"


def result_of(one: Resource, lab: Lab) -> Result:
    """Read a laboratory Observation."""
    comparator, number, unit = "", None, None
    if "valueQuantity" in one:
        quantity = one["valueQuantity"]
        comparator, number = quantity.get("comparator", ""), Decimal(quantity["value"])
        unit = ucum(lab, quantity.get("unit"), quantity.get("code"))
    elif "valueString" in one and (found := _RESULT.fullmatch(one["valueString"])):
        comparator = found["comparator"] or ""
        number = Decimal(re.sub(r"\s", "", found["number"]).replace(",", "."))
        unit = ucum(lab, found["unit"].strip())
    low, high, range_unit = _limits(one, lab, unit)
    return Result(lab, comparator, number, unit, low, high, range_unit)


def _limits(one: Resource, lab: Lab, unit: str | None) -> tuple[Decimal | None, Decimal | None, str | None]:
    ranges = one.get("referenceRange", ())
    if len(ranges) != 1:
        return None, None, None
    ends = {name: Decimal(end["value"]) for name in ("low", "high") if (end := ranges[0].get(name))}
    if ends:
        end = ranges[0].get("low") or ranges[0]["high"]
        return ends.get("low"), ends.get("high"), ucum(lab, end.get("unit"), end.get("code")) or unit
    text = _TEXT_RANGE.fullmatch(str(ranges[0].get("text", "")))
    if text is None:
        return None, None, None
    low, high = (Decimal(s.replace(",", ".")) if s else None for s in (text["low"], text["top"] or text["high"]))
    return low, high, unit


def has_text_range_only(one: Resource) -> bool:
    """The limits are told in words alone."""
    return any(not ({"low", "high"} & each.keys()) for each in one.get("referenceRange", ()))


def labs_of(subject: PlainSubject) -> Iterator[tuple[Resource, Lab]]:
    """The laboratory results that must have a row: a known test, a status that counts, no day after a withdrawal."""
    for one in subject.of("Observation"):
        known: Iterable[str] = (code for code in codes(one, LOINC) if code in LABS)
        code = next(iter(known), None)
        if code is not None and one["status"] in USED:
            yield one, LABS[code]
