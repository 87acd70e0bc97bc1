"""Promises of what is a code of UCUM."""

from __future__ import annotations

import pytest

from adapter.datasets.pseudonymising import load_profile
from adapter.documents import load_trial
from adapter.fhir import is_ucum


@pytest.mark.parametrize(
    "code",
    [
        "g/dL",
        "g/L",
        "10*9/L",
        "10^9/L",
        "10*12/L",
        "10*3/uL",
        "/uL",
        "umol/L",
        "pmol/L",
        "pg/mL",
        "ug/L",
        "U/L",
        "kU/L",
        "[iU]/L",
        "m[iU]/mL",
        "k[iU]/mL",
        "ukat/L",
        "%",
        "s",
        "mm[Hg]",
        "mL/min/{1.73_m2}",
        "{score}",
        "{copies}/mL",
        "mg/(24.h)",
        "g/(24.h)",
        "mg/g{creat}",
        "[pH]",
        "meq/L",
        "mosm/kg",
        "mmol/mol",
        "fL",
        "Cel",
        "[arb'U]/mL",
        "/[HPF]",
        "[CFU]/mL",
        "{cells}/uL",
        "ug{FEU}/mL",
        "mm/h",
        "m2.s-1",
        "kg/m2",
        "1",
        "[ppm]",
        "a",
        "mo",
        "wk",
        "min",
        "d",
        "l",
        "cm[H2O]",
        "[in_i]",
        "L/(min.m2)",
    ],
)
def test_code_of_ucum_is_one(code: str) -> None:
    assert is_ucum(code)


@pytest.mark.parametrize(
    "text",
    [
        *[
            "UI/L",
            "UI/mL",
            "UA/mL",
            "mmHg",
            "mEq/L",
            "Ery/champ",
            "mg/24h",
            "g//L",
            "g/dL.",
            "(g/L",
            "g/L)",
            "{a{b}",
            "[",
            "cells/uL",
            "copies/mL",
            "sec",
            "ans",
            "mL/mn",
        ],
        *("", " g/L", "g/L ", "µmol/L", "g/dL Dupont", "g" * 300, "(" * 100 + "g" + ")" * 100, "10**9/L", "\u0661"),
    ],
)
def test_what_a_laboratory_prints_besides_is_none(text: str) -> None:
    assert not is_ucum(text)


def test_every_unit_of_the_documents_is_a_code_of_ucum() -> None:
    ours = {*load_trial("nct04954820").units.spellings.values(), *load_profile().tables.units}

    assert {unit for unit in ours if not is_ucum(unit)} == set()
