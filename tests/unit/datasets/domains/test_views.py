"""The shipped views: each one reads what the pseudonymised feed holds, and shows every column of it at least once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.documents import load_trial, read_documents

from .feed_tables import FEED, row_of, rows_of, shipped_views, table_of

VIEWS = Path(__file__).parents[4] / "mappings" / "views"
NAMES = sorted(file.stem for file in VIEWS.glob("*.json"))
#: Types that are about nobody.
SHARED = {"Medication", "ResearchStudy"}


def columns_of(select: list[dict[str, Any]], each: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for part in select:
        here = part.get("forEach", each)
        for column in part.get("column", ()):
            yield here, column
        yield from columns_of(part.get("select", []), here)


@pytest.mark.parametrize("name", NAMES)
def test_view_says_what_it_is_and_what_its_columns_are(name: str) -> None:
    node = json.loads((VIEWS / f"{name}.json").read_text())
    columns = [column for _, column in columns_of(node["select"])]
    names = [column["name"] for column in columns]

    assert (node["name"], node["status"], node["resourceType"]) == (name, "active", "ViewDefinition")
    assert node["title"] and node["description"].endswith(".")
    assert all(column["type"] and column["description"].endswith(".") for column in columns)
    assert len(set(names)) == len(names)
    assert (
        names[: 2 if node["resource"] in SHARED else 3]
        == ["id", "version", "usubjid"][: 2 if node["resource"] in SHARED else 3]
    )


@pytest.mark.parametrize("name", NAMES)
def test_view_gives_rows_of_the_feed_and_reads_every_value(name: str) -> None:
    table = table_of(name)

    assert table.table.num_rows > 0
    assert not {column: count for column, count in table.uncast.items() if count}


def test_views_show_every_column_at_least_once() -> None:
    # A path is proven once a type: the columns of time and result are the same in all views of Observation.
    seen: dict[tuple[str, str, str], bool] = {}
    for name in NAMES:
        node = json.loads((VIEWS / f"{name}.json").read_text())
        table = table_of(name).table
        for each, column in columns_of(node["select"]):
            filled = any(cell not in (None, []) for cell in table.column(column["name"]).to_pylist())
            key = (node["resource"], each, column["path"])
            seen[key] = seen.get(key, False) or filled

    assert [key for key, filled in seen.items() if not filled] == []


def test_views_cover_every_type_that_the_trial_pulls() -> None:
    covered = {view.resource for view in shipped_views().values()}

    assert set(load_trial("nct04954820").resource_types) - covered == set()


def test_views_tell_the_subject_by_the_number_in_the_trial() -> None:
    for name, view in shipped_views().items():
        if view.resource not in SHARED:
            told = {row["usubjid"] for row in rows_of(name)}

            assert all(number.startswith("RELUTH-05-") for number in told), name


def test_laboratory_view_keeps_the_digits_and_the_limits() -> None:
    row = row_of("laboratory", "klab02")

    assert (row["value"], row["unit_code"], row["range_low"], row["version"]) == ("12.10", "g/dL", "13.0", "2")


def test_laboratory_view_leaves_panels_to_their_view() -> None:
    assert "klab21" not in {row["id"] for row in rows_of("laboratory")}
    assert "klab21" in {row["id"] for row in rows_of("laboratory_component")}


@pytest.mark.parametrize(
    ("name", "system", "code"),
    [
        ("laboratory", "http://loinc.org", "777-3"),
        ("vital_signs", "http://loinc.org", "29463-7"),
        ("lesion", "urn:reluth:terms", "lesion-longest-diameter"),
    ],
)
def test_value_beside_components_is_no_less_a_result(tmp_path: Path, name: str, system: str, code: str) -> None:
    told = {"code": {"coding": [{"system": system, "code": code}]}, "valueQuantity": {"value": "210"}}
    panel = {"resourceType": "Observation", "subject": {"reference": "Patient/RELUTH-05-0001"}, "component": [told]}
    lines = [panel | told | {"id": "kboth"}, panel | {"code": told["code"], "id": "kpanel"}]
    (tmp_path / "Observation.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")

    def shown(view: str) -> list[tuple[str, str]]:
        return [(row["id"], row["value"]) for row in table_of(view, tmp_path).table.to_pylist()]

    assert shown(name) == [("kboth", "210")]
    assert shown(f"{name.removesuffix('s')}_component") == [("kboth", "210"), ("kpanel", "210")]


def test_laboratory_view_knows_a_result_by_its_code_where_no_category_is_sent() -> None:
    assert row_of("laboratory", "klab24")["value"] == "71"
    assert not {"kecog1", "km1", "kvs3"} & {row["id"] for row in rows_of("laboratory")}


@pytest.mark.parametrize("name", ["laboratory", "laboratory_component"])
def test_laboratory_views_know_every_code_of_the_table(name: str) -> None:
    (table,) = [node.value for file, node in read_documents("sdtm").items() if file.endswith("/lb-tests.yaml")]
    where = json.loads((VIEWS / f"{name}.json").read_text())["where"][0]["path"]

    assert {row[0] for row in table["rows"]} == set(re.findall(r"code = '([^']+)'", where)) - {"laboratory"}


def test_tumour_pathology_has_a_view_of_its_own() -> None:
    assert {row["id"] for row in rows_of("tumour_pathology")} >= {"kpath1", "kpath2"}


def test_component_views_tell_the_place_of_each_component() -> None:
    assert row_of("vital_sign_component", "kvs1", 0)["loinc"] == "8480-6"
    assert row_of("vital_sign_component", "kvs1", 1)["value"] == "76"


def test_lesion_view_tells_the_lesion_the_study_and_the_procedure() -> None:
    assert row_of("lesion", "km1") | {"lesion": "kles1", "imaging_study": "kimg1"} == row_of("lesion", "km1")
    assert row_of("lesion", "km10")["part_of_procedure"] == "kproc4"


def test_subject_event_view_gives_one_row_an_event_in_order() -> None:
    told = [(row["position"], row["kind"]) for row in rows_of("subject_event") if row["usubjid"] == "RELUTH-05-0002"]

    assert told[:3] == [(1, "consented"), (2, "registered"), (3, "cycle")]
    assert row_of("subject_event", "krs1", 4) | {"arm": "experimental", "intervention": True} == row_of(
        "subject_event", "krs1", 4
    )


def test_views_are_read_by_name_of_their_file() -> None:
    assert {file.rpartition("/")[2].removesuffix(".json") for file in read_documents("views")} == set(shipped_views())
    assert FEED.is_dir()
