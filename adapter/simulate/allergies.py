"""In: which allergies a story wants. Out: AllergyIntolerances, and the truth of E15."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.simulate.answers import answer
from adapter.simulate.chart import Chart
from adapter.simulate.kleene import Truth, some
from adapter.simulate.terms import (
    ALLERGY_CLINICAL,
    ALLERGY_VERIFICATION,
    ATC,
    LANREOTIDE,
    LUTATHERA,
    NO_KNOWN_ALLERGY,
    OCTREOTIDE,
    SCT,
    coding,
    concept,
)

STUDY_DRUGS = (LUTATHERA, OCTREOTIDE, LANREOTIDE)
WORDS = ("solution d'arginine et de lysine", "octréotide ou lanreotide, sans précision", "analogue de la somatostatine")


@dataclass(frozen=True, slots=True)
class Allergy:
    """One AllergyIntolerance: `to` is an ATC code, the statement that there is none, one of `WORDS`, or other words.

    Onset and recording are days before the reference date; None is not written.
    """

    to: str
    clinical: str = "active"
    verification: str = "confirmed"
    kind: str = "allergy"
    recorded: int = 700
    onset: int | None = None
    in_reaction: bool = False


def hypersensitive(allergies: Sequence[Allergy]) -> Truth:
    """E15: a confirmed active allergy to a drug of the study or a constituent of it. An empty list says nothing."""
    found: list[Truth] = []
    none_known = False
    for allergy in allergies:
        begun = allergy.recorded if allergy.onset is None else allergy.onset
        if begun < 0 or allergy.clinical != "active" or allergy.verification in ("refuted", "entered-in-error"):
            continue
        if allergy.to == NO_KNOWN_ALLERGY:
            none_known = none_known or allergy.verification == "confirmed"
        elif allergy.kind != "intolerance" and allergy.to in STUDY_DRUGS:
            found.append("T" if allergy.kind == "allergy" and allergy.verification == "confirmed" else "U")
        elif allergy.kind != "intolerance" and allergy.to in WORDS:
            found.append("U")
    if not found:
        return "F" if none_known else "U"
    return "U" if none_known else some(*found)


# Kind: weight and what is written.
KINDS: dict[str, tuple[int, tuple[Allergy, ...]]] = {
    "none-known": (30, (Allergy(NO_KNOWN_ALLERGY),)),
    "none": (14, ()),
    "penicillin": (10, (Allergy("Pénicilline"),)),
    "octreotide": (5, (Allergy(OCTREOTIDE),)),
    "lanreotide": (3, (Allergy(LANREOTIDE, in_reaction=True),)),
    "lutathera": (3, (Allergy(LUTATHERA),)),
    "unconfirmed": (4, (Allergy(OCTREOTIDE, verification="unconfirmed"),)),
    "presumed": (2, (Allergy(LANREOTIDE, verification="presumed"),)),
    "unverified": (2, (Allergy(OCTREOTIDE, verification=""),)),
    "no-type": (3, (Allergy(OCTREOTIDE, kind=""),)),
    "amino-acids": (4, (Allergy(WORDS[0]),)),
    "analogue-words": (3, (Allergy(WORDS[1]),)),
    "class-words": (2, (Allergy(WORDS[2]),)),
    "vomiting": (5, (Allergy(WORDS[0], kind="intolerance"),)),
    "intolerant": (3, (Allergy(OCTREOTIDE, kind="intolerance"),)),
    "inactive": (2, (Allergy(OCTREOTIDE, "inactive"),)),
    "resolved": (2, (Allergy(LANREOTIDE, "resolved"),)),
    "refuted": (2, (Allergy(OCTREOTIDE, verification="refuted"),)),
    "error": (2, (Allergy(OCTREOTIDE, verification="entered-in-error"),)),
    "none-known-beside": (3, (Allergy(NO_KNOWN_ALLERGY), Allergy(OCTREOTIDE))),
    "none-known-beside-open": (2, (Allergy(NO_KNOWN_ALLERGY), Allergy(WORDS[0]))),
    "none-known-unconfirmed": (2, (Allergy(NO_KNOWN_ALLERGY, verification="unconfirmed"),)),
    "none-known-beside-penicillin": (2, (Allergy(NO_KNOWN_ALLERGY, "inactive"), Allergy("Pénicilline"))),
    "recorded-later": (2, (Allergy(OCTREOTIDE, recorded=-3),)),
    "begun-before": (2, (Allergy(OCTREOTIDE, recorded=-3, onset=200),)),
    "two": (2, (Allergy(WORDS[1]), Allergy(LUTATHERA))),
}


def allergy(chart: Chart, wishes: Mapping[str, str], kind: str) -> Truth:
    """Write one kind's allergies, and give E15 with its attestation."""
    allergies = KINDS[kind][1]
    for known in allergies:
        _write(chart, known)
    newest = chart.on if any(known.recorded < 0 for known in allergies) else chart.day(200) if allergies else None
    return answer(chart, wishes, "E15", coded=hypersensitive(allergies), newest=newest)


def _write(chart: Chart, allergy: Allergy) -> None:
    body: dict[str, Any] = {}
    if allergy.verification != "entered-in-error":  # R4 ait-2
        body["clinicalStatus"] = concept(ALLERGY_CLINICAL, allergy.clinical)
    if allergy.verification:
        body["verificationStatus"] = concept(ALLERGY_VERIFICATION, allergy.verification)
    if allergy.kind and allergy.to != NO_KNOWN_ALLERGY:
        body["type"] = allergy.kind
    substance = _substance(allergy.to)
    if allergy.in_reaction:
        body["code"] = {"text": "réaction à l'injection"}
        body["reaction"] = [{"substance": substance, "manifestation": [{"text": "urticaire"}]}]
    else:
        body["code"] = substance
    body["patient"] = chart.subject()
    if allergy.onset is not None:
        body["onsetDateTime"] = chart.day(allergy.onset).isoformat()
    body["recordedDate"] = chart.day(allergy.recorded).isoformat()
    chart.add("AllergyIntolerance", body, day=chart.day(allergy.recorded), identity=chart.name("all"))


def _substance(to: str) -> dict[str, Any]:
    if to == NO_KNOWN_ALLERGY:
        return {"coding": [coding(SCT, NO_KNOWN_ALLERGY)], "text": "Aucune allergie connue"}
    return concept(ATC, to) if to in STUDY_DRUGS else {"text": to}
