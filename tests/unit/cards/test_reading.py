"""Promises of what a call and feedback must be, and of what comes with a call."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.documents import load_trial
from adapter.service.cards.orders import orders_the_treatment
from adapter.service.cards.prefetch import read_prefetch, templates_of, types_of
from adapter.service.cards.reading import MalformedCall, read_call, read_feedback
from adapter.terminology import Site
from tests.support.cds import CdsClient, bundle, order

VIEW, SELECT = "patient-view", "order-select"
Json = dict[str, Any]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def call_of(**more: Any) -> bytes:
    return json.dumps(CdsClient("http://127.0.0.1").body("42", **more)).encode()


def test_call_is_read() -> None:
    token = {"access_token": "t.0-k", "token_type": "Bearer", "expires_in": 1, "scope": "s", "subject": "c"}
    call = read_call(call_of(fhirServer="https://h/r4", fhirAuthorization=token, prefetch={"patient": None}), hook=VIEW)

    assert (call.patient, call.user, call.fhir_server, call.token) == (
        "Patient/42",
        "Practitioner/7",
        "https://h/r4",
        "t.0-k",
    )
    assert call.prefetch == {"patient": b"null"}
    assert "t.0-k" not in repr(call)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"{}",
        b'{"hook":' * 50_000,
        call_of(hook="order-sign"),
        call_of(hookInstance="1"),
        call_of(hookInstance="d1577c69-dfbe-44ad-ba6d-3e05e953b2ea\n"),
        call_of(context={"patientId": "../Patient/1"}),
        call_of(context={"patientId": "Patient/1"}),
        call_of(context={"patientId": ".."}),
        call_of(context={"patientId": "1?x=y"}),
        call_of(context={"patientId": "1\n"}),
        call_of(context={"patientId": ""}),
        call_of(context={"patientId": 5}),
        call_of(context={"patientId": None}),
        call_of(context={"userId": "7"}),
        call_of(context={"userId": "Device/7"}),
        call_of(context={"userId": "Practitioner/.."}),
        call_of(prefetch=[]),
        call_of(fhirAuthorization={"access_token": "t"}, fhirServer="https://h"),
        call_of(fhirAuthorization="t", fhirServer="https://h"),
    ],
)
def test_call_that_is_none_is_refused_without_content(body: bytes) -> None:
    with pytest.raises(MalformedCall) as raised:
        read_call(body, hook=VIEW)

    assert "42" not in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": "a b"},
        {"access_token": "a\r\nHost: x"},
        {"access_token": ""},
        {"token_type": "Basic"},
        {"expires_in": "1"},
    ],
)
def test_token_that_no_header_can_carry_is_refused(change: Json) -> None:
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 1, "scope": "s", "subject": "c"} | change
    with pytest.raises(MalformedCall):
        read_call(call_of(fhirServer="https://h", fhirAuthorization=token), hook=VIEW)


def test_token_without_a_server_is_refused() -> None:
    token = {"access_token": "t", "token_type": "Bearer", "expires_in": 1, "scope": "s", "subject": "c"}
    with pytest.raises(MalformedCall, match="fhirServer"):
        read_call(call_of(fhirAuthorization=token), hook=VIEW)


@settings(max_examples=150, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from(["hook", "context", "prefetch", "fhirServer", "hookInstance"]), JSON))
def test_call_of_any_json_is_read_or_refused(anything: Any, members: Json) -> None:
    for body in (json.dumps(anything).encode(), json.dumps(json.loads(call_of()) | members).encode()):
        for hook in (VIEW, SELECT):
            try:
                read_call(body, hook=hook)
            except MalformedCall:
                continue


@settings(max_examples=100, deadline=None)
@given(JSON, st.dictionaries(st.sampled_from(["card", "outcome", "outcomeTimestamp", "overrideReason"]), JSON))
def test_feedback_of_any_json_is_read_or_refused(anything: Any, members: Json) -> None:
    told = {
        "card": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "outcome": "overridden",
        "outcomeTimestamp": "2025-06-01T00:00:00Z",
    }
    for document in (anything, {"feedback": anything}, {"feedback": [told | members]}):
        try:
            read_feedback(json.dumps(document).encode())
        except MalformedCall:
            continue


@pytest.mark.parametrize("moment", ["yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", ""])
def test_feedback_of_no_time_is_refused(moment: str) -> None:
    told = {"card": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "outcome": "overridden", "outcomeTimestamp": moment}
    with pytest.raises(MalformedCall):
        read_feedback(json.dumps({"feedback": [told]}).encode())


# Prefetch -----------------------------------------------------------------------------------------------------------

TRIAL = load_trial("nct04954820")


def given_of(**values: Any) -> tuple[int, set[str]]:
    found = read_prefetch({key: json.dumps(value).encode() for key, value in values.items()}, TRIAL)
    return len(found.raws), set(found.whole)


def test_templates_ask_for_every_type_of_the_trial_and_hold_one_token() -> None:
    templates = templates_of(TRIAL)

    assert len(templates) == len(types_of(TRIAL)) == len(TRIAL.resource_types) - 2
    assert all(query.count("{{context.patientId}}") == 1 and "{{" in query for query in templates.values())
    assert templates["adverseEvent"].startswith("AdverseEvent?subject=")


def test_prefetch_tells_what_came_whole() -> None:
    flag = {"resourceType": "Flag", "id": "1", "subject": {"reference": "Patient/42"}}
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "forbidden"}]}
    link = [{"relation": "next", "url": "https://h/r4?page=2"}]

    assert given_of() == (0, set())
    assert given_of(flag=None, patient=None) == (0, {"Flag"})
    assert given_of(flag=bundle(flag)) == (1, {"Flag"})
    assert given_of(flag=bundle(flag, total=1)) == (1, {"Flag"})
    assert given_of(flag=bundle(flag, total=2)) == (1, set())
    assert given_of(flag=bundle(flag, link=link)) == (1, set())
    assert given_of(flag=bundle(flag, outcome)) == (1, set())
    assert given_of(flag=bundle(flag, kind="history")) == (0, set())
    assert given_of(flag=outcome) == (0, set())
    assert given_of(flag=flag) == (1, set())
    assert given_of(flag=5, condition="x", observation=[], patient={}) == (0, set())
    assert given_of(unasked=bundle(flag)) == (0, set())


# Orders -------------------------------------------------------------------------------------------------------------


def is_ordered(*drafts: Json, selections: list[str] | None = None, site: Site | None = None) -> bool:
    context = {"selections": selections or [], "draftOrders": bundle(*drafts, kind="collection")}
    call = read_call(call_of(hook=SELECT, context=context), hook=SELECT)
    return orders_the_treatment(call, TRIAL, site or Site.plain("icm"), shared=lambda _: {})


def test_order_of_the_treatment_is_known_by_code_text_reference_and_the_sites_map() -> None:
    lutathera = {"coding": [{"system": "http://www.whocc.no/atc", "code": "V10XX04"}]}
    bare = {"resourceType": "MedicationRequest", "id": "draft-1", "subject": {"reference": "Patient/42"}}
    contained = {"contained": [{"resourceType": "Medication", "id": "m", "code": lutathera}]}
    mapped = Site("icm", concept_map={("urn:oid:1.2", "LUT"): (("http://www.whocc.no/atc", "V10XX04"),)})

    assert is_ordered(order("V10XX04", of="42"))
    assert is_ordered(order("V10XX04", of="42", kind="ServiceRequest"))
    assert is_ordered(bare | {"medicationCodeableConcept": {"text": "LUTATHERA 370 MBq/mL"}})
    assert is_ordered(bare | {"medication": {"concept": lutathera}})
    assert is_ordered(bare | contained | {"medicationReference": {"reference": "#m"}})
    medication = {"resourceType": "Medication", "id": "9", "code": lutathera}
    assert is_ordered(bare | {"medicationReference": {"reference": "Medication/9"}}, medication)
    assert is_ordered(order("LUT", of="42", system="urn:oid:1.2"), site=mapped)


def test_order_of_anything_else_is_none_of_the_treatment() -> None:
    named = order("V10XX05", of="42")
    named["medicationCodeableConcept"]["text"] = "lutathera"

    assert not is_ordered()
    assert not is_ordered(order("V10XX05", of="42"))
    assert not is_ordered(named)
    assert not is_ordered(order("V10XX04", of="another"))
    assert not is_ordered(
        {"resourceType": "MedicationRequest", "id": "1", "medicationReference": {"reference": "Medication/1"}}
    )
    assert not is_ordered(
        {"resourceType": "MedicationRequest", "medicationCodeableConcept": {"coding": [5, {"code": 5}], "text": 5}}
    )


def test_order_chosen_before_does_not_count_again() -> None:
    other = order("L01", of="42") | {"id": "draft-2"}

    assert not is_ordered(order("V10XX04", of="42"), other, selections=["MedicationRequest/draft-2"])
    assert is_ordered(order("V10XX04", of="42"), other, selections=["MedicationRequest/draft-1"])


@pytest.mark.parametrize("drafts", [5, [], {"resourceType": "Patient"}, None])
def test_orders_that_are_no_bundle_are_refused(drafts: Any) -> None:
    context = {"selections": [], "draftOrders": drafts}
    call = read_call(call_of(hook=SELECT, context=context), hook=SELECT)
    with pytest.raises(MalformedCall):
        orders_the_treatment(call, TRIAL, Site.plain("icm"), shared=lambda _: {})


def test_call_of_order_select_without_orders_is_refused() -> None:
    with pytest.raises(MalformedCall, match="draftOrders"):
        read_call(call_of(hook=SELECT), hook=SELECT)
