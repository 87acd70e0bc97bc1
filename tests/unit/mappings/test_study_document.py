"""In: study documents, whole and broken. Out: the study as the registry has it, or the fault with its file and place."""

from __future__ import annotations

import copy
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter.documents import load_study, load_trial, trials
from adapter.errors import DocumentError, UsageError
from adapter.terminology import Node
from mappings.entities import Characteristic, Study
from mappings.study_document import parse_study

TRIAL = "nct04954820"
RECORD = Path(__file__).resolve().parents[3].parent / "shared" / "trial" / "NCT04954820-registry-record.txt"
CRITERIA = [Characteristic(id="I01", text="Age ≥ 18 years", exclude=False)]


@pytest.fixture(scope="module")
def record() -> str:
    """The registry's record as text."""
    if not RECORD.is_file():
        pytest.skip("The registry record beside the project is not here.")
    return RECORD.read_text(encoding="utf-8")


def after(record: str, heading: str) -> str:
    """The value below a heading."""
    return record.split(f"\n{heading}\n\n", 1)[1].split("\n", 1)[0]


def between(record: str, heading: str, until: str) -> str:
    """A section of the record."""
    return record.split(f"\n{heading}\n", 1)[1].split(f"\n{until}\n", 1)[0]


def study() -> Study:
    return load_study(TRIAL)


# What the registry says


def test_study_has_the_registrys_sites_with_their_towns_statuses_and_contacts(record: str) -> None:
    places = re.findall(r"\n(.+)\n\n(.+), , France\n\nSite Status (\w+)", between(record, "Locations", "Countries"))
    people = re.findall(r"\n(.+)\n\nRole: (\w+)", between(record, "Facility Contacts", "References"))

    assert [(one.name, one.city, one.recruitment.value.replace("-", "_").upper()) for one in study().sites] == places
    assert [(one.contact.name, one.contact.role) for one in study().sites if one.contact] == people
    assert (len(places), len(people), {one.country for one in study().sites}) == (28, 28, {"FR"})


def test_study_has_the_registrys_publications(record: str) -> None:
    listed = re.findall(
        r"\n(.+)\n\nReference Type (\w+)\nPMID: (\d+)", between(record, "References", "Other Identifiers")
    )

    assert [(one.text, one.kind.upper(), one.pmid) for one in study().citations] == listed
    assert len(listed) == 12


def test_study_has_the_registrys_facts(record: str) -> None:
    found = study()

    assert (found.title, f"NCT ID: {found.official.value}") == (record.split("\n", 1)[0], record.split("\n\n")[1])
    assert (found.start, found.end) == (after(record, "Study Start Date"), after(record, "Study Completion Date"))
    assert f"{found.target} participants" == after(record, "Total Enrollment")
    assert str(found.recruitment).upper() == after(record, "Recruitment Status")
    assert str(found.phase).replace("-", "").upper() == after(record, "Clinical Phase")
    assert f"\n{found.summary}\n" in between(record, "Brief Summary", "Detailed Description")
    assert " ".join(found.conditions) in between(record, "Conditions", "Study Design")
    assert f"\n{found.sponsor}\n" in between(record, "Sponsors", "Responsible Party")
    assert f"\n{found.principal_investigator}, PHD\n" in between(record, "Principal Investigators", "Locations")


def test_study_has_the_registrys_arms_and_central_contacts(record: str) -> None:
    arms = between(record, "Study Groups", "Interventions")
    contacts = between(record, "Central Contacts", "Facility Contacts")

    for arm in study().arms:
        assert f"\n{arm.label}\n\n{arm.description}\n\nGroup Type {arm.kind.value}\n" in arms
    for contact in study().contacts:
        assert f"\n{contact.name}\n\nRole: {contact.role}\n\n{contact.phone}" in contacts


def test_study_has_the_specifications_identifiers_and_outcome() -> None:
    found = study()

    assert [(one.use, one.system, one.value) for one in found.identifiers] == [
        ("official", "http://clinicaltrials.gov", "NCT04954820"),
        ("secondary", "urn:oid:2.16.840.1.113883.3.1077", "NCT04954820"),
        ("secondary", None, "2021-001306-30"),
        ("secondary", None, "PROICM 2021-04 REL"),
    ]
    assert [one.name for one in found.outcomes if one.kind == "primary"] == [
        "Disease control rate (CR, PR, SD; RECIST 1.1) at 6 months from randomisation"
    ]
    assert [one.recruitment.value for one in found.sites].count("recruiting") == 27


def test_study_takes_its_criteria_from_their_document() -> None:
    criteria = load_trial(TRIAL).criteria

    assert [(one.id, one.text, one.exclude) for one in study().characteristics] == [
        (one.id, one.text, one.id.startswith("E")) for one in criteria
    ]
    assert len(criteria) == 34


def test_study_agrees_with_the_trials_document() -> None:
    for trial in trials():
        if trial == "start-net":
            continue
        found, told = load_study(trial), load_trial(trial)

        assert (found.title, found.acronym) == (told.title, told.acronym)
        assert {one.value for one in found.identifiers} <= set(told.identifiers)


@pytest.mark.parametrize(
    ("trial", "problem"), [("start-net", "the trial start-net has no study document"), ("nowhere", "no trial nowhere")]
)
def test_study_that_is_not_there_is_a_usage_error(trial: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        load_study(trial)


# What a document may not say


def _document() -> Any:
    return yaml.safe_load((files("mappings") / "trials" / TRIAL / "study.yaml").read_text(encoding="utf-8"))


WHOLE = _document()


@pytest.mark.parametrize(
    ("place", "value", "pointer", "problem"),
    [
        (("kind",), "trial", "/kind", "expected one of study"),
        (("id",), "other", "/id", "expected one of nct04954820"),
        (("title",), None, "", "title is missing"),
        (("headline",), "x", "", "a field that is not known"),
        (("status",), "open", "/status", "not one of the codes"),
        (("sites", 2, "city"), None, "/sites/2", "city is missing"),
        (("sites", 2, "town"), "Brest", "/sites/2", "a field that is not known"),
        (("sites", 27, "recruitment"), "soon", "/sites/27/recruitment", "not one of the codes"),
        (("sites", 0, "contact", "name"), " x", "/sites/0/contact/name", "white space"),
        (("identifiers", 1, "use"), "official", "/identifiers", "exactly one"),
        (("citations", 3, "pmid"), "x1", "/citations/3/pmid", "a PubMed number"),
        (("target",), "146", "/target", "expected int"),
        (("target",), 0, "/target", "above 0"),
        (("arms",), [], "/arms", "at least one"),
        (("end",), "2020-01-01", "/end", "before the beginning"),
        (("characteristics",), [], "/characteristics", "stands in the criteria document"),
    ],
)
def test_study_document_is_refused_with_the_place(
    place: tuple[Any, ...], value: Any, pointer: str, problem: str
) -> None:
    document = copy.deepcopy(WHOLE)
    *way, last = place
    inner = document
    for step in way:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value

    with pytest.raises(DocumentError, match=problem) as caught:
        parse_study(Node(document, "study.yaml"), trial=TRIAL, characteristics=CRITERIA)

    assert (caught.value.file, caught.value.pointer, caught.value.exit_code) == ("study.yaml", pointer, 3)


def test_study_document_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(DocumentError, match="expected a mapping"):
        parse_study(Node(["kind"], "study.yaml"), trial=TRIAL, characteristics=CRITERIA)
