"""Promises of the services: made of the trials, described in both languages, with a card that both versions of FHIR take."""

from __future__ import annotations

from datetime import date

import pytest

from adapter.config import Settings
from adapter.documents import load_trial, trials
from adapter.fhir import FhirVersion, problems
from adapter.screening.cards import card_text
from adapter.service.cards import base_of
from adapter.service.cards.answering import same_address
from adapter.service.cards.building import Proposal, card_of, subject_of
from adapter.service.cards.services import discovery_of, services_of
from adapter.service.cards.shapes import Cards, Discovery, FeedbackRequest, HookRequest, body_of
from tests.support.screened import verdict

RELUTH = load_trial("nct04954820")


def test_each_trial_has_services_of_its_own() -> None:
    found = services_of([RELUTH, load_trial("start-net")])

    assert {"reluth-patient-view", "reluth-order-select", "start-net-patient-view"} <= found.keys()
    assert {one.trial.id for one in found.values()} == {"nct04954820", "start-net"}


def test_two_trials_of_one_acronym_do_not_take_each_others_place() -> None:
    assert {"reluth-patient-view", "nct04954820-patient-view"} <= services_of([RELUTH, RELUTH]).keys()


def test_discovery_is_of_the_documented_shape_in_both_languages() -> None:
    found = discovery_of(services_of(load_trial(name) for name in trials()).values())
    shape = Discovery.model_validate(found)

    assert all("investigateur" in one.description and "investigator" in one.description for one in shape.services)


@pytest.mark.parametrize("version", list(FhirVersion))
def test_proposal_is_a_resource_of_the_sites_version(version: FhirVersion) -> None:
    proposal = Proposal("random-key", "Patient/42", "05", version, date(2025, 6, 1))
    resource = subject_of(RELUTH, proposal)

    assert problems(resource, version) == []
    assert resource["subject" if version is FhirVersion.R5 else "individual"] == {"reference": "Patient/42"}
    if version is FhirVersion.R5:
        (progress,) = resource["progress"]
        assert progress["subjectState"]["coding"][0]["code"] == "potential-candidate"
    else:
        assert resource["status"] == "potential-candidate"


def test_card_is_of_the_documented_shape_with_and_without_its_optional_parts() -> None:
    text = card_text(verdict("1", "ready-for-investigator"), RELUTH, lang="fr")
    proposal = Proposal("key", "Patient/42", "icm", FhirVersion.R4, date(2025, 6, 1))
    full = card_of(RELUTH, text, lang="fr", link="https://h/patients/key", proposal=proposal)
    bare = card_of(RELUTH, text, lang="fr", link=None, proposal=None)

    assert Cards.model_validate({"cards": [full, bare]}).model_dump(exclude_none=True) == {"cards": [full, bare]}
    assert not {"suggestions", "selectionBehavior", "links"} & bare.keys()


@pytest.mark.parametrize("shape", [HookRequest, FeedbackRequest])
def test_documented_bodies_refer_to_nothing_outside(shape: type) -> None:
    assert "$ref" not in str(body_of(shape))


@pytest.mark.parametrize(
    ("public", "audience", "base"),
    [
        (None, None, None),
        ("https://h.example.org", None, "https://h.example.org"),
        ("https://h.example.org/desk/", None, "https://h.example.org/desk"),
        ("https://h.example.org", "https://cds.example.org/", "https://cds.example.org"),
        (None, "https://cds.example.org/cds-services", "https://cds.example.org"),
    ],
)
def test_audience_is_the_address_that_clients_use(public: str | None, audience: str | None, base: str | None) -> None:
    settings = Settings.model_validate({"service": {"public_url": public}, "cds": {"audience": audience}})

    assert base_of(settings) == base


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://h/r4", "https://u:p@h/r4", "https://h/r4?x", "https://h/r4?", "https://h/r4#f", "https:///r4"],
)
def test_address_that_is_no_servers_equals_none(url: str) -> None:
    assert same_address(url) is None


def test_address_of_another_path_or_port_is_another() -> None:
    assert same_address("https://h/r4") != same_address("https://h/r5")
    assert same_address("https://h/r4") != same_address("https://h:8443/r4")
    assert same_address("https://h/r4") != same_address("http://h/r4")
    assert same_address("https://h/r4/../r5") == same_address("https://h/r5")
