"""In: packages of several sites. Out: whether one package of all comes of them, and what cannot be merged is named with both sites."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapter.datasets.checks import check
from adapter.datasets.formats import merged, read_package, write_sdtm
from adapter.datasets.formats.merging import sorted_rows
from adapter.datasets.model import Codelist, CodelistTerm, Package, Row
from adapter.errors import UsageError
from tests.support.sdtm_packages import (
    CODELISTS,
    FIRST,
    SECOND,
    STUDY,
    arms,
    changed,
    demographics,
    elements,
    exposure,
    laboratory,
    package,
    redescribed,
    relations,
    replacing,
    supplement,
)

OTHER = "RELUTH-02-0001"


def _site(subject: str) -> Package:
    return package(
        demographics((subject,)),
        exposure(subject),
        laboratory((subject,)),
        relations(subject),
        supplement(subject),
        arms(),
        elements(),
    )


def test_merged_package_has_all_subjects_sorted_again_and_passes_the_checks() -> None:
    whole = merged({"a": _site(FIRST), "b": _site(OTHER)})

    assert [row.cells[1] for row in whole.dataset("DM").rows] == [OTHER, FIRST]
    assert len(whole.dataset("LB").rows) == 6
    assert len(whole.dataset("TA").rows) == 2
    assert check(whole) == []


def test_order_of_the_sites_does_not_matter(tmp_path: Path) -> None:
    sites = {"a": _site(FIRST), "b": _site(OTHER)}
    write_sdtm(merged(sites), tmp_path / "1")
    write_sdtm(merged(dict(reversed(sites.items()))), tmp_path / "2")

    assert [one.read_bytes() for one in sorted((tmp_path / "1").rglob("*.*"))] == [
        one.read_bytes() for one in sorted((tmp_path / "2").rglob("*.*"))
    ]


def test_merging_what_was_written_is_merging_what_was_built(tmp_path: Path) -> None:
    for name, subject in (("a", FIRST), ("b", OTHER)):
        write_sdtm(_site(subject), tmp_path / name)
    back = merged({name: read_package(tmp_path / name) for name in ("a", "b")})
    built = merged({"a": _site(FIRST), "b": _site(OTHER)})

    assert [[row.cells for row in one.rows] for one in back.datasets] == [
        [row.cells for row in one.rows] for one in built.datasets
    ]
    assert [one.variables for one in back.datasets] == [one.variables for one in built.datasets]


def test_one_package_alone_is_itself() -> None:
    whole = merged({"a": package()})

    assert {one.name: one for one in whole.datasets} == {one.name: one for one in package().datasets}


def test_dataset_that_one_site_has_not_is_that_of_the_others() -> None:
    without = msgspec.structs.replace(
        _site(OTHER), datasets=tuple(one for one in _site(OTHER).datasets if one.name != "EX")
    )

    assert len(merged({"a": _site(FIRST), "b": without}).dataset("EX").rows) == 1


def test_widest_description_is_kept() -> None:
    wide = replacing(
        _site(OTHER), redescribed(redescribed(laboratory((OTHER,)), "LBSTRESU", length=33), "LBDY", type="float")
    )
    variables = {one.name: one for one in merged({"a": _site(FIRST), "b": wide}).dataset("LB").variables}

    assert variables["LBSTRESU"].length == 33
    assert variables["LBDY"].type == "float"


def test_value_levels_of_all_are_kept_with_the_longest_length() -> None:
    own = laboratory((OTHER,)).variables[7].values
    other = (msgspec.structs.replace(own[0], length=9), msgspec.structs.replace(own[1], where={"LBTESTCD": ("CGA",)}))
    whole = merged(
        {"a": _site(FIRST), "b": replacing(_site(OTHER), redescribed(laboratory((OTHER,)), "LBSTRESN", values=other))}
    )
    values = whole.dataset("LB").variables[7].values

    assert [(one.where["LBTESTCD"], one.length) for one in values] == [
        (("HGB",), 9),
        (("ALB", "PLAT"), 4),
        (("CGA",), 4),
    ]


def test_terms_of_all_are_kept() -> None:
    more = msgspec.structs.replace(CODELISTS[1], terms=(CodelistTerm(value="nmol/L"),))
    whole = merged({"a": _site(FIRST), "b": msgspec.structs.replace(_site(OTHER), codelists=(CODELISTS[0], more))})

    assert [one.value for one in {one.id: one for one in whole.codelists}["UNIT"].terms] == [
        "g/L",
        "g/dL",
        "GBq",
        "nmol/L",
    ]


def test_relation_of_whole_datasets_stays_once() -> None:
    def site(subject: str) -> Package:
        both = relations(subject)
        general = tuple(
            Row(cells=("RELUTH", domain, None, variable, None, kind, "R9"), key=domain)
            for domain, variable, kind in (("EX", "EXSEQ", "ONE"), ("LB", "LBSEQ", "MANY"))
        )
        one = msgspec.structs.replace(both, rows=(*general, *both.rows))
        return replacing(_site(subject), msgspec.structs.replace(one, rows=sorted_rows(one)))

    whole = merged({"a": site(FIRST), "b": site(OTHER)})

    assert sum(row.cells[2] is None for row in whole.dataset("RELREC").rows) == 2
    assert check(whole) == []


def test_subject_of_two_sites_is_refused_with_both_names() -> None:
    with pytest.raises(UsageError, match=rf"{FIRST} stands in montpellier and in lyon"):
        merged({"montpellier": _site(FIRST), "lyon": replacing(_site(OTHER), exposure(FIRST))})


def test_other_trial_design_is_refused_at_its_first_cell() -> None:
    other = replacing(_site(OTHER), changed(arms(), 1, ARM="Surveillance"))

    with pytest.raises(UsageError, match="a and b differ in what must be equal: TA record 2, ARM"):
        merged({"a": _site(FIRST), "b": other})


def test_missing_and_longer_trial_design_is_refused() -> None:
    without = msgspec.structs.replace(_site(OTHER), datasets=_site(OTHER).datasets[:-1])
    longer = replacing(_site(OTHER), msgspec.structs.replace(elements(), rows=(*elements().rows, elements().rows[0])))
    other = replacing(_site(OTHER), msgspec.structs.replace(elements(), reference=False))

    for broken, told in ((without, "b has no TE"), (longer, "TE record 2: only one"), (other, "in one of them only")):
        with pytest.raises(UsageError, match=told):
            merged({"a": _site(FIRST), "b": broken})


@pytest.mark.parametrize(
    "facts",
    [
        {"study": msgspec.structs.replace(STUDY, id="OTHER")},
        {"standard": "SDTMIG 3.3"},
        {"terminology": None},
        {"codelists": (Codelist(id="UNIT", name="Units", terms=()),)},
        {"codelists": (msgspec.structs.replace(CODELISTS[0], terms=(CodelistTerm(value="HGB"),)),)},
    ],
)
def test_other_study_standard_or_codelist_is_refused(facts: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        merged({"a": _site(FIRST), "b": msgspec.structs.replace(_site(OTHER), **facts)})


def test_other_description_is_refused() -> None:
    label = msgspec.structs.replace(laboratory((OTHER,)), label="Other")
    origin = redescribed(laboratory((OTHER,)), "LBORRES", core="Perm")

    for broken, told in ((label, "description of LB"), (origin, r"description of LB\.LBORRES")):
        with pytest.raises(UsageError, match=told):
            merged({"a": _site(FIRST), "b": replacing(_site(OTHER), broken)})


def test_no_package_is_refused() -> None:
    with pytest.raises(UsageError):
        merged({})


def test_second_subject_of_a_site_is_no_collision() -> None:
    whole = merged({"a": package(), "b": _site(OTHER)})

    assert [row.cells[1] for row in whole.dataset("DM").rows] == [OTHER, FIRST, SECOND]
