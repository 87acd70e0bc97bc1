"""In: codes as a hospital writes them. Out: the closest targets of the trial's documents, why, and a draft that nothing applies by itself."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
import yaml
from fhir.resources.R4B.conceptmap import ConceptMap

from adapter.criteria import Trial
from adapter.documents import load_trial
from adapter.errors import DocumentError
from adapter.screening.closest import targets_of
from adapter.terminology import Node, parse_concept_map
from adapter.terminology.suggestions import Suggestion, draft_concept_map, icd10_lookalikes, parse_targets, suggest
from adapter.terminology.unmapped import Spread, UnmappedCode
from tests.support.local_feed import LABO, LOINC

NAMES = yaml.safe_load(files("mappings").joinpath("words/targets.yaml").read_text(encoding="utf-8"))
VALUE_SETS = yaml.safe_load(
    files("mappings").joinpath("trials/nct04954820/value-sets.yaml").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return load_trial("nct04954820")


def sent(
    code: str, display: str | None, *spreads: tuple[str | None, str, str], element: str = "Observation.code"
) -> UnmappedCode:
    return UnmappedCode(
        element,
        LABO,
        code,
        10,
        5,
        displays=((display, 10),) if display else (),
        units=tuple(Spread(unit, 10, Decimal(low), Decimal(high)) for unit, low, high in spreads),
    )


def closest(trial: Trial, item: UnmappedCode) -> tuple[Suggestion, ...]:
    return suggest(item, targets_of(trial), units=trial.units)


@pytest.mark.parametrize(
    ("code", "display", "unit", "expected"),
    [
        ("HB", "Hémoglobine", "g/dL", "718-7"),
        ("1234", "HEMOGLOBINE", "g/L", "718-7"),
        ("PLQ", "Plaquettes", "G/L", "777-3"),
        ("PNN", "Polynucléaires neutrophiles", "G/L", "26499-4"),
        ("GB", "Globules blancs", "/mm3", "6690-2"),
        ("CRE", "Créatinine plasmatique", "µmol/L", "14682-9"),
        ("CRE", "Créatinine", "mg/L", "2160-0"),
        ("ALAT", "Transaminases ALAT (TGP)", "UI/L", "1742-6"),
        ("BILT", "Bilirubine totale", "µmol/L", "14631-6"),
        ("TP", "Taux de prothrombine", "%", "5894-1"),
        ("GAJ", "Glycémie à jeun", "g/L", "1558-6"),
        ("KI67", "Ki 67", "%", "29593-1"),
        ("X9", "Réponse RECIST 1.1", None, "recist-response"),
    ],
)
def test_suggest_puts_what_is_meant_first(
    trial: Trial, code: str, display: str, unit: str | None, expected: str
) -> None:
    item = replace(sent(code, display), units=(Spread(unit, 10, None, None),) if unit else ())

    first = closest(trial, item)[0]

    assert first.code == expected
    assert first.score >= 70


def test_suggest_finds_a_code_without_display_by_the_code(trial: Trial) -> None:
    first = closest(trial, sent("PLT", None))[0]

    assert (first.code, [why.kind for why in first.why]) == ("777-3", ["code"])


@pytest.mark.parametrize(
    ("element", "display", "expected"),
    [
        ("Medication.code", "LUTATHERA 370 MBq/mL, solution pour perfusion", "V10XX04"),
        ("MedicationAdministration.medication", "Lutétium 177 oxodotréotide", "V10XX04"),
        ("Procedure.code", "TEP-TDM 68Ga-DOTATOC", "sstr-pet-68ga"),
        ("DiagnosticReport.code", "Octreoscan", "sstr-scint-111in"),
        ("Condition.code", "Tumeur maligne du grêle", "C17"),
        ("Observation.value", "Maladie en progression", "PD"),
    ],
)
def test_suggest_looks_among_what_may_stand_there(trial: Trial, element: str, display: str, expected: str) -> None:
    assert closest(trial, sent("1", display, element=element))[0].code == expected


@pytest.mark.parametrize(
    "display", ["Numération formule sanguine", "Indice de Karnofsky", "Compte rendu opératoire", "x" * 10_000, "", "()"]
)
def test_suggest_says_nothing_where_nothing_is_close(trial: Trial, display: str) -> None:
    assert all(item.score < 60 for item in closest(trial, sent("Z99", display)))


def test_suggest_gives_three_at_most_the_closest_first(trial: Trial) -> None:
    found = closest(trial, sent("TRANSA", "transaminases"))
    scores = [item.score for item in found]

    assert 1 <= len(found) <= 3
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 100 for score in scores)


def test_suggest_ranks_a_display_that_says_more_below_the_name_itself(trial: Trial) -> None:
    plain = closest(trial, sent("1", "Hémoglobine", ("g/dL", "8", "14")))[0]
    glycated = closest(trial, sent("2", "Hémoglobine glyquée", ("%", "5", "9")))

    assert plain.score == 100
    assert all(item.score < 60 for item in glycated)


@pytest.mark.parametrize(
    ("spread", "kinds"),
    [
        (("g/dL", "8.1", "14.2"), ["name", "unit", "range"]),
        (("%", "5", "9"), ["name", "unit-not"]),
        (("g/dL", "8.1", "400"), ["name", "unit", "range-not"]),
        (("mmol/L", "5", "9"), ["name"]),
    ],
)
def test_suggest_says_what_speaks_for_it_and_against(
    trial: Trial, spread: tuple[str, str, str], kinds: list[str]
) -> None:
    best = next(item for item in closest(trial, sent("x", "Hémoglobine", spread)) if item.code == "718-7")

    assert [why.kind for why in best.why] == kinds


def test_suggest_takes_the_units_of_the_site(trial: Trial) -> None:
    units = replace(trial.units, site_spellings={("hemoglobin", "g%"): "g/dL"})
    item = sent("x", "Hémoglobine", ("g%", "8", "14"))

    assert suggest(item, targets_of(trial), units=units)[0].score > closest(trial, item)[0].score


# Targets


def test_targets_are_the_codes_that_the_documents_use(trial: Trial) -> None:
    known = {(target.system, target.code) for target in targets_of(trial)}
    analytes = {coding for analyte in trial.analytes.values() for coding in analyte.codes}
    concepts = trial.concepts
    assert concepts.tumour and concepts.status
    questions = concepts.tumour.grades | concepts.status.clinical | concepts.status.recist | concepts.status.best

    assert {analyte.id for analyte in trial.analytes.values()} == {t.analyte.id for t in targets_of(trial) if t.analyte}
    assert {system for system, _ in known} >= {LOINC, "urn:reluth:terms", "http://www.whocc.no/atc"}
    assert not any(system == LOINC and (system, code) not in analytes | questions for system, code in known)


def test_names_name_only_codes_of_the_documents(trial: Trial) -> None:
    sets = {
        (VALUE_SETS["codesystems"][item["system"]], code)
        for item in VALUE_SETS["value_sets"].values()
        for code in item.get("codes", {})
    }
    listed = [tuple(key.rsplit("|", 1)) for key, entry in NAMES["codes"].items() if "in" not in entry]

    assert set(NAMES["analytes"]) <= set(trial.analytes)
    assert {code for entry in NAMES["analytes"].values() for code in (entry["code"], entry.get("mass")) if code} <= {
        code for analyte in trial.analytes.values() for _, code in analyte.codes
    }
    assert set(listed) <= sets
    # Answers and questions of ours: those that clarifications.md lists.
    ours = re.compile(
        r"urn:reluth:terms\|(recist-(best-)?response|grade|sstr-uptake|CR|PR|SD|PD|NE|G[123]|(below|at|above)-liver)"
    )
    assert all(
        ours.fullmatch(key) or key == f"{LOINC}|97509-4" for key, entry in NAMES["codes"].items() if "in" in entry
    )


def test_targets_point_to_a_name_for_a_code_that_the_analyte_does_not_have(trial: Trial) -> None:
    wrong = copy.deepcopy(NAMES)
    wrong["analytes"]["hemoglobin"]["code"] = "4548-4"

    with pytest.raises(DocumentError) as caught:
        parse_targets(Node(wrong, "targets.yaml"), Node(VALUE_SETS, "sets"), analytes=trial.analytes)

    assert caught.value.pointer == "/analytes/hemoglobin/code"


# CIM-10


def test_icd10_lookalikes_are_systems_all_of_whose_diagnoses_look_so() -> None:
    def diagnosis(system: str, code: str, element: str = "Condition.code") -> UnmappedCode:
        return UnmappedCode(element, system, code, 1, 1)

    found = icd10_lookalikes(
        [
            diagnosis("urn:a", "C17.2"),
            diagnosis("urn:a", "E1190"),
            diagnosis("urn:b", "C17"),
            diagnosis("urn:b", "TUM-GRELE"),
            diagnosis("urn:c", "C17", "Observation.code"),
        ]
    )

    assert found == ("urn:a",)


# Draft


def draft(trial: Trial, *items: UnmappedCode) -> dict[str, Any]:
    pairs = [(item, closest(trial, item)) for item in items]
    return draft_concept_map("icm", pairs, comment=lambda item: f"score {item.score}", title="Draft")


ITEMS = (
    sent("HB", "Hémoglobine", ("g/dL", "8", "14")),
    sent("EVOL", "Évolution de la maladie"),
    sent("ZZZ", "Compte rendu"),
    UnmappedCode("Observation.code", None, "12", 3, 3),
    UnmappedCode("Observation.code", None, None, 3, 3),
)


def test_draft_is_a_valid_concept_map(trial: Trial) -> None:
    found = draft(trial, *ITEMS)

    assert ConceptMap.model_validate(found).status == "draft"
    assert ConceptMap.model_validate(draft(trial)).group is None


def test_draft_has_every_code_that_a_map_can_hold_and_no_equivalence(trial: Trial) -> None:
    found = draft(trial, *ITEMS)
    rows = [row for group in found["group"] for element in group["element"] for row in element.get("target", [])]

    assert {element["code"] for group in found["group"] for element in group["element"]} == {"HB", "EVOL", "ZZZ"}
    assert len({(group["source"], group["target"]) for group in found["group"]}) == len(found["group"])
    assert rows and not any("equivalence" in row for row in rows)


def test_draft_is_refused_until_a_person_has_set_every_equivalence(trial: Trial) -> None:
    found = draft(trial, *ITEMS)
    with pytest.raises(DocumentError) as caught:
        parse_concept_map(Node(found, "draft.json"))
    assert re.fullmatch(r"/group/\d/element/\d/target/\d", caught.value.pointer)
    for group in found["group"]:
        for element in group["element"]:
            for row in element.get("target", []):
                row["equivalence"] = "equivalent" if row["code"] == "718-7" else "unmatched"

    assert parse_concept_map(Node(found, "draft.json")) == {(LABO, "HB"): ((LOINC, "718-7"),)}


def test_draft_without_suggestions_maps_nothing(trial: Trial) -> None:
    assert parse_concept_map(Node(draft(trial, sent("ZZZ", "Compte rendu")), "draft.json")) == {}
