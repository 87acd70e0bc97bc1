"""In: units as laboratories write them. Out: whether each becomes its exact factor for the analyte in question, or none at all."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import pytest

from adapter.documents import load_trial
from adapter.terminology import Analyte, Site, UnitProblem, Units


@cache
def terms() -> tuple[dict[str, Analyte], Units]:
    trial = load_trial("nct04954820")
    return dict(trial.analytes), trial.units


def factor(analyte: str, *, code: str | None = None, text: str | None = None, units: Units | None = None) -> Decimal:
    analytes, general = terms()
    return (units or general).factor(analytes[analyte], code=code, text=text)


def reason(analyte: str, *, code: str | None = None, text: str | None = None, units: Units | None = None) -> str:
    with pytest.raises(UnitProblem) as caught:
        factor(analyte, code=code, text=text, units=units)
    return caught.value.reason


# clinical-spec.md section 5, the table
@pytest.mark.parametrize(
    ("analyte", "unit", "expected"),
    [
        ("hemoglobin", "g/dL", "1"),
        ("hemoglobin", "g/L", "0.1"),
        ("platelets", "10*9/L", "1"),
        ("platelets", "10*3/uL", "1"),
        ("platelets", "/uL", "0.001"),
        ("platelets", "/mm3", "0.001"),
        ("neutrophils", "/mm³", "0.001"),
        ("leukocytes", "10^9/L", "1"),
        ("creatinine", "umol/L", "1"),
        ("creatinine", "mg/dL", "88.4"),
        ("creatinine", "mg/L", "8.84"),
        ("creatinine", "mmol/L", "1000"),
        ("bilirubin_total", "mg/dL", "17.1"),
        ("bilirubin_total", "mg/L", "1.71"),
        ("albumin", "g/dL", "10"),
        ("glucose", "mg/dL", "0.0555"),
        ("glucose_fasting", "g/L", "5.55"),
        ("alt", "UI/L", "1"),
        ("ast", "[iU]/L", "1"),
        ("alt", "ukat/L", "60"),
        ("ast", "nkat/L", "0.06"),
        ("systolic", "mmHg", "1"),
        ("egfr_mdrd_reported", "mL/min/1,73m²", "1"),
        ("egfr_mdrd_reported", "mL/min/1.73 m²", "1"),
        ("egfr_mdrd_reported", "ml/mn/1,73m2", "1"),
        ("tp_percent", "%", "1"),
    ],
)
def test_each_unit_has_the_factor_of_the_specification(analyte: str, unit: str, expected: str) -> None:
    assert factor(analyte, text=unit) == Decimal(expected)
    assert factor(analyte, code=unit) == Decimal(expected)


@pytest.mark.parametrize(
    ("analyte", "unit", "expected"),
    [
        ("platelets", "G/L", "1"),
        ("platelets", "g/l", "1"),
        ("platelets", "GIGA/L", "1"),
        ("hemoglobin", "g/L", "0.1"),
        ("hemoglobin", "G/L", "0.1"),
        ("albumin", "G/L", "1"),
    ],
)
def test_the_analyte_tells_giga_from_gram(analyte: str, unit: str, expected: str) -> None:
    assert factor(analyte, text=unit) == Decimal(expected)


@pytest.mark.parametrize("micro", ["\u00b5", "\u03bc", "u"])
@pytest.mark.parametrize(
    ("analyte", "unit", "expected"),
    [
        ("creatinine", "{}mol/L", "1"),
        ("creatinine", "{}MOL/L", "1"),
        ("platelets", "/{}l", "0.001"),
        ("alt", "{}kat/L", "60"),
    ],
)
def test_both_micro_signs_are_micro(micro: str, analyte: str, unit: str, expected: str) -> None:
    assert factor(analyte, text=unit.format(micro)) == Decimal(expected)


@pytest.mark.parametrize("unit", [" g/dL ", "g/100\u00a0mL", "g/100\u202fmL", "g/100  mL", "G/DL"])
def test_spaces_and_case_do_not_matter(unit: str) -> None:
    assert factor("hemoglobin", text=unit) == Decimal(1)


@pytest.mark.parametrize(
    ("analyte", "code", "text", "expected"),
    [
        ("alt", "[iU]/L", "UI/L", "1"),
        ("platelets", "10*9/L", "G/L", "1"),
        ("platelets", "/uL", "/mm3", "0.001"),
        ("platelets", "10*3/uL", "10*9/L", "1"),
        ("hemoglobin", "g/dL", "gramme par décilitre", "1"),
        ("hemoglobin", "42", "g/L", "0.1"),
        ("hemoglobin", "", "g/dL", "1"),
        ("hemoglobin", "g/dL", " ", "1"),
    ],
)
def test_code_and_text_that_say_the_same_agree(analyte: str, code: str, text: str, expected: str) -> None:
    assert factor(analyte, code=code, text=text) == Decimal(expected)


@pytest.mark.parametrize(
    ("analyte", "code", "text"),
    [
        ("hemoglobin", "g/dL", "g/L"),
        ("platelets", "10*9/L", "/mm3"),
        ("creatinine", "umol/L", "mg/L"),
        ("albumin", "g/L", "umol/L"),
        ("hemoglobin", "g/dL", "mmol/L"),
        ("hemoglobin", "g/dL", "U/L"),
    ],
)
def test_code_and_text_that_disagree_are_ambiguous(analyte: str, code: str, text: str) -> None:
    assert reason(analyte, code=code, text=text) == "ambiguous-unit"


@pytest.mark.parametrize(
    ("analyte", "unit"), [("hemoglobin", "mmol/L"), ("hemoglobin", "MMOL/L"), ("albumin", "µmol/L")]
)
def test_a_unit_that_has_two_meanings_is_ambiguous(analyte: str, unit: str) -> None:
    assert reason(analyte, text=unit) == "ambiguous-unit"


@pytest.mark.parametrize(
    ("analyte", "unit"),
    [
        ("hemoglobin", "g/tube"),
        ("hemoglobin", "U/L"),
        ("platelets", "mg/dL"),
        ("egfr_mdrd_reported", "mL/min/1.73.m2"),
        ("egfr_mdrd_reported", "mL/min"),
        ("hcg", "UI/mL"),
        ("ecog", "points"),
        ("glucose", "umol/L"),
    ],
)
def test_a_unit_that_is_not_listed_is_unknown(analyte: str, unit: str) -> None:
    assert reason(analyte, text=unit) == "unknown-unit"


@pytest.mark.parametrize(
    "analyte", ["hemoglobin", "platelets", "creatinine", "albumin", "ki67", "systolic", "tp_percent", "hcg"]
)
def test_a_missing_unit_is_never_guessed(analyte: str) -> None:
    assert reason(analyte) == "no-unit"
    assert reason(analyte, code="", text="  ") == "no-unit"


@pytest.mark.parametrize("analyte", ["inr", "ecog"])
def test_a_ratio_or_a_score_needs_no_unit(analyte: str) -> None:
    assert factor(analyte) == Decimal(1)


def test_a_site_spelling_comes_before_the_general_ones() -> None:
    site = Site("icm", unit_spellings={("hemoglobin", "g%"): "g/dL", ("*", "g/l"): "g/dL"})
    units = site.units(terms()[1])

    assert factor("hemoglobin", text="G%", units=units) == Decimal(1)
    assert factor("hemoglobin", text="g/L", units=units) == Decimal(1)
    assert factor("platelets", text="10*9/L", units=units) == Decimal(1)


def test_a_site_spelling_of_one_analyte_holds_for_that_one() -> None:
    site = Site("icm", unit_spellings={("hemoglobin", "u"): "g/dL"})
    units = site.units(terms()[1])

    assert factor("hemoglobin", text="u", units=units) == Decimal(1)
    assert reason("albumin", text="u", units=units) == "unknown-unit"


def test_a_site_that_says_nothing_leaves_the_general_units() -> None:
    assert Site.plain("icm").units(terms()[1]) is terms()[1]


def test_every_factor_is_above_zero_and_the_own_unit_is_one() -> None:
    analytes, _ = terms()

    assert all(value > 0 for analyte in analytes.values() for value in analyte.factors.values())
    assert all(analyte.factors[analyte.unit] == 1 for analyte in analytes.values())
