"""In: cells, labels and numbers that no transport file holds. Out: whether each is brought to what it holds and told, and nothing else is."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from adapter.datasets.checks import check
from adapter.datasets.formats import PREPARING, prepared
from adapter.datasets.formats.ascii_text import plain_text
from adapter.datasets.model import Cell, Codelist, CodelistTerm
from tests.support.sdtm_packages import CODELISTS, changed, demographics, laboratory, package, redescribed, replacing


def test_package_that_fits_is_not_changed() -> None:
    assert prepared(package()) == package()


@pytest.mark.parametrize(
    ("variable", "cell", "kept", "codes"),
    [
        ("LBORRES", "  12,1 ", "12,1", []),
        ("LBORRES", "   ", None, []),
        ("LBORRES", "élevé", "eleve", ["text-not-ascii"]),
        ("LBORRES", "a\nb", "a b", ["text-not-ascii"]),
        ("LBORRES", "x" * 300, "x" * 200, ["text-cut"]),
        ("LBORRES", "é" * 201, "e" * 200, ["text-cut", "text-not-ascii"]),
        ("LBSTRESU", "u" * 30, "u" * 30, ["text-widened"]),
        ("LBDTC", "2024-02-09T08:30:15.123+01:00", "2024-02-09T08:30:15.123+01:00", []),
        ("LBORRES", Decimal(1), None, ["wrong-kind-of-cell"]),
        ("LBSTRESN", "1", None, ["wrong-kind-of-cell"]),
        ("LBSTRESN", Decimal("7.40"), Decimal("7.4"), []),
        ("LBSTRESN", Decimal("1E+2"), Decimal(100), []),
        ("LBSTRESN", Decimal("-0"), Decimal(0), []),
        ("LBSTRESN", Decimal("0.12345678901234567890"), Decimal("0.12345678901234568"), ["number-rounded"]),
        ("LBSTRESN", Decimal("1E+99"), None, ["number-out-of-range"]),
        ("LBSTRESN", Decimal("Infinity"), None, ["number-out-of-range"]),
        ("LBDY", Decimal("1.5"), Decimal("1.5"), ["number-not-whole"]),
    ],
)
def test_cell_is_brought_to_what_all_formats_hold(variable: str, cell: Cell, kept: Cell, codes: list[str]) -> None:
    done = prepared(package(changed(laboratory(), 1, **{variable: cell})))
    found = done.dataset("LB").cell(done.dataset("LB").rows[1], variable)

    assert (found, str(found)) == (kept, str(kept))
    assert [(one.code, one.domain, one.variable, one.count) for one in done.findings] == [
        (code, "LB", variable, 1) for code in codes
    ]
    assert all(one.text == PREPARING[one.code] and one.value is None for one in done.findings)


def test_second_preparing_changes_nothing() -> None:
    once = prepared(package(changed(laboratory(), 1, LBORRES="é" * 300, LBDY=Decimal("1.5"), LBSTRESU="u" * 30)))

    assert prepared(once) == once


def test_prepared_package_passes_the_checks_of_what_is_writable() -> None:
    broken = changed(laboratory(), 1, LBORRES="µ\t" * 300, LBDY=Decimal("1.5"), LBSTRESN=Decimal("Infinity"))
    described = redescribed(broken, "LBORRES", label="É" * 41)
    whole = replacing(package(), msgspec.structs.replace(described, label="Données de laboratoire du patient inclus"))
    before, after = ({one.code for one in check(one)} for one in (whole, prepared(whole)))

    assert {"label-invalid", "text-not-writable", "number-not-writable"} <= before
    assert not {"label-invalid", "text-not-writable", "number-not-writable", "length-invalid"} & after


def test_label_is_brought_to_40_bytes_of_ascii_and_told() -> None:
    one = redescribed(laboratory(), "LBORRES", label="Résultat tel que reçu du laboratoire du site")
    done = prepared(package(one))

    assert done.dataset("LB").variables[5].label == "Resultat tel que recu du laboratoire du"
    assert [one.code for one in done.findings] == ["label-cut", "label-not-ascii"]


def test_equal_changes_are_counted_and_own_findings_stay_first() -> None:
    one = changed(changed(laboratory(), 0, LBORRES="é"), 1, LBORRES="à")
    own = prepared(package(changed(laboratory(), 1, LBDY=Decimal("1.5")))).findings
    done = prepared(package(one, findings=own))

    assert done.findings[0] == own[0]
    assert [(one.code, one.count) for one in done.findings[1:]] == [("text-not-ascii", 2)]


def test_terms_and_conditions_are_written_as_the_cells_are() -> None:
    micro = Codelist(id="UNIT", name="Unit", terms=(CodelistTerm(value="µmol/L", decode="µmol/L"),))
    one = changed(laboratory(), 1, LBSTRESU="µmol/L", LBTESTCD="É")
    values = (msgspec.structs.replace(laboratory().variables[7].values[0], where={"LBTESTCD": ("É",)}),)
    done = prepared(package(redescribed(one, "LBSTRESN", values=values), codelists=(micro, *CODELISTS[2:])))

    assert done.codelists[0].terms == (CodelistTerm(value="umol/L", decode="µmol/L"),)
    assert done.dataset("LB").cell(done.dataset("LB").rows[1], "LBSTRESU") == "umol/L"
    assert done.dataset("LB").variables[7].values[0].where == {"LBTESTCD": ("E",)}


def test_rows_keep_their_keys_and_sources() -> None:
    one = changed(demographics(), 0, ARMCD="é")
    done = prepared(package(one)).dataset("DM")

    assert [row.key for row in done.rows] == [row.key for row in one.rows]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("≥ 3 × LSN", ">= 3 x LSN"),
        ("10⁹/L", "109/L"),
        ("µmol", "umol"),
        ("μmol", "umol"),
        ("œdème", "oedeme"),
        ("β-hCG", "beta-hCG"),
        ("18 °C", "18  deg C"),
        ("中", "?"),
        ("a\u00a0b", "a b"),
        ("a\u200bb", "a b"),
    ],
)
def test_sign_is_written_in_ascii(text: str, plain: str) -> None:
    assert plain_text(text) == plain
