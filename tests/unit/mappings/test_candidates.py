"""In: lists of candidates. Out: proof that the List says what recruIT asks for, and that nothing is lost on the way back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.fhir import FhirVersion
from adapter.fhir.validation import problems
from mappings.candidates import BELONGS_TO_STUDY, CANDIDATES_SYSTEM, OWNED, SCREENING_LIST, from_fhir, to_fhir
from mappings.elements import SUBJECT_SYSTEM
from mappings.entities import CandidateList, EntityError, entity_key, kind_of, parse_entity
from mappings.foreign import MappingError
from mappings.updating import carry_over
from tests.support.entity_candidates import EXAMPLE, STUDY, candidate_lists, sample_lists

EXAMPLES = Path(__file__).parent / "examples"
VERSIONS = pytest.mark.parametrize("version", list(FhirVersion), ids=lambda version: version.name)

Json = dict[str, Any]


def _changed(*path: Any, to: Any) -> Json:
    """The example's List with one place changed; None takes it away."""
    found = to_fhir(EXAMPLE)
    place: Any = found
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return found


# --- the entity ----------------------------------------------------------------------------------------------------


def test_candidate_list_is_known_by_its_study() -> None:
    assert kind_of(EXAMPLE) == "candidates"
    assert entity_key(EXAMPLE) == "nct04954820"


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"study": "a/b"}, "study"),
        ({"site": "0/5"}, "site"),
        ({"site": " 05"}, "site"),
        ({"site": "5" * 65}, "site"),
        ({"as_of": "2025-06"}, "as_of"),
        ({"as_of": "2025-06-01T08:00:00Z"}, "as_of"),
        ({"candidates": [{"number": "b"}, {"number": "a"}]}, "candidates[1].number"),
        ({"candidates": [{"number": "b"}, {"number": "b"}]}, "candidates[1].number"),
        ({"candidates": [{"number": "a", "since": "2025"}]}, "candidates[0].since"),
        ({"candidates": [{"number": "a" * 256}]}, "candidates[0].number"),
        ({"candidates": [{"number": ""}]}, "candidates[0].number"),
    ],
)
def test_candidate_list_refuses_what_cannot_be(told: Json, field: str) -> None:
    with pytest.raises(EntityError) as refused:
        parse_entity(CandidateList, {"study": "nct04954820", "site": "05", "as_of": "2025-06-01", **told})

    assert refused.value.field == field


def test_candidate_list_tells_its_subjects() -> None:
    assert EXAMPLE.subjects == ("CAND-0aYk3xXqJm8sT1vD9bR2cQ", "CAND-not-told-since-when", "RELUTH-05-0001")


# --- to FHIR -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "name"), [(FhirVersion.R4, "r4"), (FhirVersion.R4B, "r4"), (FhirVersion.R5, "r5")])
def test_candidates_are_pushed_as_the_example_shows(version: FhirVersion, name: str) -> None:
    wanted = msgspec.json.decode((EXAMPLES / f"candidates-{name}.json").read_bytes())

    assert to_fhir(EXAMPLE, version=version, study=STUDY) == wanted


def test_candidates_are_found_by_what_recruit_asks_for() -> None:
    made = to_fhir(EXAMPLE, study=STUDY)

    # List?code=<system>|<code>&status=current,retired; the study is the reference of the first extension, and its display
    # the acronym without which the list is not shown; the date of an entry is when the person was recommended.
    assert made["code"]["coding"][0] == {"system": SCREENING_LIST.system, "code": SCREENING_LIST.code}
    assert made["status"] == "current"
    assert made["extension"][0]["url"] == BELONGS_TO_STUDY
    assert made["extension"][0]["valueReference"]["display"] == "ReLUTH"
    assert made["entry"][0]["date"] == "2025-05-20"
    assert {entry["item"]["type"] for entry in made["entry"]} == {"ResearchSubject"}


def test_candidates_name_nobody_but_by_number() -> None:
    entries = to_fhir(EXAMPLE)["entry"]

    assert [entry["item"] for entry in entries] == [
        {"type": "ResearchSubject", "identifier": {"system": SUBJECT_SYSTEM, "value": number}}
        for number in EXAMPLE.subjects
    ]


def test_candidates_refer_to_the_study_by_the_trials_id_without_its_registration() -> None:
    reference = to_fhir(EXAMPLE)["extension"][0]["valueReference"]

    assert reference == {
        "type": "ResearchStudy",
        "identifier": {"system": "urn:reluth:trial", "value": "nct04954820"},
        "display": "nct04954820",
    }


def test_candidates_refuse_another_study() -> None:
    with pytest.raises(EntityError, match="study"):
        to_fhir(msgspec.structs.replace(EXAMPLE, study="start-net"), study=STUDY)


@VERSIONS
def test_candidates_keep_to_the_structure_and_the_bindings(version: FhirVersion) -> None:
    assert [problems(to_fhir(one, version=version), version) for one in sample_lists()] == [[]] * len(sample_lists())


# --- from FHIR -----------------------------------------------------------------------------------------------------


@given(entity=candidate_lists(), version=st.sampled_from(FhirVersion))
def test_candidates_come_back_as_they_went(entity: CandidateList, version: FhirVersion) -> None:
    assert from_fhir(to_fhir(entity, version=version)) == entity


def test_candidates_come_back_from_a_server() -> None:
    theirs = to_fhir(EXAMPLE, study=STUDY)
    theirs |= {"id": "7", "meta": {"versionId": "3"}, "text": {"status": "generated", "div": "<div/>"}}
    theirs["extension"].append({"url": "https://other.example/x", "valueString": "y"})
    theirs["identifier"].insert(0, {"system": "https://other.example", "value": "z"})
    theirs["entry"].reverse()
    for at, entry in enumerate(theirs["entry"]):
        entry["item"]["reference"] = f"ResearchSubject/{at}"
        entry["flag"] = {"text": "seen"}

    assert from_fhir(theirs) == EXAMPLE


def test_a_list_put_away_at_the_hospital_comes_back_and_stays_put_away() -> None:
    found = from_fhir(_changed("status", to="retired"))

    assert found.retired
    assert to_fhir(found)["status"] == "retired"


def test_a_time_is_read_as_its_day_in_paris() -> None:
    assert from_fhir(_changed("date", to="2025-05-31T22:30:00Z")).as_of == "2025-06-01"


def test_an_update_keeps_what_is_not_ours() -> None:
    theirs = to_fhir(EXAMPLE, study=STUDY) | {"id": "7", "note": [{"text": "seen"}], "source": {"display": "recruIT"}}
    theirs["extension"].append({"url": "https://other.example/x", "valueString": "y"})
    ours = to_fhir(msgspec.structs.replace(EXAMPLE, candidates=()), study=STUDY)
    merged = carry_over(ours, theirs, owned=OWNED[FhirVersion.R4]["List"])

    assert "entry" not in merged
    assert merged["note"] == [{"text": "seen"}]
    assert merged["source"] == {"display": "recruIT"}
    assert [one["url"] for one in merged["extension"]] == [BELONGS_TO_STUDY, "https://other.example/x"]


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (_changed("resourceType", to="Group"), "resourceType"),
        (_changed("status", to="entered-in-error"), "status"),
        (_changed("status", to=None), "status"),
        (_changed("mode", to="snapshot"), "mode"),
        (_changed("mode", to=None), "mode"),
        (_changed("code", to=None), "code"),
        (_changed("code", "coding", 0, "code", to="allergies"), "code"),
        (_changed("identifier", to=None), "identifier"),
        (_changed("identifier", 0, "system", to="https://other.example"), "identifier"),
        (_changed("identifier", 0, "value", to="nct04954820"), "identifier[0].value"),
        (_changed("identifier", 0, "value", to="a/b/c"), "site"),
        (
            _changed("identifier", to=[{"system": CANDIDATES_SYSTEM, "value": value} for value in ("a/b", "a/c")]),
            "identifier",
        ),
        (_changed("date", to=None), "date"),
        (_changed("date", to="2025-06"), "date"),
        (_changed("date", to="2025-13-01"), "as_of"),
        (_changed("entry", 1, "item", to=None), "entry[1].item"),
        (_changed("entry", 1, "item", to={"reference": "ResearchSubject/9"}), "entry[1].item.identifier"),
        (_changed("entry", 1, "item", "identifier", "system", to="urn:x:y"), "entry[1].item.identifier"),
        (_changed("entry", 1, "item", "identifier", "value", to="RELUTH-05-0001"), "candidates[2].number"),
        (_changed("entry", 1, "item", "identifier", "value", to=" "), "entry[1].number"),
        (_changed("entry", 1, "deleted", to=True), "entry[1].deleted"),
        (_changed("entry", 0, "date", to="yesterday"), "entry[0].date"),
        (_changed("modifierExtension", to=[{"url": "urn:x:y", "valueBoolean": True}]), "modifierExtension"),
    ],
)
def test_a_list_that_is_not_ours_is_refused_by_its_element(resource: Json, path: str) -> None:
    with pytest.raises(MappingError) as refused:
        from_fhir(resource)

    assert refused.value.path == path


def _places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for step, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*path, step)
        if isinstance(value, dict | list):
            yield from _places(value, (*path, step))


PLACES = list(_places(to_fhir(EXAMPLE)))


@given(
    path=st.sampled_from(PLACES),
    to=st.sampled_from(
        [None, True, 0, Decimal("1.5"), "", "x", "a/b", "2025-06-01T", [], [None], ["x"], {}, {"x": 1}, [{}]]
    ),
)
def test_a_broken_list_is_read_or_refused_and_nothing_else(path: tuple[Any, ...], to: Any) -> None:
    found: object
    try:
        found = from_fhir(_changed(*path, to=to))
    except MappingError as refused:
        found = refused

    assert isinstance(found, CandidateList) or (isinstance(found, MappingError) and found.path)
