"""In: nothing. Out: a small package: seven subjects of two sites, whose courses are told in the comments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.package_tables import write_package

Row = dict[str, Any]

STUDY = "RELUTH"
ARMS = {"LUT2": "2 additional infusions of Lutathera", "OBS": "Active surveillance"}
VISITS = [(4.0, "RANDOMISATION", None), (5.0, "CYCLE 3", "LUT2"), (6.0, "CYCLE 4", "LUT2"), (9.0, "MONTH 6", None)]


def who(number: int, site: str = "05") -> str:
    return f"RELUTH-{site}-{number:04d}"


def subject(number: int, arm: str | None, randomised: str | None, *, site: str = "05", **more: str) -> Row:
    return {
        "STUDYID": STUDY,
        "USUBJID": who(number, site),
        "SITEID": site,
        "ARMCD": arm,
        "ARM": ARMS.get(arm or ""),
        "RFSTDTC": randomised,
        "RFICDTC": "2025-01-10",
        "RFENDTC": None,
        "RFPENDTC": None,
        "DTHDTC": None,
        "DTHFL": None,
        **more,
    }


def subjects() -> Iterator[Row]:
    # Both infusions, stable at 6 months.
    yield subject(1, "LUT2", "2025-02-01", RFENDTC="2025-12-01")
    # One infusion, one not done; progresses after 4 months.
    yield subject(2, "LUT2", "2025-02-03", RFENDTC="2025-11-20")
    # Withdrawn before 6 months.
    yield subject(3, "LUT2", "2025-03-01", RFPENDTC="2025-05-01", RFENDTC="2025-05-01")
    # Surveillance: partial response, only assessed a month late.
    yield subject(4, "OBS", "2025-02-10", site="31", RFENDTC="2025-12-05")
    # Surveillance: dies after 3 months.
    yield subject(5, "OBS", "2025-02-20", site="31", DTHDTC="2025-05-25", DTHFL="Y", RFPENDTC="2025-05-25")
    # Surveillance: randomised in November, 6 months are not over.
    yield subject(6, "OBS", "2025-11-02", site="31", RFENDTC="2025-12-10")
    # Consented, not randomised.
    yield subject(7, None, None)


def infusion(number: int, day: str | None) -> Row:
    return {"USUBJID": who(number), "EXTRT": "LUTATHERA", "EXSTDTC": day}


def response(number: int, day: str, answer: str, *, site: str = "05", test: str = "OVRLRESP") -> Row:
    return {"USUBJID": who(number, site), "RSTESTCD": test, "RSORRES": answer, "RSSTRESC": answer, "RSDTC": day}


def disposition(number: int, day: str, what: str, *, site: str = "05") -> Row:
    return {"USUBJID": who(number, site), "DSDECOD": what, "DSSTDTC": day, "DSCAT": "DISPOSITION EVENT"}


def lab(number: int, test: str, visit: float | None, *, site: str = "05", result: str | None = "12") -> Row:
    return {
        "USUBJID": who(number, site),
        "LBTESTCD": test,
        "LBTEST": f"Test {test}",
        "LBORRES": result,
        "LBSTRESC": None,
        "VISITNUM": visit,
        "LBDTC": "2025-02-01",
    }


def came(number: int, visit: float, *, site: str = "05", occurred: str | None = "Y") -> Row:
    return {"USUBJID": who(number, site), "VISITNUM": visit, "VISIT": "", "SVOCCUR": occurred, "SVSTDTC": "2025-02-01"}


def tables() -> dict[str, list[Row]]:
    return {
        "dm": list(subjects()),
        "ds": [
            *(disposition(n, "2025-02-01", "RANDOMIZED") for n in (1,)),
            disposition(3, "2025-05-01", "WITHDRAWAL BY SUBJECT"),
            disposition(5, "2025-05-25", "DEATH", site="31"),
        ],
        "ex": [infusion(1, "2025-02-05T09:00"), infusion(1, "2025-04-02"), infusion(2, "2025-02-07")],
        "ec": [
            {"USUBJID": who(1), "ECOCCUR": "Y"},
            {"USUBJID": who(1), "ECOCCUR": "Y"},
            {"USUBJID": who(2), "ECOCCUR": "Y"},
            {"USUBJID": who(2), "ECOCCUR": "N"},
        ],
        "rs": [
            response(1, "2025-01-15", "PD"),
            response(1, "2025-08-03", "SD"),
            response(1, "2025-08-03", "1", test="ECOG101"),
            response(2, "2025-04-01", "SD"),
            response(2, "2025-06-10", "PD"),
            response(3, "2025-04-20", "SD"),
            response(4, "2025-09-15", "PR", site="31"),
        ],
        "lb": [
            lab(1, "HGB", 4.0),
            lab(1, "HGB", 4.0),
            lab(2, "HGB", 4.0, result=None),
            lab(1, "PLAT", 4.0),
            lab(2, "PLAT", 4.0),
            lab(2, "PLAT", None),
            lab(1, "HGB", 9.0),
        ],
        "sv": [came(1, 4.0), came(2, 4.0), came(1, 9.0, occurred=None), came(2, 9.0, occurred="N"), came(1, 5.1)],
        "tv": [{"VISITNUM": number, "VISIT": name, "ARMCD": arm} for number, name, arm in VISITS],
        "ts": [{"TSPARMCD": "PLANSUB", "TSVAL": "146"}, {"TSPARMCD": "RANDOM", "TSVAL": "Y"}],
    }


def package(folder: Path, *without: str, **manifest: Any) -> Path:
    """The package, without some domains."""
    return write_package(folder, {name: rows for name, rows in tables().items() if name not in without}, **manifest)
