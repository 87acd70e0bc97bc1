"""In: ResearchStudy resources as servers and other hands have them, and damaged ones. Out: the study, or a fault with its path."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.documents import load_study
from adapter.fhir import FhirVersion, Json
from mappings.elements import resources_in
from mappings.entities import Recruitment, Study, StudyIdentifier, StudyStatus
from mappings.foreign import MappingError
from mappings.study import OWNED, from_fhir, to_fhir
from mappings.updating import carry_over
from tests.support.entity_study import FORMS, STUDY, resource_of, studies

GIVEN = Path(__file__).resolve().parents[3].parent / "shared" / "trial" / "examples"
VERSIONS = list(FhirVersion)
form = pytest.mark.parametrize(("version", "profile"), FORMS, ids=lambda value: getattr(value, "name", value))

Change = Callable[[Json], object]


def changed(mapped: Json, change: Change, kind: str = "ResearchStudy") -> Json:
    """A copy in which a resource was changed."""
    copied = copy.deepcopy(mapped)
    change(resource_of(copied, kind))
    return copied


# As servers and other hands have it


def _as_server(resource: Json) -> None:
    resource |= {
        "id": "77",
        "meta": {"versionId": "3", "tag": [{"code": "x"}]},
        "text": {"status": "generated", "div": "<div/>"},
    }
    resource["extension"] = [
        {"url": "https://example.org/x", "valueString": "?"},
        *reversed(resource.get("extension", [])),
    ]
    resource["keyword"] = [{"text": "oncology"}]
    for site in resource["site"]:
        site["reference"] = "Location/5"
        site["extension"] = [*reversed(site["extension"]), {"url": "https://example.org/y", "valueBoolean": True}]
    for reference in (*resource.get("enrollment", []), resource.get("recruitment", {}).get("eligibility", {})):
        reference["reference"] = "Group/78"


@form
def test_study_is_read_as_a_server_gives_it_back(version: FhirVersion, profile: Any) -> None:
    # Outcomes that are extensions have no order of their own.
    study = msgspec.structs.replace(STUDY, outcomes=STUDY.outcomes[:1])
    mapped = changed(to_fhir(study, version=version, profile=profile), _as_server)
    mapped["entry"].reverse()
    mapped["entry"].append({"fullUrl": "urn:uuid:0", "search": {"mode": "outcome"}})

    assert from_fhir(mapped) == study


@pytest.mark.parametrize("version", VERSIONS)
def test_study_reads_numbers_that_a_hospital_added(version: FhirVersion) -> None:
    added = [
        {"use": "official", "system": "urn:h", "value": "H1"},
        {"use": "old", "value": "0"},
        {"system": "urn:only"},
    ]
    mapped = changed(to_fhir(STUDY, version=version), lambda main: main["identifier"].extend(added))

    found = from_fhir(mapped)

    assert found.identifiers == (*STUDY.identifiers, StudyIdentifier(value="H1", system="urn:h"))
    assert found.official.value == "NCT00000000"


def test_study_that_marks_no_number_as_official_is_known_by_the_first() -> None:
    numbers = [{"value": "NCT1"}, {"value": "NCT2"}, {"value": "NCT1"}]
    main = resource_of(changed(to_fhir(STUDY), lambda main: main.update(identifier=numbers, extension=[])))

    found = from_fhir(main)

    assert (found.id, [(one.value, one.use) for one in found.identifiers]) == (
        "nct1",
        [("NCT1", "official"), ("NCT2", "secondary")],
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_foreign_extensions_survive_an_update_of_the_study(version: FhirVersion) -> None:
    theirs = resource_of(changed(to_fhir(STUDY, version=version), _as_server))
    ours = resource_of(to_fhir(msgspec.structs.replace(STUDY, title="Another title"), version=version))

    merged = carry_over(ours, theirs, owned=OWNED[version]["ResearchStudy"])

    assert (merged["id"], merged["keyword"], from_fhir(merged).title) == ("77", [{"text": "oncology"}], "Another title")
    assert {"url": "https://example.org/x", "valueString": "?"} in merged["extension"]
    assert {"url": "https://example.org/y", "valueBoolean": True} in merged["site"][0]["extension"]


@pytest.mark.parametrize("version", VERSIONS)
def test_owned_elements_are_those_that_are_written(version: FhirVersion) -> None:
    ignored = {"resourceType", "extension"}
    for _, resource in resources_in(to_fhir(STUDY, version=version)):
        owned = {name for name in OWNED[version][resource["resourceType"]] if ":" not in name}

        assert set(resource) - ignored == owned


def _given(name: str) -> Json:
    if not (GIVEN / name).is_file():
        pytest.skip("The example resources beside the project are not here.")
    found: Json = json.loads((GIVEN / name).read_text(encoding="utf-8"))
    return found


def test_the_given_r4_example_is_read() -> None:
    found, reluth = from_fhir(_given("researchstudy-r4.json")), load_study("nct04954820")

    for field in ("id", "title", "identifiers", "status", "phase", "purpose", "start", "end", "country", "sponsor"):
        assert getattr(found, field) == getattr(reluth, field)
    assert [(one.name, one.kind) for one in found.arms] == [(one.name, one.kind) for one in reluth.arms]


def test_the_given_r5_example_is_read_once_its_arms_and_sites_are_told() -> None:
    example, reluth = _given("researchstudy-r5.json"), load_study("nct04954820")
    with pytest.raises(MappingError) as caught:
        from_fhir(example)
    assert caught.value.path == "comparisonGroup[0].type"

    for group, kind in zip(example["comparisonGroup"], ("EXPERIMENTAL", "NO_INTERVENTION"), strict=True):
        group["type"] = {"text": kind}
    example["site"] = []
    found = from_fhir(example)

    for field in ("id", "acronym", "identifiers", "status", "recruitment", "target", "country", "sponsor"):
        assert getattr(found, field) == getattr(reluth, field)
    assert (found.principal_investigator, found.outcomes[0].kind) == (reluth.principal_investigator, "primary")


# What cannot be read

_REFUSED_R4: dict[str, tuple[Change, str]] = {
    "status is missing": (lambda main: main.pop("status"), "status"),
    "a status of another list": (lambda main: main.update(status="retired"), "status"),
    "title is missing": (lambda main: main.pop("title"), "title"),
    "title is blank": (lambda main: main.update(title=" "), "title"),
    "no number": (lambda main: main.update(identifier=[{"system": "urn:x"}]), "identifier"),
    "no arm": (lambda main: main.pop("arm"), "arms"),
    "an arm without a type": (lambda main: main["arm"][1].pop("type"), "arm[1].type"),
    "an arm of an unknown type": (lambda main: main["arm"][0].update(type={"text": "?"}), "arm[0].type"),
    "two arms of one name": (lambda main: main["arm"].append(main["arm"][0]), "arms[2]"),
    "an objective of no kind": (lambda main: main["objective"][0].pop("type"), "objective[0].type"),
    "a site of the hospital's own": (lambda main: main["site"].append({"display": "X"}), "site[1].extension"),
    "a site without a town": (lambda main: main["site"][0]["extension"][1].pop("valueAddress"), "site[0].extension"),
    "a site's unknown status": (
        lambda main: main["site"][0]["extension"][2].update(valueCode="?"),
        "site[0].extension[2].valueCode",
    ),
    "a condition without words": (lambda main: main["condition"].append({"coding": [{"code": "C17"}]}), "condition[1].text"),
    "an impossible period": (lambda main: main["period"].update(end="1999"), "end"),
    "a list for a period": (lambda main: main.update(period=[]), "period"),
    "an extension without a value": (lambda main: main["extension"][2]["extension"][0].pop("valueCodeableConcept"), "value[x]"),
    "a modifier": (
        lambda main: main["arm"][0].update(modifierExtension=[{"url": "urn:x", "valueBoolean": True}]),
        "arm[0].modifierExtension",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "path"), _REFUSED_R4.values(), ids=_REFUSED_R4.keys())
def test_study_that_cannot_be_read_is_refused_with_its_path(change: Change, path: str) -> None:
    with pytest.raises(MappingError) as caught:
        from_fhir(changed(to_fhir(STUDY), change))

    assert caught.value.path.endswith(path)
    assert caught.value.reference == "ResearchStudy/?"


_REFUSED_GROUP: dict[str, tuple[Change, str]] = {
    "no criterion's code": (lambda group: group["characteristic"][0]["code"].pop("coding"), "characteristic[0].code"),
    "a value": (lambda group: group["characteristic"][1].update(valueBoolean=False), "characteristic[1].valueBoolean"),
    "no exclude": (lambda group: group["characteristic"][1].pop("exclude"), "characteristic[1].exclude"),
    "no text": (lambda group: group["characteristic"][1]["code"].pop("text"), "characteristic[1].code.text"),
    "a modifier": (lambda group: group.update(modifierExtension=[{"url": "urn:x"}]), "modifierExtension"),
}


@pytest.mark.parametrize(("change", "path"), _REFUSED_GROUP.values(), ids=_REFUSED_GROUP.keys())
def test_group_that_cannot_be_read_is_refused_with_its_path(change: Change, path: str) -> None:
    with pytest.raises(MappingError) as caught:
        from_fhir(changed(to_fhir(STUDY), change, "Group"))

    assert (caught.value.reference, caught.value.path) == ("Group/?", path)


@pytest.mark.parametrize(
    "mapped", [{}, {"resourceType": "Group"}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [{}]}]
)
def test_study_is_refused_where_there_is_none(mapped: Json) -> None:
    with pytest.raises(MappingError, match="one ResearchStudy is wanted"):
        from_fhir(mapped)


@pytest.mark.parametrize(
    "states", [[], [{"state": {"text": "?"}}], [{"state": {"text": "active"}, "actual": False}], [{"actual": True}]]
)
def test_r5_study_whose_progress_tells_nothing_is_refused(states: list[Json]) -> None:
    mapped = changed(to_fhir(STUDY, version=FhirVersion.R5), lambda main: main.update(progressStatus=states))

    with pytest.raises(MappingError) as caught:
        from_fhir(mapped)

    assert caught.value.path == "progressStatus"


def test_r5_study_that_recruits_is_active() -> None:
    recruits = [{"state": {"text": "recruiting"}}, {"state": {"text": "approved"}, "period": {"end": "2021"}}]
    mapped = changed(to_fhir(STUDY, version=FhirVersion.R5), lambda main: main.update(progressStatus=recruits))

    assert (from_fhir(mapped).status, from_fhir(mapped).recruitment) == (StudyStatus.ACTIVE, Recruitment.RECRUITING)


def _places(content: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if way:
        yield way
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inner:
        yield from _places(value, (*way, key))


_MAPPED = {wanted: to_fhir(STUDY, version=wanted[0], profile=wanted[1]) for wanted in FORMS}
_WAYS = {wanted: list(_places(mapped)) for wanted, mapped in _MAPPED.items()}
_OTHER: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, "", " x ", "?", [], {}, [None], ["x"], [[]], [{}], {"a": []}, {"url": 1}]
)


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(FORMS), st.integers(1, 3))
def test_a_damaged_study_is_read_or_refused_and_never_breaks(data: st.DataObject, wanted: Any, times: int) -> None:
    mapped: Any = copy.deepcopy(_MAPPED[wanted])
    for _ in range(times):
        *way, last = data.draw(st.sampled_from(_WAYS[wanted]))
        place = mapped
        try:
            for step in way:
                place = place[step]
            if data.draw(st.booleans()):
                del place[last]
            else:
                place[last] = copy.deepcopy(data.draw(_OTHER))
        except (LookupError, TypeError):
            # An earlier damage took this place away.
            continue
    try:
        found = from_fhir(mapped)
    except MappingError:
        return

    assert isinstance(found, Study)


# Updates


def _lessened(study: Study, other: Study, fields: set[str]) -> Study:
    """A later version of a study, which says less, or something else, in some of its fields."""
    lists = {name: getattr(study, name)[1:] for name in fields if isinstance(getattr(study, name), tuple)}
    return msgspec.structs.replace(study, **{name: lists.get(name) or getattr(other, name) for name in fields})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(studies(), studies(), st.sampled_from(FORMS), st.sets(st.sampled_from(Study.__struct_fields__)))
def test_updated_study_says_what_the_later_version_says(
    first: Study, other: Study, wanted: Any, fields: set[str]
) -> None:
    later = _lessened(first, other, fields - {"identifiers"})
    version, profile = wanted
    theirs = {one["resourceType"]: one for _, one in resources_in(to_fhir(first, version=version, profile=profile))}
    mapped = to_fhir(later, version=version, profile=profile)
    for entry in mapped["entry"]:
        ours, owned = entry["resource"], OWNED[version][entry["resource"]["resourceType"]]
        before = theirs.get(ours["resourceType"])
        entry["resource"] = carry_over(ours, before, owned=owned, exact=owned) if before else ours

    assert from_fhir(mapped) == later
