"""The lifecycle of a subject: which event may follow which, and which is refused, by its field."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from mappings.entities import EntityError, EventKind, Identifier, Subject, SubjectEvent, parse_entity
from tests.support.entity_subject import PATIENT, event, possible_kinds, road, subject_of

BEFORE = {"pre-screened", "reviewed", "screening", "screened", "eligible", "ineligible", "not-registered", "consented"}
ALWAYS = {"withdrawn", "died", "ended"}
REGISTERED = {"consented", "cycle", "randomised", "randomisation-failed", "progression"} | ALWAYS
RANDOMISED = {"consented", "visit", "treatment-over", "progression"} | ALWAYS
DAY = "2026-06-01"


def refused(*happened: SubjectEvent, **more: Any) -> tuple[str, str]:
    with pytest.raises(EntityError) as caught:
        subject_of(*happened, **more)
    return caught.value.field, caught.value.problem


# --- which kinds may follow ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        ((), BEFORE | ALWAYS),
        (road("pre-screened"), BEFORE | ALWAYS),
        ((event("ineligible", DAY),), BEFORE | ALWAYS),
        ((event("not-registered", DAY),), BEFORE | ALWAYS),
        (road("consented"), BEFORE | {"registered"} | ALWAYS),
        (road("registered"), REGISTERED),
        (road("cycle"), REGISTERED),
        ((*road("registered"), event("progression", DAY)), REGISTERED),
        (road("randomised"), RANDOMISED | {"cycle"}),
        (road("randomised", intervention=False), RANDOMISED),
        ((*road("randomised"), event("cycle", DAY, cycle=4)), RANDOMISED),
        (road("treatment-over"), RANDOMISED),
        ((*road("registered"), event("randomisation-failed", DAY)), {"died", "ended"}),
        ((*road("randomised"), event("withdrawn", DAY)), {"died", "ended"}),
        ((event("withdrawn", DAY),), {"died", "ended"}),
        (road("died"), {"ended"}),
        (road("ended"), set()),
    ],
)
def test_a_subject_goes_on_only_as_the_protocol_knows_it(
    happened: tuple[SubjectEvent, ...], expected: set[str]
) -> None:
    assert {kind.value for kind in possible_kinds(happened)} == expected


@pytest.mark.parametrize(
    ("happened", "given", "allowed"),
    [
        (road("registered"), [], {1, 2}),
        (road("registered"), [1], {2}),
        (road("registered"), [2], set()),
        (road("randomised"), [], {3, 4}),
        (road("randomised"), [3], {4}),
        (road("randomised", intervention=False), [], set()),
        ((*road("randomised"), event("treatment-over", DAY)), [], set()),
    ],
)
def test_a_subject_gets_cycles_in_their_order_and_arm(
    happened: tuple[SubjectEvent, ...], given: list[int], allowed: set[int]
) -> None:
    so_far = (*happened, *(event("cycle", DAY, cycle=number) for number in given))
    found = set()
    for cycle in range(1, 5):
        with suppress(EntityError):
            subject_of(*so_far, event("cycle", DAY, cycle=cycle))
            found.add(cycle)

    assert found == allowed


@pytest.mark.parametrize(
    ("happened", "late", "field", "problem"),
    [
        (road("eligible"), event("registered", DAY), "kind", "the consent comes before the registration"),
        (road("registered"), event("registered", DAY), "kind", "there is one registration only"),
        (road("registered"), event("screening", DAY), "kind", "belongs before the registration"),
        (road("consented"), event("cycle", DAY, cycle=1), "kind", "the registration comes before it"),
        (road("consented"), event("progression", DAY), "kind", "the registration comes before it"),
        (
            road("registered"),
            event("cycle", DAY, cycle=3),
            "cycle",
            "1 and 2 come before the randomisation, 3 and 4 after it",
        ),
        (
            road("randomised"),
            event("cycle", DAY, cycle=2),
            "cycle",
            "comes after a cycle of the same or a higher number",
        ),
        (
            road("randomised", intervention=False),
            event("cycle", DAY, cycle=3),
            "cycle",
            "nothing is given in this arm",
        ),
        (
            road("treatment-over"),
            event("cycle", DAY, cycle=4),
            "cycle",
            "comes after a cycle of the same or a higher number",
        ),
        (
            (*road("randomised"), event("treatment-over", DAY)),
            event("cycle", DAY, cycle=3),
            "kind",
            "the treatment is over",
        ),
        (
            road("randomised"),
            event("randomised", DAY, arm="control", intervention=False),
            "kind",
            "there is one randomisation only",
        ),
        (road("randomised"), event("randomisation-failed", DAY), "kind", "there is one randomisation only"),
        (road("cycle"), event("visit", DAY, visit=1), "kind", "the randomisation comes before it"),
        (road("cycle"), event("treatment-over", DAY), "kind", "the randomisation comes before it"),
        (
            (*road("randomised"), event("visit", DAY, visit=3)),
            event("visit", DAY, visit=3),
            "visit",
            "comes after a visit of the same or a higher number",
        ),
        (road("ended"), event("died", DAY), "kind", "nothing follows the end of a subject's study"),
        (road("died"), event("withdrawn", DAY), "kind", "nothing follows the end of a subject's study"),
        (
            (*road("registered"), event("withdrawn", DAY)),
            event("consented", DAY),
            "kind",
            "only death or the end follows a withdrawal or a failed randomisation",
        ),
        (road("registered"), event("ended", "2025-01-01"), "on", "lies before the event before it"),
    ],
)
def test_a_subject_refuses_an_event_out_of_order_and_names_it(
    happened: tuple[SubjectEvent, ...], late: SubjectEvent, field: str, problem: str
) -> None:
    assert refused(*happened, late) == (f"events[{len(happened)}].{field}", problem)


def test_a_subject_may_have_several_events_of_one_day() -> None:
    day = [event(kind, DAY) for kind in ("screened", "eligible", "consented", "registered")]

    assert [one.on for one in subject_of(*day).events] == [DAY] * 4


# --- one event -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"kind": "reviewed", "on": "2025-02"}, "on"),
        ({"kind": "reviewed", "on": "2025-02-30"}, "on"),
        ({"kind": "reviewed", "on": "2025-02-03T08:00:00+01:00"}, "on"),
        ({"kind": "reviewed", "on": "3/2/2025"}, "on"),
        ({"kind": "ineligible", "on": DAY}, "reason"),
        ({"kind": "not-registered", "on": DAY}, "reason"),
        ({"kind": "randomisation-failed", "on": DAY}, "reason"),
        ({"kind": "ended", "on": DAY}, "reason"),
        ({"kind": "reviewed", "on": DAY, "reason": ""}, "reason"),
        ({"kind": "reviewed", "on": DAY, "reason": "two  blanks"}, "reason"),
        ({"kind": "cycle", "on": DAY}, "cycle"),
        ({"kind": "visit", "on": DAY, "visit": 1, "cycle": 1}, "cycle"),
        ({"kind": "cycle", "on": DAY, "cycle": 0}, "cycle"),
        ({"kind": "cycle", "on": DAY, "cycle": 5}, "cycle"),
        ({"kind": "randomised", "on": DAY, "intervention": True}, "arm"),
        ({"kind": "randomised", "on": DAY, "arm": "control"}, "intervention"),
        ({"kind": "randomised", "on": DAY, "arm": " control", "intervention": False}, "arm"),
        ({"kind": "reviewed", "on": DAY, "arm": "control"}, "arm"),
        ({"kind": "reviewed", "on": DAY, "intervention": False}, "intervention"),
        ({"kind": "visit", "on": DAY}, "visit"),
        ({"kind": "reviewed", "on": DAY, "visit": 1}, "visit"),
        ({"kind": "visit", "on": DAY, "visit": 0}, "visit"),
        ({"kind": "visit", "on": DAY, "visit": 1000}, "visit"),
    ],
)
def test_an_event_refuses_what_does_not_belong_to_its_kind(told: dict[str, Any], field: str) -> None:
    with pytest.raises(EntityError) as caught:
        SubjectEvent(**{**told, "kind": EventKind(told["kind"])})

    assert caught.value.field == field


@pytest.mark.parametrize("kind", [kind for kind in EventKind if kind not in ("cycle", "visit", "randomised")])
def test_an_event_of_any_kind_may_have_a_reason(kind: EventKind) -> None:
    assert SubjectEvent(kind=kind, on=DAY, reason="E07").reason == "E07"


# --- the subject ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["study", "site", "number"])
@pytest.mark.parametrize("value", ["", " 05", "05 ", "0  5", "0\t5", "0\x005"])
def test_a_subject_refuses_what_is_no_code(field: str, value: str) -> None:
    assert refused(*road("reviewed"), **{field: value})[0] == field


def test_a_subject_refuses_the_hospitals_number_as_its_own() -> None:
    field, problem = refused(*road("reviewed"), number=PATIENT.value)

    assert field == "number" and PATIENT.value not in problem


def test_a_subject_needs_an_event() -> None:
    assert refused() == ("events", "at least one is wanted")


def test_a_subject_knows_its_arm_and_the_first_event_of_a_kind() -> None:
    subject = subject_of(*road("visit", intervention=False))
    first = subject.first(EventKind.CYCLE)

    assert subject.arm == "control" and first is not None and first.cycle == 1
    assert subject_of(*road("registered")).arm is None and subject.first(EventKind.DIED) is None


def test_a_subject_is_read_from_a_mapping_with_the_path_of_what_is_wrong() -> None:
    told: dict[str, Any] = {
        "study": "nct04954820",
        "site": "05",
        "number": "RELUTH-05-0001",
        "patient": {"system": PATIENT.system, "value": PATIENT.value},
        "events": [{"kind": "reviewed", "on": "2025-02-03"}, {"kind": "registered", "on": "2025-02-04"}],
    }

    with pytest.raises(EntityError) as caught:
        parse_entity(Subject, told)
    assert caught.value.field == "events[1].kind"
    told["events"].pop()
    assert parse_entity(Subject, told) == subject_of(event("reviewed", "2025-02-03"))


def test_a_subject_of_another_patient_is_another_subject() -> None:
    other = Identifier(system=PATIENT.system, value="0001043")

    assert subject_of(*road("reviewed")) != subject_of(*road("reviewed"), patient=other)
