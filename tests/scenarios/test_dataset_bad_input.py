"""In: subjects whose records are wrong in ways that hospitals' records are. Out: a finding by name for each, and a package that is valid still."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter.datasets.checks import check
from adapter.datasets.formats import define_errors, manifest_problems, read_findings, read_package
from adapter.datasets.package.export import Exported
from tests.support.datasets import (
    Resource,
    centre,
    compiled_once,
    export_to,
    read_feed,
    settings_of,
    store_of,
    write_feed,
)

_LONG = "très long " * 30


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> list[Resource]:
    return read_feed(centre(tmp_path_factory.mktemp("feed") / "F", 3))


@pytest.fixture(autouse=True, scope="module")
def compiled() -> Iterator[None]:
    with compiled_once():
        yield


@pytest.fixture(scope="module")
def usual(resources: list[Resource], tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How many findings of each kind the records give as they are."""
    folder = tmp_path_factory.mktemp("usual")
    return codes(package_of(resources, folder))


def package_of(resources: list[Resource], folder: Path) -> Exported:
    settings = settings_of(folder)
    with store_of(settings, write_feed(folder / "F", resources)) as store:
        return export_to(store, settings, folder / "package")


def codes(made: Exported) -> Counter[str]:
    found: Counter[str] = Counter()
    for finding in made.findings:
        found[finding.code] += finding.count
    return found


def haemoglobin(one: Resource) -> bool:
    if one["resourceType"] != "Observation" or one["status"] != "final":
        return False
    return "718-7" in {coding["code"] for coding in one["code"]["coding"]} and "valueQuantity" in one


def creatinine(one: Resource) -> bool:
    return bool(
        one["resourceType"] == "Observation" and "14682-9" in {coding["code"] for coding in one["code"]["coding"]}
    )


def infusion(one: Resource) -> bool:
    return bool(one["resourceType"] == "MedicationAdministration" and "-inf-" in one["id"])


def adverse_event(one: Resource) -> bool:
    return bool(one["resourceType"] == "AdverseEvent")


def subject(one: Resource) -> bool:
    return bool(one["resourceType"] == "ResearchSubject" and "identifier" in one)


def without_unit(one: Resource) -> None:
    one["valueQuantity"] = {"value": one["valueQuantity"]["value"]}


def without_arm(one: Resource) -> None:
    """Registered, and nothing is told of what came of it."""
    one.pop("assignedArm", None)
    one.pop("actualArm", None)
    kinds = [
        next((part["valueCode"] for part in event["extension"] if part["url"].endswith(":kind")), None)
        for event in one["extension"]
        if "extension" in event
    ]
    events = [event for event in one["extension"] if "extension" in event]
    one["extension"] = events[: kinds.index("registered") + 1]
    one["status"] = "on-study"
    one["period"].pop("end", None)


def without_activity(one: Resource) -> None:
    del one["dosage"]["dose"]


def ends_before_it_begins(one: Resource) -> None:
    for extension in one["extension"]:
        if "valuePeriod" in extension:
            extension["valuePeriod"] = {"start": "2024-05-20", "end": "2024-05-01"}
    one["date"] = "2024-05-20"


def with_a_long_result(one: Resource) -> None:
    del one["valueQuantity"]
    one["valueString"] = _LONG


def with_a_long_unit(one: Resource) -> None:
    one["valueQuantity"] = {"value": one["valueQuantity"]["value"], "unit": _LONG}


def with_a_greek_unit(one: Resource) -> None:
    one["valueQuantity"] = {"value": 82, "unit": "μmol/L"}
    one["code"]["coding"][0]["display"] = "Créatinine — sérique"


Wrong = tuple[Callable[[Resource], bool], Callable[[Resource], None], str]
WRONG: dict[str, Wrong] = {
    "a lab with no unit": (haemoglobin, without_unit, "lab-without-unit"),
    "a subject without arm": (subject, without_arm, "subject-without-arm"),
    "an infusion without activity": (infusion, without_activity, "infusion-without-activity"),
    "dates out of order": (adverse_event, ends_before_it_begins, "dates-out-of-order"),
    "a result of 300 characters": (haemoglobin, with_a_long_result, "result-blanked"),
    "a unit of 300 characters": (haemoglobin, with_a_long_unit, "unit-blanked"),
    "a unit that is not ASCII": (creatinine, with_a_greek_unit, "non-ascii-folded"),
}


@pytest.mark.parametrize(("which", "spoil", "code"), WRONG.values(), ids=WRONG)
def test_export_of_a_wrong_record_is_a_named_finding_and_a_valid_package(
    which: Callable[[Resource], bool],
    spoil: Callable[[Resource], None],
    code: str,
    resources: list[Resource],
    usual: Counter[str],
    tmp_path: Path,
) -> None:
    changed = copy.deepcopy(resources)
    wrong = next(one for one in changed if which(one) and (which is not infusion or "dose" in one.get("dosage", {})))
    spoil(wrong)
    made = package_of(changed, tmp_path)
    folder = tmp_path / "package"

    # Units with a Greek letter are many, and one more may be one of a kind that is told already.
    assert codes(made)[code] > (usual[code] if code != "non-ascii-folded" else 0), codes(made) - usual
    assert code in {finding.code for finding in read_findings(folder / "findings.csv")}
    assert made.complete
    assert define_errors(folder / "sdtm/define.xml") == []
    assert manifest_problems(folder) == []
    assert [one for one in check(read_package(folder / "sdtm")) if one.severity == "error"] == []
    assert _LONG.strip().encode() not in b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())
