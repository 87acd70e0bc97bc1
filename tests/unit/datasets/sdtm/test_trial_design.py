"""TA, TE, TI, TV and TS of the shipped documents say what the trial's documents say, and nothing that no source says."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.datasets.model import Codelist, Dataset, Package
from adapter.datasets.sdtm import load_domains, views_needed
from adapter.documents import load_trial
from tests.support.sdtm_views import made, records

SHARED = Path(__file__).resolve().parents[5] / "shared" / "sdtm"


@pytest.fixture(scope="module")
def package() -> Package:
    return made({}, [])


def test_both_arms_go_through_screening_two_cycles_their_own_element_and_follow_up(package: Package) -> None:
    assert records(package.dataset("TA"), "ARMCD", "TAETORD", "ETCD", "EPOCH") == [
        ("LUT2", 1, "SCRN", "SCREENING"),
        ("LUT2", 2, "PRRT2", "SCREENING"),
        ("LUT2", 3, "LUT2", "TREATMENT"),
        ("LUT2", 4, "FUP", "FOLLOW-UP"),
        ("OBS", 1, "SCRN", "SCREENING"),
        ("OBS", 2, "PRRT2", "SCREENING"),
        ("OBS", 3, "OBS", "OBSERVATION"),
        ("OBS", 4, "FUP", "FOLLOW-UP"),
    ]


def test_criteria_are_the_registry_s_sixteen_and_eighteen(package: Package) -> None:
    criteria = records(package.dataset("TI"), "IETESTCD", "IECAT")

    assert [code for code, kind in criteria if kind == "INCLUSION"] == [f"INCL{at:02d}" for at in range(1, 17)]
    assert [code for code, kind in criteria if kind == "EXCLUSION"] == [f"EXCL{at:02d}" for at in range(1, 19)]


def test_criterion_that_does_not_fit_is_told_whole_in_the_metadata(package: Package) -> None:
    dataset = package.dataset("TI")
    told = {value.where["IETESTCD"][0]: value.comment for value in dataset.variables[dataset.at("IETEST")].values}
    long = [code for code, text in records(dataset, "IETESTCD", "IETEST") if text.endswith(" ...")]

    assert sorted(told) == long == ["EXCL03", "EXCL07", "EXCL10", "EXCL12", "INCL09", "INCL12"]
    assert load_trial("nct04954820").criterion("E07").text in str(told["EXCL07"])
    assert [one.count for one in package.findings if one.code == "text-cut"] == [len(long)]


def test_summary_says_what_the_registry_says(package: Package) -> None:
    found = {
        (code, number): value for code, number, value in records(package.dataset("TS"), "TSPARMCD", "TSSEQ", "TSVAL")
    }

    for code, value in {
        "TPHASE": "PHASE II TRIAL",
        "STYPE": "INTERVENTIONAL",
        "RANDOM": "Y",
        "NARMS": "2",
        "PLANSUB": "146",
        "TBLIND": "OPEN LABEL",
        "INTMODEL": "PARALLEL",
        "INTTYPE": "DRUG",
        "AGEMIN": "P18Y",
        "SEXPOP": "BOTH",
        "SSTDTC": "2021-10-18",
        "REGID": "NCT04954820",
    }.items():
        assert found[code, 1] == value
    assert str(found["TITLE", 1]).startswith("Assessment of Retreatment With Lutathera in Patients")
    assert [number for code, number in found if code == "OUTMSSEC"] == [1, 2, 3, 4, 5]


def test_summary_without_a_value_has_a_reason(package: Package) -> None:
    for code, value, reason in records(package.dataset("TS"), "TSPARMCD", "TSVAL", "TSVALNF"):
        assert (value is None) == (reason is not None), code


def _codes(codelists: tuple[Codelist, ...]) -> Iterator[tuple[str, str]]:
    for codelist in codelists:
        if codelist.code is not None:
            yield codelist.id, codelist.code
        yield from ((f"{codelist.id} {term.value}", term.code) for term in codelist.terms if term.code is not None)


def test_every_code_of_the_thesaurus_stands_in_a_source() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared sources are not beside this project")
    with (SHARED / "cosmos-specializations.csv").open(encoding="utf-8", newline="") as file:
        known = {row[name] for row in csv.DictReader(file) for name in ("bc_id", "codelist", "assigned_term")}
    mapping = (SHARED / "sdtm-mapping.md").read_text(encoding="utf-8")

    invented = [
        (what, code)
        for what, code in _codes(tuple(load_domains().codelists.values()))
        if code not in known and code not in mapping
    ]
    assert invented == []


def test_every_parameter_has_the_name_of_the_source() -> None:
    if not SHARED.is_dir():
        pytest.skip("the shared sources are not beside this project")
    with (SHARED / "cosmos-specializations.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["domain"] == "TS"]
    names = {row["vlm_group_id"]: row["assigned_value"] for row in rows if row["sdtm_variable"] == "TSPARM"}

    found = records(made({}, []).dataset("TS"), "TSPARMCD", "TSPARM")
    assert [(code, name) for code, name in found if names.get(code) != name] == []


def _facts(dataset: Dataset) -> Iterator[str]:
    yield dataset.name if len(dataset.name) <= 8 else f"{dataset.name}: name"
    yield from (variable.name for variable in dataset.variables)


def test_documents_hold_what_every_dataset_needs() -> None:
    documents = load_domains()

    assert {one.code for one in documents.domains} >= {"DM", "SE", "SV", "DS", "IE", "TA", "TE", "TI", "TS", "TV"}
    for one in documents.domains:
        names = [variable.name for variable in one.variables]
        assert names[:2] == ["STUDYID", "DOMAIN"], one.code
        assert set(one.keys) <= set(names), one.code
    assert documents.defaults
    assert {"patient", "subject_event", "encounter"} <= set(views_needed())


def test_package_names_the_study_and_only_the_codelists_that_it_uses(package: Package) -> None:
    used = {
        name
        for dataset in package.datasets
        for variable in dataset.variables
        for name in (variable.codelist, *(value.codelist for value in variable.values))
        if name is not None
    }

    assert (package.study.id, package.study.name, package.study.protocol) == ("RELUTH", "ReLUTH", "PROICM 2021-04 REL")
    assert package.standard == "SDTMIG 3.4"
    assert [one.id for one in package.codelists] == sorted(used)
    assert all(name.isascii() for dataset in package.datasets for name in _facts(dataset))
