"""In: rows of laboratory results. Out: `LabResult`s with all that was told, or the column that is wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.loading import Target
from adapter.store import Store
from mappings.entities import Coding, Identifier, LabResult, LabStatus
from tests.unit.loading.making import PATIENTS, lab, labs_of, load_csv, reasons, table


def test_row_becomes_the_result_that_it_tells(store: Store) -> None:
    row = {
        "id": "R1", "id_system": "urn:example:results", "patient": "P1", "patient_system": "urn:example:ipp",
        "subject": "S-1", "loinc": "718-7", "local_system": "urn:example:codes", "local_code": "HB",
        "local_display": "Hémoglobine", "name": "Hb", "effective": "2025-05-20T08:10:00+02:00",
        "issued": "2025-05-20T11:00:00+02:00", "status": "amended", "value": "12.10", "comparator": ">=", "unit": "g/dL",
        "unit_text": "g/100mL", "low": "12.0", "high": "16", "range_text": "12,0 - 16,0", "specimen": "sang",
        "laboratory": "L1", "laboratory_system": "urn:example:labs", "interpretation": "L  LL",
    }  # fmt: skip
    load_csv(store, "labs", table(row))

    assert labs_of(store)["R1"] == LabResult(
        id=Identifier(system="urn:example:results", value="R1"),
        patient=Identifier(system="urn:example:ipp", value="P1"),
        codes=(
            Coding(system="http://loinc.org", code="718-7"),
            Coding(system="urn:example:codes", code="HB", display="Hémoglobine"),
        ),
        effective="2025-05-20T08:10:00+02:00",
        status=LabStatus.AMENDED,
        value=Decimal("12.10"),
        comparator=">=",
        unit="g/dL",
        unit_text="g/100mL",
        low=Decimal("12.0"),
        high=Decimal(16),
        range_text="12,0 - 16,0",
        name="Hb",
        subject="S-1",
        issued="2025-05-20T11:00:00+02:00",
        specimen="sang",
        laboratory=Identifier(system="urn:example:labs", value="L1"),
        interpretation=("L", "LL"),
    )
    assert str(labs_of(store)["R1"].value) == "12.10"


def test_systems_that_a_file_leaves_out_are_those_of_the_site(store: Store) -> None:
    load_csv(store, "labs", table(lab()))
    found = labs_of(store)["R1"]

    assert (found.id.system, found.patient.system) == ("urn:reluth:site:icm:result", PATIENTS)


def test_ids_of_two_sites_never_meet(store: Store) -> None:
    for site in ("icm", "chu nord"):
        load_csv(store, "labs", table(lab()), target=Target(site, "nct04954820", identifier_system=PATIENTS))

    assert {labs_of(store, site)["R1"].id.system for site in ("icm", "chu nord")} == {
        "urn:reluth:site:icm:result",
        "urn:reluth:site:chu%20nord:result",
    }


def test_patient_without_a_numbering_is_refused(store: Store) -> None:
    report = load_csv(store, "labs", table(lab()), target=Target("icm", "nct04954820"))

    assert reasons(report) == [(2, "patient_system", "empty")]
    assert "identifier_system" in report.refused[0].reason


def test_local_code_alone_is_enough(store: Store) -> None:
    load_csv(store, "labs", table(lab(loinc="", local_code="HB", local_system="urn:example:codes")))

    assert labs_of(store)["R1"].codes == (Coding(system="urn:example:codes", code="HB"),)


def test_text_that_begins_like_a_formula_is_text(store: Store) -> None:
    load_csv(store, "labs", table(lab(name="=cmd|'/C calc'!A0", specimen="@SUM(1)")))

    assert (labs_of(store)["R1"].name, labs_of(store)["R1"].specimen) == ("=cmd|'/C calc'!A0", "@SUM(1)")


def test_result_in_words_and_no_result_are_loaded(store: Store) -> None:
    report = load_csv(
        store,
        "labs",
        table(lab("R1", value="", unit="", text="traces"), lab("R2", value="", unit="", absent="not-performed")),
    )

    assert (report.new, report.refused) == (2, ())


def test_decimal_commas_of_a_french_file_are_exact(store: Store) -> None:
    load_csv(store, "labs", table(lab(value="7,400", low="12,0"), separator=";"))

    assert (str(labs_of(store)["R1"].value), str(labs_of(store)["R1"].low)) == ("7.400", "12.0")


@pytest.mark.parametrize(
    ("wrong", "column", "kind", "said"),
    [
        ({"id": ""}, "id", "empty", "is missing"),
        ({"id": "x" * 256}, "id", "text", "255"),
        ({"id": "2,02505E+12"}, "id", "number", "shortened"),
        ({"id": "1E+15"}, "id", "number", "shortened"),
        ({"id": "R1\u200b"}, "id", "code-like", "not seen"),
        ({"id": "1\u202f234"}, "id", "number", "no plain ones"),
        ({"patient": "8.01235E+12"}, "patient", "number", "shortened"),
        ({"patient": "80\u00a0123"}, "patient", "number", "no plain ones"),
        ({"laboratory": "3,4E+12", "laboratory_system": "urn:x"}, "laboratory", "number", "shortened"),
        ({"id_system": "no uri"}, "id_system", "text", "absolute URI"),
        ({"id_system": "urn:" + "x" * 252}, "id_system", "text", "255"),
        ({"patient": ""}, "patient", "empty", "is missing"),
        ({"patient_system": "ipp"}, "patient_system", "code-like", "absolute URI"),
        ({"loinc": ""}, "loinc", "empty", "at least one"),
        ({"loinc": "718-8"}, "loinc", "code-like", "check digit"),
        ({"loinc": "HB"}, "loinc", "code-like", "LOINC"),
        ({"local_code": "HB"}, "local_system", "empty", "belong together"),
        ({"local_display": "Hémoglobine"}, "local_code", "empty", "belong together"),
        ({"local_code": "HB", "local_system": "codes"}, "local_system", "code-like", "absolute URI"),
        ({"loinc": "", "local_code": "H  B", "local_system": "urn:x"}, "local_code", "text", "a code is wanted"),
        ({"local_code": "718-7", "local_system": "http://loinc.org"}, "local_code", "code-like", "stands twice"),
        ({"effective": ""}, "effective", "empty", "is missing"),
        ({"effective": "20/05/2025"}, "effective", "date-like", "YYYY-MM-DD"),
        ({"effective": "2025-05-20 08:10"}, "effective", "date-like", "offset"),
        ({"effective": "2025-02-30"}, "effective", "date-like", "YYYY-MM-DD"),
        ({"issued": "2025-05-20"}, "issued", "date-like", "time of day"),
        ({"status": "done"}, "status", "code-like", "allowed"),
        ({"value": ""}, "value", "empty", "exactly one"),
        ({"value": "7,4"}, "value", "number", "semicolons"),
        ({"value": "hémolysé"}, "value", "code-like", "a number"),
        ({"value": "1" * 40}, "value", "number", "too many digits"),
        ({"text": "traces"}, "text", "code-like", "exactly one"),
        ({"comparator": "~"}, "comparator", "code-like", "is <"),
        ({"unit": ""}, "unit", "empty", "wanted beside a number"),
        ({"unit": "G/L"}, "unit", "code-like", "`10*9/L`"),
        ({"unit": "µmol/L"}, "unit", "code-like", "`umol/L`"),
        ({"unit": "\u03bcmol/l"}, "unit", "code-like", "`umol/L`"),
        ({"unit": "MMHG"}, "unit", "code-like", "`mm[Hg]`"),
        ({"unit": "été"}, "unit", "code-like", "UCUM"),
        ({"low": "10", "high": "5"}, "high", "number", "below the lower limit"),
        ({"laboratory": "L1"}, "laboratory_system", "empty", "is missing"),
        ({"laboratory": "L1", "laboratory_system": "labs"}, "laboratory_system", "code-like", "absolute URI"),
        ({"interpretation": "H H"}, "interpretation", "text", "stands twice"),
        ({"name": "a\x00b"}, "name", "code-like", "control characters"),
        ({"name": "x" * 5000}, "name", "text", "4000 characters"),
    ],
)  # fmt: skip
def test_wrong_cell_is_named_and_the_other_rows_are_loaded(
    store: Store, wrong: dict[str, str], column: str, kind: str, said: str
) -> None:
    report = load_csv(store, "labs", table(lab("R0"), lab("R1", **wrong), lab("R2")))

    assert reasons(report) == [(3, column, kind)]
    assert said in report.refused[0].reason
    assert sorted(labs_of(store)) == ["R0", "R2"]
    assert (report.read, report.new, report.exit_code) == (3, 2, 5)


@pytest.mark.parametrize("number", ["R 1", "1E15", "E+12", "12E", "é-1"])
def test_number_that_only_looks_odd_is_taken_as_it_is(store: Store, number: str) -> None:
    assert load_csv(store, "labs", table(lab(number))).new == 1


@pytest.mark.parametrize("unit", ["g/dL", "g/dl", "10*9/L", "1", "{INR}", "mg/L", "ng/mL"])
def test_ucum_codes_are_taken_as_they_are(store: Store, unit: str) -> None:
    load_csv(store, "labs", table(lab(unit=unit)))

    assert labs_of(store)["R1"].unit == unit


def test_reason_never_holds_the_value(store: Store) -> None:
    secret = "Zebulon-4711"
    columns = (
        "effective",
        "issued",
        "status",
        "value",
        "comparator",
        "loinc",
        "low",
        "id_system",
        "laboratory",
        "absent",
    )
    report = load_csv(store, "labs", table(*(lab(f"R{at}", **{name: secret}) for at, name in enumerate(columns))))

    assert len(report.refused) == len(columns)
    assert "Zebulon" not in str([str(refused) for refused in report.refused])
