"""In: codes that cannot be read, and what the documents of a trial use. Out: the closest targets with a score and why, and a draft ConceptMap. No I/O.

A suggestion decides nothing. The draft has no equivalence in any row, so a site's overlay refuses it until a person has
set one: only what a person confirmed is ever applied.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rapidfuzz import fuzz

from adapter.fhir import EXACT
from adapter.terminology.analytes import Analyte, UnitProblem, Units
from adapter.terminology.coded import OTHER, shown
from adapter.terminology.reading import Node
from adapter.terminology.unmapped import UnmappedCode
from adapter.terminology.valuesets import ICD10, ICDO3, TERMS

__all__ = ["Suggestion", "Target", "Why", "draft_concept_map", "icd10_lookalikes", "parse_targets", "suggest"]

_OBSERVED = ("Observation.code", "Observation.component.code")
_MADE = ("Procedure.code", "ImagingStudy.procedureCode", "DiagnosticReport.code", "Condition.code")
_SAID = ("Observation.value", "Condition.code")
_GIVEN = ("MedicationAdministration.medication", "Medication.code", "AllergyIntolerance.code")
#: Where a code of a value set may stand, by its system.
_PLACES: Mapping[str, tuple[str, ...]] = {
    ICD10: ("Condition.code",),
    ICDO3: _SAID,
    "http://snomed.info/sct": (*_SAID, "AllergyIntolerance.code", "Procedure.code"),
    "http://www.whocc.no/atc": _GIVEN,
    TERMS: _MADE,
}
#: Where a code without any suggestion is put in the draft, by the start of its element.
_USUAL_TARGET = (("Observation", "http://loinc.org"), ("Medic", "http://www.whocc.no/atc"), ("Condition", ICD10))

_MOST = 3
#: Of the likeness of names alone, and of what units and values leave of it.
_LEAST_SCORE, _LEAST_LEFT = 50, 40
_CODE_SCORE, _CODE_LIKE = 90, 90
#: Two words are the same when they are this alike; words that stand in many names tell nothing.
_WORD_LIKE = 80
_COMMON = frozenset(
    {
        "a", "au", "aux", "be", "d", "de", "des", "dosage", "du", "et", "in", "index", "indice", "known", "l", "la",
        "le", "les", "not", "numeration", "of", "plasma", "sang", "score", "serique", "serum", "taux", "the", "to",
        "total", "totale", "un", "une",
    }
)  # fmt: skip
_WORDS_APART = 0.6
_ICD10_LIKE = re.compile(r"[A-Z]\d\d(?:\.?[0-9A-Z+]{1,5})?", re.IGNORECASE)
_DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@dataclass(frozen=True, slots=True)
class Target:
    """A code that a trial's documents use.

    Attributes:
        label: in French and English, for people.
        names: what it is called, folded for comparing.
        places: elements that it may stand in.
        analyte: what is measured, where it is a measurement; its unit and plausible bounds speak for or against it.
        mass: the code for results in grams, where the analyte has one of its own.
    """

    system: str
    code: str
    label: Mapping[str, str]
    names: frozenset[str]
    places: frozenset[str]
    analyte: Analyte | None = None
    mass: str | None = None


@dataclass(frozen=True, slots=True)
class Why:
    """A reason for or against a suggestion: ``name``, ``code``, ``unit``, ``unit-not``, ``range`` or ``range-not``, and what was compared."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A target for a code, with a score of 0 to 100; ``code`` is the target's, or its ``mass``."""

    target: Target
    code: str
    score: int
    why: tuple[Why, ...]


# Targets


def parse_targets(names: Node, value_sets: Node, *, analytes: Mapping[str, Analyte]) -> tuple[Target, ...]:
    """What a site's codes can be mapped to.

    Args:
        names: the document of names, ``words/targets.yaml``.
        value_sets: the trial's document of kind ``value-sets``.
        analytes: those of the trial.

    Raises:
        DocumentError: with the place of the fault.
    """
    found: dict[tuple[str, str], Target] = {}
    described = names["analytes"].mapping()
    for identity, analyte in analytes.items():
        node = names["analytes"][identity] if identity in described else None
        code = node["code"].text() if node else min(code for _, code in analyte.codes)
        mass = node.get("mass") if node else None
        system = next((system for system, known in sorted(analyte.codes) if known == code), None)
        if system is None:
            assert node is not None
            raise node["code"].fault("is no code of this analyte")
        more = node["names"].texts() if node else ()
        found[(system, code)] = Target(
            system, code, analyte.label, _folded(*analyte.label.values(), *more), frozenset(_OBSERVED), analyte,
            mass.text() if mass else None,
        )  # fmt: skip
    for coding, display in _coded(value_sets):
        found.setdefault(
            coding,
            Target(*coding, {"fr": display, "en": display}, _folded(display), frozenset(_PLACES.get(coding[0], _SAID))),
        )
    for key, node in names["codes"].items():
        system, _, code = key.rpartition("|")
        places, known = node.get("in"), found.get((system, code))
        if known is None and places is None:
            continue  # a code of another trial's value sets
        label = node["label"].words() if "label" in node else known.label if known else {"fr": code, "en": code}
        heard = _folded(*node["names"].texts(), *label.values()) | (known.names if known else frozenset())
        where = frozenset(places.texts()) if places else known.places if known else frozenset()
        found[(system, code)] = Target(system, code, label, heard, where, known.analyte if known else None)
    return tuple(found.values())


def _coded(value_sets: Node) -> Iterable[tuple[tuple[str, str], str]]:
    systems = {name: node.text() for name, node in value_sets["codesystems"].items()}
    for _name, node in sorted(value_sets["value_sets"].items(), key=lambda item: item[0]):
        system = systems[node["system"].text()]
        for code, display in node["codes"].items() if "codes" in node else ():
            yield (system, code), display.text()


def _folded(*texts: str) -> frozenset[str]:
    return frozenset(filter(None, map(_fold, texts)))


def _fold(text: str) -> str:
    """A text as it is compared: no accents, no case, no marks.

    >>> _fold("Hémoglobine (sang)")
    'hemoglobine sang'
    """
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    return " ".join(re.findall(r"\w+", bare.casefold()))


# Suggestions


def suggest(sent: UnmappedCode, targets: Sequence[Target], *, units: Units) -> tuple[Suggestion, ...]:
    """Up to three closest targets of a code, the closest first.

    Args:
        sent: the code with its displays, units and values.
        targets: what it may mean.
        units: unit spellings, the site's among them.
    """
    texts = [_fold(text) for text, _ in sent.displays[:1]]
    found = []
    for target in targets:
        if sent.element not in target.places:
            continue
        score, named = _likeness(sent, texts, target)
        if named is None or score < _LEAST_SCORE:
            continue
        why = [named]
        for factor, bonus, reason in _measured(sent, target.analyte, units) if target.analyte else ():
            score = min(100.0, score * factor + bonus)
            why.append(reason)
        if round(score) >= _LEAST_LEFT:
            found.append(Suggestion(target, _code_for(sent, target), round(score), tuple(why)))
    found.sort(key=lambda item: (-item.score, item.target.system, item.target.code))
    return tuple(found[:_MOST])


def _likeness(sent: UnmappedCode, texts: Sequence[str], target: Target) -> tuple[float, Why | None]:
    best: tuple[float, Why | None] = (0.0, None)
    for name in sorted(target.names):
        for text in texts:
            # A name inside a longer display speaks for it (plasma creatinine), but less than the display being the name
            # (glycated haemoglobin is no haemoglobin).
            score = 0.6 * fuzz.token_sort_ratio(text, name) + 0.4 * fuzz.token_set_ratio(text, name)
            score *= 1.0 if _share_a_word(text, name) else _WORDS_APART
            if score > best[0]:
                best = (score, Why("name", name))
        code = _fold(sent.code or "")
        if code and " " not in name and best[0] < _CODE_SCORE and fuzz.ratio(code, name) >= _CODE_LIKE:
            best = (float(_CODE_SCORE), Why("code", name))
    return best


def _share_a_word(text: str, name: str) -> bool:
    if text == name:
        return True
    return any(
        fuzz.ratio(word, other) >= _WORD_LIKE
        for word in text.split()
        if word not in _COMMON
        for other in name.split()
        if other not in _COMMON
    )


def _measured(sent: UnmappedCode, analyte: Analyte, units: Units) -> Iterable[tuple[float, float, Why]]:
    """What units and values say: factor and bonus on the score, and why."""
    written = [spread for spread in sent.units if spread.unit != OTHER]
    factors: list[tuple[Decimal, Decimal]] = []
    usable = refused = None
    for spread in written:
        try:
            factor = units.factor(analyte, code=None, text=spread.unit)
        except UnitProblem as problem:
            if problem.reason == "unknown-unit":
                refused = refused or spread.unit
            continue
        usable = usable or spread.unit or "1"
        factors += [
            (EXACT.multiply(number, factor), number) for number in (spread.low, spread.high) if number is not None
        ]
    if usable is not None:
        yield 1.0, 5.0, Why("unit", usable)
    elif refused is not None:
        yield 0.5, 0.0, Why("unit-not", refused)
    outside = [number for value, number in factors if not analyte.plausible[0] <= value <= analyte.plausible[1]]
    if outside:
        yield 0.6, 0.0, Why("range-not", f"{outside[0]:f}")
    elif factors:
        yield 1.0, 3.0, Why("range", f"{analyte.plausible[0]}-{analyte.plausible[1]} {analyte.unit}")


def _code_for(sent: UnmappedCode, target: Target) -> str:
    unit = sent.units[0].unit if sent.units else None
    in_grams = unit is not None and unit.lower().startswith(("g/", "mg/"))
    return target.mass if target.mass is not None and in_grams else target.code


def icd10_lookalikes(codes: Iterable[UnmappedCode]) -> tuple[str, ...]:
    """Systems of diagnoses whose codes all look like ICD-10: a site's ``icd10_systems`` may be all that is missing."""
    looks: dict[str, bool] = {}
    for item in codes:
        if item.element == "Condition.code" and item.system is not None and item.code is not None:
            like = _ICD10_LIKE.fullmatch(item.code.strip()) is not None
            looks[item.system] = looks.get(item.system, True) and like
    return tuple(sorted(system for system, like in looks.items() if like))


# Draft


def draft_concept_map(
    site: str,
    found: Sequence[tuple[UnmappedCode, Sequence[Suggestion]]],
    *,
    comment: Callable[[Suggestion], str],
    title: str,
) -> dict[str, Any]:
    """A ConceptMap (R4) for a person to finish: each row lacks its equivalence, which an overlay refuses.

    FHIR requires an equivalence: that it is not known yet is said by the extension for absent data, so that the draft
    is valid all the same.

    Args:
        site: whose codes.
        found: codes with their suggestions; those without system or code cannot stand in a ConceptMap, and are left out.
        comment: what to say beside a suggested row.
        title: of the draft.
    """
    groups: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for sent, suggestions in found:
        if sent.system is None or sent.code is None:
            continue
        element: dict[str, Any] = {"code": sent.code}
        if sent.displays:
            element["display"] = sent.displays[0][0]
        if not suggestions:
            groups.setdefault((sent.system, _usual_target(sent.element)), {}).setdefault(sent.code, element)
        for suggestion in suggestions:
            group = groups.setdefault((sent.system, suggestion.target.system), {})
            rows = group.setdefault(sent.code, dict(element)).setdefault("target", [])
            if all(row["code"] != suggestion.code for row in rows):
                rows.append(
                    {
                        "code": suggestion.code,
                        "display": suggestion.target.label["en"],
                        "_equivalence": {"extension": [{"url": _DATA_ABSENT, "valueCode": "unknown"}]},
                        "comment": comment(suggestion),
                    }
                )
    draft: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "id": re.sub(r"[^A-Za-z0-9\-.]", "-", f"draft-{shown(site, 48)}"),
        "title": title,
        "status": "draft",
        "experimental": True,
    }
    if groups:  # FHIR has no empty lists
        draft["group"] = [
            {"source": source, "target": target, "element": list(elements.values())}
            for (source, target), elements in sorted(groups.items())
        ]
    return draft


def _usual_target(element: str) -> str:
    return next((system for start, system in _USUAL_TARGET if element.startswith(start)), TERMS)
