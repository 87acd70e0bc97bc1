"""The tables and codelists of the findings, events and interventions: complete for what the trial reads, and no code without a source."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.documents import read_documents
from adapter.terminology import parse_analytes

HERE = Path(__file__).parents[4]
COSMOS = HERE.parent / "shared" / "sdtm" / "cosmos-specializations.csv"
MAPPING = HERE.parent / "shared" / "sdtm" / "sdtm-mapping.md"

DOCUMENTS = {name.removeprefix("sdtm/"): node.value for name, node in read_documents("sdtm").items()}
TABLES = {document["id"]: document for document in DOCUMENTS.values() if document.get("kind") == "sdtm-table"}
CODELISTS: dict[str, dict[str, Any]] = DOCUMENTS["codelists.yaml"]["codelists"]
ANALYTES = parse_analytes(read_documents("terminology")["terminology/analytes.yaml"])

#: Analytes that are findings on the tumour or its imaging, not laboratory tests or vital signs, with what reads them.
ELSEWHERE = {
    "ki67": "the view tumour_pathology; no domain of the package holds pathology",
    "ecog": "RS",
    "marrow_fraction_irradiated": "an eligibility criterion (E14) alone",
    "sstr_positive_percent": "TR",
    "krenning_score": "TR",
    "lesion_longest_diameter": "TR",
    "lesion_count": "TR",
}


def rows(table: str) -> Iterator[dict[str, Any]]:
    names = [*TABLES[table]["by"], *TABLES[table]["columns"]]
    for row in TABLES[table]["rows"]:
        yield dict(zip(names, row, strict=True))


def column(table: str, name: str) -> set[str]:
    return {str(row[name]) for row in rows(table) if row[name] is not None}


@pytest.mark.parametrize("analyte", sorted(set(ANALYTES) - set(ELSEWHERE)))
def test_each_code_of_an_analyte_has_a_row_with_that_analyte(analyte: str) -> None:
    tests = {row["code"]: row["analyte"] for table in ("lb-tests", "vs-tests") for row in rows(table)}

    for _, code in ANALYTES[analyte].codes:
        assert tests[code] == analyte


def test_each_question_on_lesions_has_a_row_with_its_analyte() -> None:
    asked = {row["code"]: row["analyte"] for row in rows("tr-tests")}

    assert asked["lesion-longest-diameter"] == "lesion_longest_diameter"
    assert {code for name, where in ELSEWHERE.items() if where == "TR" for _, code in ANALYTES[name].codes} <= set(
        asked
    )


def test_each_answer_of_ecog_has_its_score() -> None:
    scores = {row["code"]: row["score"] for row in rows("ecog-answers")}
    coded = {code: str(value) for (_, code), value in ANALYTES["ecog"].coded_values.items()}

    assert coded.items() <= scores.items()


def test_each_unit_that_an_analyte_can_have_has_a_spelling_of_the_codelist() -> None:
    spelled = {row["ucum"] for row in rows("units")}
    # Names of ours for what a haemoglobin in mmol/L counts never stand in a feed.
    wanted = {unit for analyte in ANALYTES.values() for unit in analyte.factors if "mer}" not in unit}

    assert wanted - spelled == set()


@pytest.mark.parametrize("table", ["lb-tests", "vs-tests", "tr-tests"])
def test_each_standard_unit_is_that_of_its_analyte(table: str) -> None:
    spelled = {row["ucum"]: row["unit"] for row in rows("units")}

    for row in rows(table):
        if row["analyte"] is not None and row["unit"] is not None:
            assert row["unit"] == spelled[ANALYTES[row["analyte"]].unit], row["code"]


@pytest.mark.parametrize("table", ["lb-tests", "vs-tests", "tr-tests"])
def test_bounds_are_those_of_the_analyte(table: str) -> None:
    for row in rows(table):
        if row["analyte"] is not None and row["testcd"] != "SUMDIAM":  # a sum goes beyond one lesion's bounds
            assert (row["least"], row["most"]) == tuple(str(bound) for bound in ANALYTES[row["analyte"]].plausible), (
                row["code"]
            )


@pytest.mark.parametrize(
    ("table", "name", "codelist"),
    [
        ("lb-tests", "testcd", "LBTESTCD"),
        ("lb-tests", "test", "LBTEST"),
        ("lb-tests", "category", "LBCAT"),
        ("lb-tests", "specimen", "SPECTYPE"),
        ("lb-tests", "unit", "UNIT"),
        ("vs-tests", "testcd", "VSTESTCD"),
        ("vs-tests", "test", "VSTEST"),
        ("vs-tests", "unit", "VSRESU"),
        ("rs-tests", "testcd", "ONCRTSCD"),
        ("rs-tests", "test", "ONCRTS"),
        ("rs-answers", "response", "ONCRSR"),
        ("ecog-answers", "score", "ECOG101STR"),
        ("disease-status", "status", "DISSTRS"),
        ("tr-tests", "testcd", "TRTESTCD"),
        ("tr-tests", "test", "TRTEST"),
        ("lesion-kinds", "kind", "TUIDRS"),
        ("locations", "location", "LOC"),
        ("modalities", "method", "METHOD"),
        ("modalities", "procedure", "PROCEDUR"),
        ("pr-terms", "method", "METHOD"),
        ("pr-terms", "procedure", "PROCEDUR"),
        ("pr-terms", "category", "PRCAT"),
        ("routes", "route", "ROUTE"),
        ("ae-outcomes", "outcome", "OUT"),
        ("ae-causality", "relation", "AEREL"),
        ("mh-terms", "category", "MHCAT"),
        ("nrind", "word", "NRIND"),
    ],
)
def test_what_a_table_gives_is_in_the_codelist_of_its_variable(table: str, name: str, codelist: str) -> None:
    assert column(table, name) - set(CODELISTS[codelist]["terms"]) == set()


def test_tables_name_no_test_over_its_length() -> None:
    for table in ("lb-tests", "vs-tests", "rs-tests", "tr-tests"):
        for row in rows(table):
            assert len(row["testcd"]) <= 8 and len(row["test"]) <= 40 and row["test"].isascii()


def test_the_traps_of_the_mapping_are_kept() -> None:
    by_code = {row["code"]: row for row in rows("lb-tests")}

    assert "EGFR" not in CODELISTS["LBTESTCD"]["terms"] and "HCGND" not in CODELISTS["LBTESTCD"]["terms"]
    assert by_code["77147-7"]["testcd"] == "GFRBSCRT"
    assert (by_code["21198-7"]["testcd"], by_code["21198-7"]["test"]) == ("HCG", "Choriogonadotropin Beta")
    assert {by_code[code]["unit"] for code in ("1742-6", "1743-4", "1920-8", "30239-8")} == {"U/L"}
    assert set(CODELISTS["FREQ"]["terms"]) == {"ONCE"}


def test_terms_of_ours_are_known_to_the_profile_that_lets_codes_leave() -> None:
    known = read_documents("pseudonymisation")["pseudonymisation/codes.yaml"].value["codes"]
    let_go = {code for codes in known.values() for code in codes}
    read = (
        "rs-tests",
        "rs-answers",
        "tr-tests",
        "tr-states",
        "lesion-kinds",
        "locations",
        "ae-terms",
        "reasons",
        "ae-outcomes",
        "ae-seriousness",
        "ae-causality",
    )

    # NON-CR/NON-PD is how the answer is printed; the profile makes the code of it.
    assert {str(row["code"]) for table in read for row in rows(table)} - let_go == {"NON-CR/NON-PD"}


# --- C-codes: each one has a source -------------------------------------------------------------------------------


def sourced() -> tuple[set[tuple[str, str]], set[str]]:
    """Pairs of value and code that COSMoS assigns, and codes that the mapping names, with those of codelists."""
    if not COSMOS.is_file() or not MAPPING.is_file():
        pytest.skip("the sources of the codes are not beside the project")
    with COSMOS.open(newline="") as file:
        lines = list(csv.DictReader(file))
    pairs = {(line["assigned_value"], line["assigned_term"]) for line in lines if line["assigned_term"]}
    lists = {line["codelist"] for line in lines if line["codelist"]}
    return pairs, lists | set(re.findall(r"\bC[0-9]{4,6}\b", MAPPING.read_text()))


def test_codes_of_terms_stand_in_the_sources_with_the_same_value() -> None:
    pairs, named = sourced()
    text = MAPPING.read_text()
    for codelist, document in CODELISTS.items():
        for value, term in document["terms"].items():
            code = (term or {}).get("code")
            if code is None or (value, code) in pairs:
                continue
            # The mapping names a test by its short name; its long name has the same concept.
            short = next(
                (short for short, one in CODELISTS["LBTESTCD"]["terms"].items() if one.get("decode") == value), value
            )

            assert code in named and re.search(rf"\b{re.escape(short)}`? \(?{code}\b", text), (codelist, value, code)


def test_codes_of_codelists_stand_in_the_sources() -> None:
    _, named = sourced()

    assert {document["code"] for document in CODELISTS.values() if "code" in document} - named == set()


def test_laboratory_tests_are_those_of_the_specializations_of_their_loinc_code() -> None:
    sourced()
    tests: dict[str, dict[str, str]] = {}
    with COSMOS.open(newline="") as file:
        groups: dict[str, dict[str, dict[str, str]]] = {}
        for line in csv.DictReader(file):
            if line["domain"] == "LB":
                groups.setdefault(line["vlm_group_id"], {})[line["sdtm_variable"]] = line
    for group in groups.values():
        loinc = group.get("LBLOINC", {})
        for code in re.findall(r"[0-9]+-[0-9]", f"{loinc.get('value_list', '')} {loinc.get('assigned_value', '')}"):
            tests[code] = {name: line["assigned_value"] for name, line in group.items()}
    compared = [row for row in rows("lb-tests") if row["code"] in tests]

    assert len(compared) >= 14
    for row in compared:
        told = tests[row["code"]]
        assert (row["testcd"], row["test"], row["category"]) == (told["LBTESTCD"], told["LBTEST"], told["LBCAT"])
        # COSMoS calls the specimen of its group GLUCSERPL serum alone.
        assert row["specimen"] == told["LBSPEC"] or row["testcd"] == "GLUC"
