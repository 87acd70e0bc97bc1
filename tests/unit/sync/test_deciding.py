"""In: a result as we have it, as it stands at the server, and as both sides last agreed. Out: proof of what is decided."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, encode_resource
from adapter.store import Counterpart
from adapter.sync.deciding import Agreed, Clash, Send, TakeBack, There, View, decide
from adapter.sync.rendering import render
from mappings.entities import LabResult
from tests.support.push_site import lab

R4 = FhirVersion.R4
WARD = {"url": "https://hospital.example/ward", "valueString": "B2"}


def told(value: str, **more: Any) -> There:
    """A result as the server has it."""
    (one,) = render(lab(1, value), version=R4, trial=None)
    body: Json = {**one.body, "id": "7", "meta": {"versionId": "3", "lastUpdated": "2025-06-01T00:00:00Z"}, **more}
    return There("7", "3", decode_resource(encode_resource(body)))


def view(
    ours: str,
    *,
    now: There | None = None,
    agreed: str | None = None,
    found: tuple[There, ...] = (),
    past: tuple[str, ...] = (),
    uncertain: bool = False,
) -> View:
    entity = lab(1, ours)
    rendered = render(entity, version=R4, trial=None)
    (one,) = rendered
    known = {}
    if agreed is not None:
        (sent,) = render(lab(1, agreed), version=R4, trial=None)
        base = encode_resource(told(agreed).resource)
        known[one.name] = Counterpart("icm", *one.name, "labs", "k", "7", "2", sent.digest, base)
    return View(
        kind="labs",
        entity=entity,
        version=R4,
        rendered=rendered,
        bodies={one.name: one.body},
        known=known,
        now={one.name: now} if known else {},
        found={one.name: list(found)} if found else {},
        past=[lab(1, value) for value in past],
        uncertain=uncertain,
    )


def value_of(decision: object) -> str:
    assert isinstance(decision, Send)
    (write,) = decision.writes
    return f"{write.method} {write.body['valueQuantity']['value'] if write.body else ''}"


def test_what_is_not_there_is_created() -> None:
    assert value_of(decide(view("12"))) == "POST 12"


def test_what_is_there_as_ours_is_agreed() -> None:
    assert isinstance(decide(view("12", agreed="12", now=told("12"))), Agreed)
    assert isinstance(decide(view("12", found=(told("12.0"),))), Agreed)


def test_our_change_is_an_update_of_the_version_that_stands_there() -> None:
    decision = decide(view("11", agreed="12", now=told("12")))

    assert value_of(decision) == "PUT 11"
    assert isinstance(decision, Send)
    (write,) = decision.writes
    assert write.there is not None and write.there.version == "3"
    assert write.body is not None and write.body["id"] == "7" and "meta" not in write.body


def test_tags_go_with_an_update_and_versions_do_not() -> None:
    meta = {"versionId": "3", "lastUpdated": "2025-06-01T00:00:00Z", "tag": [{"code": "x"}], "profile": ["urn:p"]}

    decision = decide(view("11", agreed="12", now=told("12", meta=meta)))

    assert isinstance(decision, Send)
    assert decision.writes[0].body is not None
    assert decision.writes[0].body["meta"] == {"tag": [{"code": "x"}], "profile": ["urn:p"]}


def test_hospitals_change_alone_is_taken_back() -> None:
    decision = decide(view("12", agreed="12", now=told("9")))

    assert isinstance(decision, TakeBack) and isinstance(decision.entity, LabResult)
    assert decision.entity.value == 9


@pytest.mark.parametrize("ours", ["11", "9.0"])
def test_change_on_both_sides_is_a_clash_unless_it_is_the_same(ours: str) -> None:
    decision = decide(view(ours, agreed="12", now=told("9")))

    if ours == "9.0":
        assert isinstance(decision, Agreed)
    else:
        assert isinstance(decision, Clash) and decision.cause == "both-changed"
        assert [(one.path, one.ours, one.theirs) for one in decision.fields] == [
            ("Observation.valueQuantity.value", "11", "9")
        ]


def test_foreign_extension_alone_moves_nobody() -> None:
    assert isinstance(decide(view("12", agreed="12", now=told("12", extension=[WARD]))), Agreed)
    decision = decide(view("11", agreed="12", now=told("12", extension=[WARD])))

    assert isinstance(decision, Send) and decision.writes[0].body is not None
    assert decision.writes[0].body["extension"] == [WARD]


def test_deleted_is_left_to_a_person_unless_another_took_its_place() -> None:
    gone = decide(view("11", agreed="12", now=None))

    assert isinstance(gone, Clash) and gone.cause == "deleted"
    assert value_of(decide(view("11", agreed="12", now=None, found=(told("12"),)))) == "PUT 11"


def test_more_than_one_is_left_to_a_person_whatever_they_say() -> None:
    decision = decide(view("12", found=(told("12"), told("12"))))

    assert isinstance(decision, Clash) and decision.cause == "duplicate" and len(decision.there) == 2


def test_another_content_that_nobody_agreed_on_is_left_to_a_person() -> None:
    decision = decide(view("12", found=(told("9"),)))

    assert isinstance(decision, Clash) and decision.cause == "other-content"


def test_content_that_cannot_be_read_is_left_to_a_person() -> None:
    decision = decide(view("12", agreed="12", now=told("12", modifierExtension=[WARD])))

    assert isinstance(decision, Clash) and decision.cause == "unreadable"


def test_earlier_version_of_ours_that_arrived_unheard_is_no_clash() -> None:
    assert value_of(decide(view("11", found=(told("12"),), past=("12",), uncertain=True))) == "PUT 11"
    assert value_of(decide(view("10", agreed="12", now=told("11"), past=("12", "11"), uncertain=True))) == "PUT 10"


def test_earlier_version_of_ours_is_the_hospitals_where_all_answers_were_heard() -> None:
    decision = decide(view("10", agreed="12", now=told("11"), past=("12", "11")))

    assert isinstance(decision, Clash) and decision.cause == "both-changed"


def test_element_of_ours_that_says_what_our_reading_does_not_see_is_not_put_back_unseen() -> None:
    category = told("12").resource["category"]
    changed = told("12", category=[*category, {"text": "x"}])
    without = {**category[0]["coding"][0], "display": "Labor"}

    assert isinstance(decide(view("12", agreed="12", now=changed)), Agreed)
    decision = decide(view("12", agreed="12", now=told("12", category=[{"coding": [without]}])))
    assert isinstance(decision, Clash) and decision.cause == "both-changed"
    assert [one.path for one in decision.fields] == ["Observation.category[0].coding[0].display"]


def test_content_of_patients_stays_out_of_the_texts_of_what_is_decided() -> None:
    assert "9" not in repr(told("9")).replace("id='7'", "").replace("version='3'", "")
