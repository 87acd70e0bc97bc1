"""In: nothing, or what is to differ. Out: a small SDTM package made by hand: two subjects, four domains, two relations, three reference datasets."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from adapter.datasets.model import (
    Cell,
    Codelist,
    CodelistTerm,
    Dataset,
    Origin,
    Package,
    Row,
    Study,
    ValueLevel,
    Variable,
)

STUDY = Study(id="RELUTH", name="ReLUTH", title="Retreatment with Lutathera", protocol="RELUTH-01")
COLLECTED = Origin(type="Collected", source="Investigator")
ASSIGNED = Origin(type="Assigned", source="Sponsor")
DERIVED = Origin(
    type="Derived", source="Sponsor", method="Date less the reference start date, plus one on or after it."
)
FIRST, SECOND = "RELUTH-05-0001", "RELUTH-05-0002"


def text(name: str, length: int = 20, **more: Any) -> Variable:
    """A variable of texts."""
    return _variable(name, "text", length, more)


def number(name: str, kind: str = "float", **more: Any) -> Variable:
    """A variable of numbers."""
    return _variable(name, kind, 8, more)


def day(name: str, **more: Any) -> Variable:
    """A variable of dates."""
    return _variable(name, "datetime", 25, more)


def _variable(name: str, kind: Any, length: int, more: dict[str, Any]) -> Variable:
    facts: dict[str, Any] = {
        "label": f"Label of {name}",
        "core": "Exp",
        "role": "Record Qualifier",
        "origin": COLLECTED,
    }
    return Variable(name=name, type=kind, length=length, **(facts | more))


STUDYID = text("STUDYID", 6, core="Req", role="Identifier", origin=ASSIGNED)
DOMAIN = text("DOMAIN", 2, core="Req", role="Identifier", origin=ASSIGNED)
USUBJID = text("USUBJID", core="Req", role="Identifier", origin=ASSIGNED)


def dataset(name: str, variables: Sequence[Variable], rows: Sequence[Sequence[Cell]], **more: Any) -> Dataset:
    """A dataset; its keys are its first variables unless they are given."""
    facts: dict[str, Any] = {
        "label": f"Records of {name}",
        "domain": name,
        "class_": "SPECIAL PURPOSE",
        "structure": "One record per key",
        "keys": tuple(one.name for one in variables[:2]),
    }
    return Dataset(
        name=name,
        variables=tuple(variables),
        rows=tuple(Row(cells=tuple(cells), key=f"{name}/{place}") for place, cells in enumerate(rows)),
        **(facts | more),
    )


def demographics(subjects: Sequence[str] = (FIRST, SECOND)) -> Dataset:
    """DM: the first subject has an arm, all others the reason why not."""
    variables = (
        STUDYID,
        USUBJID,
        DOMAIN,
        day("RFSTDTC"),
        day("RFICDTC"),
        day("DTHDTC"),
        number("AGE", "integer"),
        text("SEX", 1, core="Req", codelist="SEX"),
        text("ARMCD", 8),
        text("ARMNRS"),
    )
    rows: list[tuple[Cell, ...]] = [
        ("RELUTH", one, "DM", "2024-02-10", "2024-01-15", None, Decimal(64), "F", "LUT2", None)
        if one == subjects[0]
        else ("RELUTH", one, "DM", None, "2024-03", None, Decimal(58), "M", None, "NOT ASSIGNED")
        for one in subjects
    ]
    return dataset("DM", variables, rows)


def laboratory(subjects: Sequence[str] = (FIRST, SECOND)) -> Dataset:
    """LB: two tests of the first subject, one of each other; values with decimals, a comparator, nothing."""
    variables = (
        STUDYID,
        USUBJID,
        text("LBTESTCD", 8, core="Req", role="Topic", codelist="LBTESTCD", comment="From the LOINC code."),
        number("LBSEQ", "integer", core="Req", role="Identifier", origin=DERIVED),
        DOMAIN,
        text("LBORRES", 200),
        text("LBSTRESC", 200),
        number(
            "LBSTRESN",
            values=(
                ValueLevel(where={"LBTESTCD": ("HGB",)}, type="decimal", length=5, comment="g/dL"),
                ValueLevel(where={"LBTESTCD": ("ALB", "PLAT")}, type="integer", length=4, origin=DERIVED),
            ),
        ),
        text("LBSTRESU", codelist="UNIT"),
        text("LBLOBXFL", 1, codelist="NY"),
        day("LBDTC", role="Timing"),
        number("LBDY", "integer", origin=DERIVED, role="Timing"),
    )
    rows: list[tuple[Cell, ...]] = []
    for one in subjects:
        if one == subjects[0]:
            rows += [
                ("RELUTH", one, "ALB", Decimal(1), "LB", "<5", "<5", None, "g/L", None, "2024-02-11", Decimal(2)),
                (
                    "RELUTH",
                    one,
                    "HGB",
                    Decimal(2),
                    "LB",
                    "12,10",
                    "12.1",
                    Decimal("12.1"),
                    "g/dL",
                    "Y",
                    "2024-02-09",
                    Decimal(-1),
                ),
                (
                    "RELUTH",
                    one,
                    "HGB",
                    Decimal(3),
                    "LB",
                    "11",
                    "11",
                    Decimal(11),
                    "g/dL",
                    None,
                    "2024-02-10T08:30",
                    Decimal(1),
                ),
            ]
        else:
            rows.append(
                ("RELUTH", one, "HGB", Decimal(1), "LB", "9.9", "9.9", Decimal("9.9"), "g/dL", None, "2024-03", None)
            )
    return dataset("LB", variables, rows, class_="FINDINGS", keys=("STUDYID", "USUBJID", "LBTESTCD", "LBSEQ"))


def exposure(subject: str = FIRST) -> Dataset:
    """EX: one infusion."""
    variables = (
        STUDYID,
        USUBJID,
        number("EXSEQ", "integer", core="Req", origin=DERIVED),
        DOMAIN,
        text("EXTRT", core="Req"),
        number("EXDOSE", "decimal"),
        text("EXDOSU", codelist="UNIT"),
        day("EXSTDTC"),
        day("EXENDTC"),
    )
    row = (
        "RELUTH",
        subject,
        Decimal(1),
        "EX",
        "LUTATHERA",
        Decimal("7.4"),
        "GBq",
        "2024-02-10T10:00",
        "2024-02-10T10:30",
    )
    return dataset("EX", variables, [row], class_="INTERVENTIONS", keys=("STUDYID", "USUBJID", "EXSEQ"))


def relations(subject: str = FIRST) -> Dataset:
    """RELREC: a laboratory result and an infusion of one subject."""
    variables = (
        STUDYID,
        text("RDOMAIN", 2, core="Req"),
        USUBJID,
        text("IDVAR", 8),
        text("IDVARVAL", 40),
        text("RELTYPE"),
        text("RELID", core="Req"),
    )
    rows = [
        ("RELUTH", "EX", subject, "EXSEQ", "1", None, "R1"),
        ("RELUTH", "LB", subject, "LBSEQ", "3", None, "R1"),
    ]
    return dataset(
        "RELREC",
        variables,
        rows,
        class_="RELATIONSHIP",
        domain="RELREC",
        keys=("STUDYID", "RDOMAIN", "USUBJID", "IDVARVAL"),
    )


def supplement(subject: str = FIRST) -> Dataset:
    """SUPPLB: a qualifier of a result."""
    variables = (
        STUDYID,
        text("RDOMAIN", 2, core="Req"),
        USUBJID,
        text("IDVAR", 8),
        text("IDVARVAL", 40),
        text("QNAM", 8, core="Req"),
        text("QLABEL", 40, core="Req"),
        text("QVAL", 200, core="Req"),
    )
    rows = [("RELUTH", "LB", subject, "LBSEQ", "2", "LBCLSIG", "Clinically Significant", "N")]
    return dataset(
        "SUPPLB",
        variables,
        rows,
        class_="RELATIONSHIP",
        domain="LB",
        keys=("STUDYID", "RDOMAIN", "USUBJID", "IDVARVAL", "QNAM"),
    )


def arms() -> Dataset:
    """TA: the two arms."""
    variables = (
        STUDYID,
        text("ARMCD", 8, core="Req"),
        number("TAETORD", "integer"),
        DOMAIN,
        text("ETCD", 8),
        text("ARM", 40),
    )
    rows = [
        ("RELUTH", "LUT2", Decimal(1), "TA", "SCRN", "2 additional infusions of Lutathera"),
        ("RELUTH", "OBS", Decimal(1), "TA", "SCRN", "Active surveillance"),
    ]
    return dataset("TA", variables, rows, class_="TRIAL DESIGN", keys=("STUDYID", "ARMCD", "TAETORD"), reference=True)


def elements() -> Dataset:
    """TE: one element."""
    variables = (STUDYID, text("ETCD", 8, core="Req"), DOMAIN, text("ELEMENT", 40))
    return dataset("TE", variables, [("RELUTH", "SCRN", "TE", "Screening")], class_="TRIAL DESIGN", reference=True)


CODELISTS = (
    Codelist(
        id="LBTESTCD",
        name="Laboratory Test Code",
        code="C65047",
        extensible=True,
        terms=(
            CodelistTerm(value="HGB", code="C64848", decode="Hemoglobin"),
            CodelistTerm(value="ALB", code="C64431", decode="Albumin"),
        ),
    ),
    Codelist(
        id="UNIT",
        name="Unit",
        code="C71620",
        extensible=True,
        terms=tuple(CodelistTerm(value=one) for one in ("g/L", "g/dL", "GBq")),
    ),
    Codelist(id="SEX", name="Sex", terms=tuple(CodelistTerm(value=one) for one in ("M", "F", "U"))),
    Codelist(id="NY", name="No Yes Response", terms=(CodelistTerm(value="Y"), CodelistTerm(value="N"))),
)


def package(*datasets: Dataset, **more: Any) -> Package:
    """A package of given datasets, by default of all that are here, without a finding of any check."""
    chosen = datasets or (demographics(), exposure(), laboratory(), relations(), supplement(), arms(), elements())
    facts: dict[str, Any] = {"standard": "SDTMIG 3.4", "terminology": "2025-09-26", "codelists": CODELISTS}
    return Package(study=STUDY, datasets=chosen, **(facts | more))


def changed(one: Dataset, row: int, **cells: Cell) -> Dataset:
    """A dataset with cells of one record set anew."""
    names = [variable.name for variable in one.variables]
    old = one.rows[row]
    new = tuple(cells.get(name, cell) for name, cell in zip(names, old.cells, strict=True))
    rows = list(one.rows)
    rows[row] = msgspec.structs.replace(old, cells=new)
    return msgspec.structs.replace(one, rows=tuple(rows))


def redescribed(one: Dataset, which: str, /, **facts: Any) -> Dataset:
    """A dataset with facts of one variable set anew."""
    variables = tuple(
        msgspec.structs.replace(variable, **facts) if variable.name == which else variable for variable in one.variables
    )
    return msgspec.structs.replace(one, variables=variables)


def replacing(whole: Package, *datasets: Dataset) -> Package:
    """A package with datasets of the same names set anew."""
    new = {one.name: one for one in datasets}
    return msgspec.structs.replace(whole, datasets=tuple(new.get(one.name, one) for one in whole.datasets))
