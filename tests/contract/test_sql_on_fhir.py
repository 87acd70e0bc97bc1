"""The official SQL-on-FHIR v2 suite, test by test, on both engines; and what else both must give alike."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.datasets.engines import BadLine
from adapter.datasets.engines import duckdb as on_duckdb
from adapter.datasets.engines import spark as on_spark
from adapter.errors import DocumentError, QuarantinedError
from tests.support.sql_on_fhir import EXPECTED_FAILURES, MISSING, Case, cases, failure, on_engine
from tests.support.views import column, view

_CASES = cases()

_PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "gender": 'it\'s \\ "so"',
    "birthDate": "1960-02",
    "multipleBirthInteger": 2,
    "deceasedDateTime": "2024-01-01T00:30:00+01:00",
    "name": [{"family": "A", "given": ["x", None, "y"]}, {"family": "B", "given": ["z"]}],
    "generalPractitioner": [{"reference": "https://h.example/fhir/Practitioner/g1/_history/3"}],
}
_PATHS = [
    ("name.given.last()", "string"),
    ("name[5].family", "string"),
    ("gender = %words", "boolean"),
    ("gender.contains('\\\\')", "boolean"),
    ("gender.matches('so.$')", "boolean"),
    ("name.family = name.family", "boolean"),
    ("active xor {}.exists()", "boolean"),
    ("birthDate < @1961", "boolean"),
    ("birthDate.highBoundary()", "date"),
    ("birthDate", "date"),
    ("gender", "date"),
    ("gender", "decimal"),
    ("deceased.ofType(dateTime) = @2023-12-31T23:30:00Z", "boolean"),
    ("multipleBirth.ofType(integer) / 4 + 0.25", "decimal"),
    ("multipleBirth.ofType(integer) * 100", "decimal"),
    ("multipleBirth.ofType(integer) / 0", "decimal"),
    ("generalPractitioner.getReferenceKey(Practitioner).first()", "string"),
    ("generalPractitioner.getReferenceKey(Organization).first()", "string"),
    ("name.family.join('-')", "string"),
    ("name.all(given.exists())", "boolean"),
    ("photo.url.count()", "integer"),
]
_VIEW = view(
    "Patient",
    {
        "column": [column(path, kind, name=f"c{number}") for number, (path, kind) in enumerate(_PATHS)],
        "select": [
            {"forEachOrNull": "name", "column": [column("family", name="family"), column("%rowIndex", name="row")]},
            {"unionAll": [{"column": [column("active", name="u")]}, {"column": [column("name.count()", name="u")]}]},
        ],
    },
    constant=[{"name": "words", "valueString": _PATIENT["gender"]}],
)


def _parameters(engine: str) -> list[Any]:
    known = EXPECTED_FAILURES[engine]
    return [
        pytest.param(
            case, id=case.id, marks=[pytest.mark.xfail(reason=known[case.id], strict=True)] if case.id in known else []
        )
        for case in _CASES
    ] or [pytest.param(None, id="suite missing", marks=pytest.mark.skip(reason=MISSING))]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed (extra spark)")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    with on_spark.session() as found:
        yield found


@pytest.mark.parametrize("case", _parameters("duckdb"))
def test_official_suite_passes_on_duckdb(case: Case) -> None:
    why = failure(case, on_engine("duckdb"))

    assert why is None


@pytest.mark.parametrize("case", _parameters("spark"))
def test_official_suite_passes_on_spark(case: Case, spark: Any) -> None:
    why = failure(case, on_engine("spark", spark))

    assert why is None


@pytest.mark.skipif(not _CASES, reason=MISSING)
def test_official_suite_is_whole() -> None:
    assert (len(_CASES), sum(case.shareable for case in _CASES)) == (134, 123)


def test_expected_failures_are_tests_of_the_suite() -> None:
    named = {name for known in EXPECTED_FAILURES.values() for name in known}

    assert not _CASES or named <= {case.id for case in _CASES}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "Patient.ndjson"
    lines = [
        _PATIENT,
        {"resourceType": "Patient", "id": "p2"},
        {"resourceType": "Organization", "id": "o", "name": "x"},
    ]
    found.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    return found


def test_both_engines_give_the_same_rows_and_counts(file: Path, spark: Any) -> None:
    ours, theirs = on_duckdb.run(_VIEW, [file, file]), on_spark.run(_VIEW, [file, file], spark=spark)

    assert theirs.table.to_pylist() == ours.table.to_pylist()
    assert theirs.table.num_rows == 12
    assert theirs.uncast_by_file == ours.uncast_by_file != {}
    assert theirs.columns == ours.columns


def test_both_engines_have_the_same_columns_without_rows(spark: Any) -> None:
    ours, theirs = on_duckdb.run(_VIEW, []), on_spark.run(_VIEW, [], spark=spark)

    assert [(each.name, str(each.type)) for each in theirs.table.schema] == [
        (each.name, str(each.type)) for each in ours.table.schema
    ]


def test_spark_names_a_bad_line_or_leaves_it_out(file: Path, spark: Any) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.write('{"resourceType":"Patient","id":"p3","id":"p4"}\n')

    with pytest.raises(QuarantinedError, match=r"Patient\.ndjson:4: an element is there twice"):
        on_spark.run(_VIEW, [file], spark=spark)
    found = on_spark.run(_VIEW, [file], spark=spark, on_bad_line="quarantine")
    assert found.bad_lines == (BadLine("Patient.ndjson", 4, "an element is there twice"),)


def test_spark_names_the_resource_that_has_several_values(file: Path, spark: Any) -> None:
    with pytest.raises(DocumentError, match="Patient/p1 has more than one value there"):
        on_spark.run(view("Patient", {"column": [column("name.family", "string")]}), [file], spark=spark)


@pytest.mark.parametrize("depth", [3, 5])
def test_spark_unrolls_a_tree_to_its_bottom(tmp_path: Path, spark: Any, depth: int) -> None:
    item: dict[str, Any] = {"linkId": "1"}
    for number in range(2, depth + 1):
        item = {"linkId": str(number), "item": [item]}
    file = tmp_path / "q.ndjson"
    file.write_text(json.dumps({"resourceType": "QuestionnaireResponse", "item": [item]}) + "\n", encoding="utf-8")
    items = view("QuestionnaireResponse", {"repeat": ["item"], "column": [column("linkId", name="l")]})

    found = on_spark.run(items, [file], spark=spark).table.column("l").to_pylist()

    assert found == [str(number) for number in range(depth, 0, -1)]
