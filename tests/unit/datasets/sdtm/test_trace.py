"""Every cell that is neither derived nor assigned tells the resource, the path and the mapping that it came by."""

from __future__ import annotations

from typing import Any

from adapter.datasets.model import CellSource, Package
from tests.support.sdtm_documents import documents, domain, variable
from tests.support.sdtm_views import Numbers, Subject, event_rows, made

SUBJECT = "RELUTH-05-0001"


def _sources(told: dict[str, Any], row: dict[str, Any]) -> tuple[CellSource, ...]:
    things = [{"id": "k1", "usubjid": SUBJECT, **row}]
    others = [{"id": "b1", "usubjid": SUBJECT, "label": "T01"}]
    return made({"things": things, "others": others}, documents=documents(told)).dataset("XX").rows[0].sources


def _source(variables: tuple[str, ...], path: str, resource: str = "Observation/k1") -> CellSource:
    return CellSource(variables=variables, resource=resource, path=path, mapping="XX/thing@1.0.0")


def test_cells_of_one_path_are_one_group() -> None:
    told = domain({"XXA": "value", "XXB": {"upper": "value"}, "XXC": {"join": ["value", "unit"]}})

    assert _sources(told, {"value": "a", "unit": "b"}) == (
        _source(("XXA", "XXB"), "path of value"),
        _source(("XXC",), "path of value | path of unit"),
    )


def test_cell_that_is_empty_or_assigned_or_derived_has_no_source() -> None:
    told = domain(
        {"XXA": "value", "XXB": "=B", "XXC": "unit", "XXD": "subject.site_code"},
        [variable("XXE")],
        derive={"XXE": {"link": "XXA"}},
    )

    assert _sources(told, {"value": "a", "unit": None}) == (_source(("XXA",), "path of value"),)


def test_cell_follows_the_names_and_variables_that_it_is_made_of() -> None:
    told = domain({"XXA": "better", "XXB": "XXA"}, source={"let": {"better": {"first_of": ["other", "value"]}}})

    assert _sources(told, {"value": "a", "other": None}) == (_source(("XXA", "XXB"), "path of value | path of other"),)


def test_cell_of_another_resource_names_that_one() -> None:
    told = domain({"XXA": {"from": "others", "id": "other", "give": "label"}})

    assert _sources(told, {"other": "b1"}) == (_source(("XXA",), "path of label", "BodyStructure/b1"),)


def test_supplemental_qualifier_has_the_source_of_what_it_is_read_from() -> None:
    told = domain(
        {"XXA": "value"}, supplemental=[{"name": "XXUNIT", "label": "Unit", "value": "unit", "origin": "Collected"}]
    )
    things = [{"id": "k1", "usubjid": SUBJECT, "value": "a", "unit": "b"}]
    found = made({"things": things}, documents=documents(told)).dataset("SUPPXX")

    assert found.rows[0].sources == (_source(("QVAL",), "path of unit"),)
    assert found.rows[0].key == "Observation/k1#XXUNIT"


def _shuffled(order: int) -> Package:
    told = domain({"XXA": "value", "XXLNKID": {"numbered": "code", "in": "LINK"}}, keys=["USUBJID", "XXA", "XXSEQ"])
    things = [
        {"id": f"k{at}", "usubjid": subject, "value": str(at % 3), "code": f"c{at % 4}"}
        for at in range(12)
        for subject in ("RELUTH-05-0001", "RELUTH-05-0002")
    ]
    events = event_rows("RELUTH-05-0001", {"kind": "consented", "on": "2024-01-02"})
    if order:
        things.reverse()
    subjects = [Subject(), Subject("RELUTH-05-0002", "05-0002")]
    return made({"things": things, "subject_event": events}, subjects[:: -1 if order else 1], documents=documents(told))


def test_package_is_the_same_whatever_the_order_of_rows() -> None:
    assert _shuffled(0) == _shuffled(1)


def test_sequence_numbers_stay_with_their_records() -> None:
    told, numbers = documents(domain({"XXA": "value"}, keys=["USUBJID", "XXA", "XXSEQ"])), Numbers()
    rows = [{"id": f"k{at}", "usubjid": SUBJECT, "value": str(at)} for at in (3, 5)]
    before = made({"things": rows}, numbers=numbers, documents=told).dataset("XX")
    after = made(
        {"things": [{"id": "k1", "usubjid": SUBJECT, "value": "1"}, *rows[1:]]}, numbers=numbers, documents=told
    ).dataset("XX")

    assert {row.key: row.cells[1] for row in before.rows} == {"Observation/k3": 1, "Observation/k5": 2}
    assert {row.key: row.cells[1] for row in after.rows} == {"Observation/k1": 3, "Observation/k5": 2}


def test_records_of_one_source_and_place_are_told_apart_and_found() -> None:
    row = {"id": "k1", "usubjid": SUBJECT, "value": "1"}
    package = made({"things": [row, row]}, documents=documents(domain({"XXA": "value"})))

    assert [one.key for one in package.dataset("XX").rows] == ["Observation/k1", "Observation/k1#again=2"]
    assert [one.code for one in package.findings if one.domain == "XX"] == ["row-key-repeated"]
