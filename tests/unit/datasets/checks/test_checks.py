"""In: a package without a flaw and one flaw each. Out: whether each check finds its own flaw, and the flawless package passes."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from adapter.datasets.checks import CHECKS, check
from adapter.datasets.model import Cell, Dataset, Package, Row, ValueLevel
from tests.support.sdtm_packages import (
    DOMAIN,
    FIRST,
    SECOND,
    STUDYID,
    arms,
    changed,
    dataset,
    day,
    demographics,
    elements,
    exposure,
    laboratory,
    number,
    package,
    redescribed,
    relations,
    replacing,
    supplement,
    text,
)


def _lab(row: int = 1, **cells: Cell) -> Package:
    return replacing(package(), changed(laboratory(), row, **cells))


def _subject(row: int = 0, **cells: Cell) -> Package:
    return replacing(package(), changed(demographics(), row, **cells))


def _dose(**cells: Cell) -> Package:
    return replacing(package(), changed(exposure(), 0, **cells))


def _described(which: str, /, **facts: object) -> Package:
    return replacing(package(), redescribed(laboratory(), which, **facts))


def _laboratory(**facts: object) -> Package:
    return replacing(package(), msgspec.structs.replace(laboratory(), **facts))


def _more(one: Dataset, *cells: Cell) -> Package:
    return replacing(package(), msgspec.structs.replace(one, rows=(*one.rows, Row(cells=cells, key="more"))))


def _without(name: str) -> Package:
    whole = package()
    return msgspec.structs.replace(whole, datasets=tuple(one for one in whole.datasets if one.name != name))


def _lesions(*targets: str) -> Package:
    """Baseline diameters of lesions, told apart by their link."""
    variables = (
        *demographics().variables[:3],
        number("TRSEQ", "integer"),
        text("TRTESTCD", 8),
        text("TRLNKID"),
        text("TRLOBXFL", 1),
    )
    rows = [
        ("RELUTH", FIRST, "TR", Decimal(place), "LDIAM", target, "Y") for place, target in enumerate(targets, start=1)
    ]
    lesions = dataset("TR", variables, rows, class_="FINDINGS", keys=("STUDYID", "USUBJID", "TRSEQ"))
    return msgspec.structs.replace(package(), datasets=(*package().datasets, lesions))


SHORT = (Row(cells=("RELUTH", FIRST), key="short"),)
EMPTY = Row(cells=(None,) * 12, key="empty")
RELATIONS = relations().rows

#: What is wrong, and the check that must tell it.
FLAWS: list[tuple[str, Callable[[], Package]]] = [
    ("name-invalid", lambda: _described("LBORRES", name="lborres")),
    ("name-invalid", lambda: _described("LBORRES", name="LBORRESXX")),
    ("name-invalid", lambda: _described("LBORRES", name="1LB")),
    ("name-invalid", lambda: package(msgspec.structs.replace(demographics(), name="DEMOGRAPHY"))),
    ("name-twice", lambda: _described("LBSTRESC", name="LBORRES")),
    ("name-twice", lambda: package(demographics(), laboratory(), laboratory())),
    ("label-invalid", lambda: _described("LBORRES", label="L" * 41)),
    ("label-invalid", lambda: _described("LBORRES", label="é")),
    ("label-invalid", lambda: _described("LBORRES", label="")),
    ("label-invalid", lambda: _laboratory(label="L" * 41)),
    ("length-invalid", lambda: _described("LBORRES", length=201)),
    ("length-invalid", lambda: _described("LBDY", length=0)),
    ("key-unknown", lambda: _laboratory(keys=("STUDYID", "LBNONE"))),
    ("codelist-unknown", lambda: _described("LBORRES", codelist="NONE")),
    (
        "value-level-unknown",
        lambda: _described("LBORRES", values=(ValueLevel(where={"LBNONE": ("A",)}, type="text", length=1),)),
    ),
    ("variable-missing", lambda: _described("LBSEQ", name="LBNUM")),
    ("variable-missing", lambda: _described("DOMAIN", name="DOMAINX")),
    ("variable-missing", lambda: replacing(package(), redescribed(supplement(), "RDOMAIN", name="XDOMAIN"))),
    ("dataset-empty", lambda: _laboratory(rows=())),
    ("cells-miscounted", lambda: _laboratory(rows=SHORT)),
    ("record-empty", lambda: _more(laboratory(), *EMPTY.cells)),
    ("cell-not-of-its-kind", lambda: _lab(LBSTRESN="12.1")),
    ("cell-not-of-its-kind", lambda: _lab(LBORRES=Decimal(1))),
    ("text-not-writable", lambda: _lab(LBORRES="é")),
    ("text-not-writable", lambda: _lab(LBORRES="x" * 201)),
    ("text-not-writable", lambda: _lab(LBORRES=" x")),
    ("text-not-writable", lambda: _lab(LBORRES="")),
    ("text-not-writable", lambda: _lab(LBSTRESU="g" * 21)),
    ("number-not-writable", lambda: _lab(LBSTRESN=Decimal("0.12345678901234567890"))),
    ("number-not-writable", lambda: _lab(LBSTRESN=Decimal("NaN"))),
    ("number-not-writable", lambda: _lab(LBDY=Decimal("1.5"))),
    ("keys-not-unique", lambda: _more(exposure(), *exposure().rows[0].cells)),
    ("keys-not-sorted", lambda: _laboratory(rows=tuple(reversed(laboratory().rows)))),
    ("sequence-invalid", lambda: _lab(LBSEQ=None)),
    ("sequence-invalid", lambda: _lab(LBSEQ=Decimal(0))),
    ("sequence-invalid", lambda: _lab(LBSEQ=Decimal("1.5"))),
    ("sequence-not-unique", lambda: _lab(LBSEQ=Decimal(3))),
    ("identifier-differs", lambda: _lab(STUDYID="OTHER")),
    ("identifier-differs", lambda: _lab(DOMAIN="VS")),
    ("required-blank", lambda: _lab(LBTESTCD=None)),
    ("term-not-in-codelist", lambda: _subject(SEX="X")),
    (
        "term-not-in-codelist",
        lambda: _described(
            "LBSTRESN", values=(ValueLevel(where={"LBTESTCD": ("HGB",)}, type="float", length=5, codelist="SEX"),)
        ),
    ),
    ("term-beyond-codelist", lambda: _lab(LBSTRESU="mg")),
    ("date-invalid", lambda: _lab(0, LBDTC="11/02/2024")),
    ("date-invalid", lambda: _lab(0, LBDTC="2024-02-30")),
    ("date-invalid", lambda: replacing(package(), redescribed(laboratory(), "LBORRES", type="durationDatetime"))),
    ("end-before-start", lambda: _dose(EXENDTC="2024-02-09")),
    ("end-before-start", lambda: _dose(EXENDTC="2024-02-10T09")),
    (
        "date-before-birth",
        lambda: replacing(package(), redescribed(changed(demographics(), 0, DTHDTC="2025"), "DTHDTC", name="BRTHDTC")),
    ),
    ("date-before-consent", lambda: _subject(RFICDTC="2024-02-11")),
    ("date-after-death", lambda: _subject(DTHDTC="2024-02-09")),
    ("study-day-differs", lambda: _lab(0, LBDY=Decimal(1))),
    ("study-day-differs", lambda: _lab(2, LBDY=Decimal(0))),
    ("study-day-differs", lambda: _lab(3, LBDY=Decimal(1))),
    ("study-day-missing", lambda: _lab(0, LBDY=None)),
    ("result-differs", lambda: _lab(LBSTRESN=Decimal("12.2"))),
    ("result-differs", lambda: _lab(LBSTRESN=None)),
    ("result-differs", lambda: _lab(0, LBSTRESN=Decimal(5))),
    ("baseline-twice", lambda: _lab(2, LBLOBXFL="Y")),
    ("baseline-twice", lambda: _lesions("T01", "T01")),
    ("subject-not-in-dm", lambda: _without("DM")),
    ("subject-not-in-dm", lambda: replacing(package(), demographics((FIRST,)))),
    ("subject-twice-in-dm", lambda: replacing(package(), demographics((FIRST, SECOND, SECOND)))),
    ("arm-unexplained", lambda: _subject(1, ARMNRS=None)),
    ("design-target-missing", lambda: _subject(ARMCD="LUT9")),
    ("design-target-missing", lambda: replacing(package(), changed(arms(), 0, ETCD="NONE"))),
    ("relrec-target-missing", lambda: replacing(package(), changed(relations(), 1, IDVARVAL="9"))),
    ("relrec-target-missing", lambda: replacing(package(), changed(relations(), 1, IDVAR="LBNONE"))),
    ("relrec-target-missing", lambda: replacing(package(), changed(relations(), 1, RDOMAIN="VS"))),
    ("relrec-target-missing", lambda: replacing(package(), changed(relations(), 1, USUBJID=SECOND))),
    ("relrec-target-missing", lambda: replacing(package(), changed(relations(), 1, IDVARVAL=None))),
    ("relrec-target-missing", lambda: _without("EX")),
    ("relrec-alone", lambda: replacing(package(), changed(relations(), 1, RELID="R2"))),
    ("supp-target-missing", lambda: replacing(package(), changed(supplement(), 0, IDVARVAL="9"))),
    (
        "supp-target-missing",
        lambda: replacing(
            package(), changed(supplement(), 0, RDOMAIN="DM", IDVAR=None, IDVARVAL=None, USUBJID="RELUTH-05-0009")
        ),
    ),
]


def test_flawless_package_passes() -> None:
    assert check(package()) == []


@pytest.mark.parametrize(("code", "flawed"), FLAWS, ids=[f"{place}-{code}" for place, (code, _) in enumerate(FLAWS)])
def test_flaw_is_told_by_its_own_check(code: str, flawed: Callable[[], Package]) -> None:
    found = {one.code: one for one in check(flawed())}

    assert code in found
    assert (found[code].severity, found[code].text) == CHECKS[code]


def test_every_check_has_a_flaw_that_shows_it() -> None:
    assert {code for code, _ in FLAWS} == set(CHECKS)


def test_finding_tells_where_whose_and_how_often() -> None:
    twice = replacing(package(), changed(changed(laboratory(), 0, LBSTRESU="mg"), 1, LBSTRESU="mg"))
    (found,) = check(twice)

    assert (found.domain, found.variable, found.value, found.count) == ("LB", "LBSTRESU", "mg", 2)
    (other,) = check(_lab(2, LBLOBXFL="Y"))
    assert (other.domain, other.variable, other.subject, other.value) == ("LB", "LBLOBXFL", FIRST, None)


def test_errors_come_before_warnings() -> None:
    both = check(replacing(_lab(LBSTRESU="mg"), changed(exposure(), 0, EXENDTC="2024-02-09", STUDYID="OTHER")))

    assert [one.severity for one in both] == sorted(one.severity for one in both)
    assert {one.severity for one in both} == {"error", "warning"}


@pytest.mark.parametrize(
    "sound",
    [
        lambda: _lab(0, LBDTC="2024", LBDY=None),
        lambda: _lab(0, LBDTC="2024---11", LBDY=None),
        lambda: _lab(0, LBDTC="2024-02-11T08:30:15+01:00"),
        lambda: _dose(EXENDTC="2024-02"),
        lambda: _dose(EXENDTC=None),
        lambda: _subject(1, ARMNRS="SCREEN FAILURE"),
        lambda: _lab(3, LBDTC=None),
        lambda: _lab(LBSTRESC="12.10"),
        lambda: _lesions("T01", "T02"),
        lambda: replacing(package(), changed(demographics(), 0, DTHDTC="2024-03-01")),
        lambda: replacing(package(), changed(supplement(), 0, RDOMAIN="DM", IDVAR=None, IDVARVAL=None)),
    ],
)
def test_what_is_only_unusual_is_not_told(sound: Callable[[], Package]) -> None:
    assert check(sound()) == []


def test_relation_of_whole_datasets_needs_the_variables_only() -> None:
    def both(variable: str) -> Package:
        rows = tuple(
            Row(cells=("RELUTH", domain, None, name, None, kind, "R9"), key=domain)
            for domain, name, kind in (("EX", "EXSEQ", "ONE"), ("LB", variable, "MANY"))
        )
        return replacing(package(), msgspec.structs.replace(relations(), rows=rows))

    assert check(both("LBSEQ")) == []
    assert [one.code for one in check(both("LBNONE"))] == ["relrec-target-missing"]


def test_unplanned_element_is_allowed_in_the_trial_design() -> None:
    variables = (*demographics().variables[:3], number("SESEQ", "integer"), text("ETCD", 8), day("SESTDTC"))
    rows = [("RELUTH", FIRST, "SE", Decimal(1), "UNPLAN", "2024-02-10")]
    visits = dataset("SE", variables, rows, keys=("STUDYID", "USUBJID", "SESEQ"))

    assert check(msgspec.structs.replace(package(), datasets=(*package().datasets, visits))) == []


def test_key_of_two_kinds_is_told_once_as_a_cell_of_the_wrong_kind() -> None:
    codes = [one.code for one in check(_lab(1, LBTESTCD=Decimal(1)))]

    assert "cell-not-of-its-kind" in codes
    assert "keys-not-sorted" not in codes


def test_demographics_without_reasons_are_not_asked_for_them() -> None:
    whole = replacing(package(), redescribed(changed(demographics(), 1, ARMNRS="X"), "ARMNRS", name="ARMNOTE"))

    assert check(whole) == []


def test_trial_summary_is_numbered_within_each_parameter() -> None:
    variables = (STUDYID, text("TSPARMCD", 8), number("TSSEQ", "integer"), DOMAIN, text("TSVAL", 200))

    def summary(*rows: tuple[str, int]) -> Package:
        cells = [("RELUTH", parameter, Decimal(place), "TS", "x") for parameter, place in rows]
        keys = ("STUDYID", "TSPARMCD", "TSSEQ", "TSVAL")
        one = dataset("TS", variables, cells, class_="TRIAL DESIGN", reference=True, keys=keys)
        return msgspec.structs.replace(package(), datasets=(*package().datasets, one))

    assert check(summary(("AGEMAX", 1), ("AGEMIN", 1), ("AGEMIN", 2))) == []
    (first, *_) = check(summary(("AGEMIN", 1), ("AGEMIN", 1)))
    (found,) = [one for one in check(summary(("AGEMIN", 1), ("AGEMIN", 1))) if one.code == "sequence-not-unique"]
    assert (found.domain, found.subject, first.severity) == ("TS", None, "error")


def test_package_without_reference_datasets_is_not_measured_by_them() -> None:
    assert check(_without("TA")) == []
    assert elements().reference
