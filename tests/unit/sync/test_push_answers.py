"""In: a push, and what a server may answer to it. Out: proof that the outbox and the server end in the right state."""

from __future__ import annotations

import logging

import httpx
import pytest

from adapter.store import OutboxState, Store
from tests.support.push_server import Fault, Json, PushServer, answer, cut, half, lost, outcome, told
from tests.support.push_site import SITE, Desk, infusion, lab, patient

DONE = (OutboxState.DONE, False)
PENDING = (OutboxState.PENDING, False)
UNHEARD = (OutboxState.PENDING, True)


@pytest.fixture
def server() -> PushServer:
    return PushServer()


@pytest.fixture
def desk(store: Store, server: PushServer) -> Desk:
    return Desk(store, server)


def loaded(desk: Desk, number: int = 10) -> None:
    desk.load(*(lab(at) for at in range(1, number + 1)))


def values(server: PushServer) -> list[str]:
    return sorted(one.body["identifier"][0]["value"] for one in server.all("Observation") if one.body)


def is_whole(desk: Desk, number: int) -> bool:
    """All is there, each once and in one version, with one Provenance each, and the outbox knows it."""
    observations = desk.server.all("Observation")
    known = desk.store.outbox.counterparts(SITE)
    return (
        values(desk.server) == sorted(f"L{at}" for at in range(1, number + 1))
        and {one.version for one in observations} == {1}
        and len(desk.server.all("Provenance")) == number
        and not desk.server.doubles()
        and set(desk.states().values()) == {DONE}
        and {one.server_id for of in known.values() for one in of} == {one.id for one in observations}
    )


# --- what the hospital changed meanwhile --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [409, 412])
def test_stale_version_is_looked_at_again_and_not_overwritten(desk: Desk, server: PushServer, status: int) -> None:
    loaded(desk, 3)
    desk.push()
    desk.load(lab(1, "11.0"), lab(2, "11.0"))
    changed = server.all("Observation")[0].reference
    # After our look and before our write.
    server.before.append(lambda: server.change(changed, lambda body: body["valueQuantity"].update(value=9)))
    if status == 409:
        # As HAPI answers a stale If-Match.
        server.faults.append(answer(409))

    summary = desk.push()

    assert [(one.key.rpartition("|")[2], one.reason) for one in summary.conflicts] == [("L1", "both-changed")]
    assert server.get(changed)["valueQuantity"]["value"] == 9
    assert {key: state for key, (state, _) in desk.states().items()} == {"L1": "conflict", "L2": "done", "L3": "done"}
    assert not any(uncertain for _, uncertain in desk.states().values())
    assert server.all("Observation")[1].body["valueQuantity"]["value"] == 11  # type: ignore[index]
    assert summary.exit_code == 5


def test_conflict_of_a_condition_at_creation_is_looked_at_again(desk: Desk, server: PushServer) -> None:
    loaded(desk, 2)
    server.faults.append(answer(412))

    summary = desk.push()

    assert (summary.exit_code, is_whole(desk, 2)) == (0, True)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refusal_costs_the_guilty_entity_only(
    desk: Desk, server: PushServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    loaded(desk, 21)
    refusal = outcome("value", "Dupont, Jean: 12.1 is wrong", expression="Observation.value[x]")
    server.refuses = lambda body: (status, refusal) if _is_lab(body, "L7") else None

    summary = desk.push()

    entry = desk.entries()["L7"]
    assert (entry.state, entry.reason, entry.detail) == (
        "refused",
        "server",
        f"{status}, error/value at Observation.value[x]",
    )
    assert values(server) == sorted(f"L{at}" for at in range(1, 22) if at != 7)
    assert len(server.all("Provenance")) == 20
    assert [state for key, state in desk.states().items() if key != "L7"] == [DONE] * 20
    assert not entry.uncertain
    assert summary.exit_code == 5
    assert "Dupont" not in "".join([caplog.text, entry.detail, str(summary.as_object()), summary.problem])


def test_refused_entity_is_sent_again_once_it_changed_and_not_before(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    server.refuses = lambda body: (422, outcome("value", "")) if _is_lab(body, "L1") else None
    desk.push()
    sent = len(server.transacted)
    server.refuses = lambda body: None

    assert desk.push().exit_code == 0
    assert len(server.transacted) == sent

    desk.load(lab(1, "13.0"))
    desk.push()
    assert desk.states() == {"L1": DONE}


def test_refusal_of_one_entry_in_an_answer_of_200_refuses_its_entity(desk: Desk, server: PushServer) -> None:
    loaded(desk, 3)

    def fault(there: PushServer, entries: list[Json]) -> httpx.Response:
        responses = there.apply(entries[:2])
        refused = {"response": {"status": "422", "outcome": outcome("value", "of Dupont")}}
        responses += [refused, refused]
        return told([*responses, *there.apply(entries[4:])])

    server.faults.append(fault)

    summary = desk.push()

    assert desk.states() == {"L1": DONE, "L2": (OutboxState.REFUSED, True), "L3": DONE}
    assert desk.entries()["L2"].detail == "422, error/value"
    assert (values(server), summary.exit_code) == (["L1", "L3"], 5)


@pytest.mark.parametrize("status", [401, 403])
def test_expired_token_leaves_all_waiting_and_a_good_one_sends_all(desk: Desk, server: PushServer, status: int) -> None:
    loaded(desk)
    server.faults.append(answer(status, outcome("login", "of Dupont")))

    refused = desk.push()

    assert (refused.exit_code, refused.complete, refused.pending) == (4, False, 10)
    assert set(desk.states().values()) == {PENDING}
    assert values(server) == []
    assert "Dupont" not in refused.problem

    assert desk.push().exit_code == 0
    assert is_whole(desk, 10)


def test_token_that_expires_before_the_push_is_a_refusal(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1), infusion())
    server.token = "good"
    desk.token = "stale"

    refused = desk.push()

    assert (refused.exit_code, set(desk.states().values()), server.transacted) == (4, {PENDING}, [])

    desk.token = "good"
    desk.push()
    assert set(desk.states().values()) == {DONE}


def test_token_that_expires_between_two_halves_loses_and_doubles_nothing(desk: Desk, server: PushServer) -> None:
    loaded(desk)

    def second_half(there: PushServer, entries: list[Json]) -> httpx.Response:
        response = there.carry_out(entries)
        there.faults.append(answer(401))
        return response

    server.faults.append(answer(422))
    server.faults.append(second_half)

    refused = desk.push()

    assert (refused.exit_code, refused.pending) == (4, 5)
    assert sorted(desk.states().values()) == [DONE] * 5 + [PENDING] * 5

    desk.push()
    assert is_whole(desk, 10)


# --- later ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", [None, "7"])
def test_server_without_time_is_asked_again_after_the_wait_it_wants(
    desk: Desk, server: PushServer, status: int, retry_after: str | None
) -> None:
    loaded(desk)
    server.faults.append(answer(status, headers={"Retry-After": retry_after} if retry_after else None))

    summary = desk.push()

    assert (summary.exit_code, is_whole(desk, 10)) == (0, True)
    assert len(desk.waits) == 1
    assert desk.waits[0] >= (7 if retry_after else 0)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", [None, "7"])
def test_server_that_never_has_time_leaves_all_waiting(
    desk: Desk, server: PushServer, status: int, retry_after: str | None
) -> None:
    loaded(desk)
    # A 429 that says when to come back is heeded a hundred times; others are attempts, of which there are three.
    often = 100 if status == 429 and retry_after else 3
    server.faults.extend([answer(status, headers={"Retry-After": retry_after} if retry_after else None)] * often)

    summary = desk.push()

    assert (summary.exit_code, summary.pending, set(desk.states().values())) == (75, 10, {PENDING})
    assert values(server) == []

    desk.push()
    assert is_whole(desk, 10)


def test_search_that_fails_after_the_write_leaves_it_uncertain_and_the_next_push_adopts_it(
    desk: Desk, server: PushServer
) -> None:
    loaded(desk)

    def then_search_fails(there: PushServer, entries: list[Json]) -> httpx.Response:
        response = there.carry_out(entries)
        there.post_search = 503
        return response

    server.faults.append(then_search_fails)

    summary = desk.push()

    assert (summary.exit_code, set(desk.states().values())) == (75, {UNHEARD})

    server.post_search = None
    assert desk.push().exit_code == 0
    assert is_whole(desk, 10)


# --- half-sent, lost, unreadable ------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", ["says", "500", "cut"])
@pytest.mark.parametrize("first", [0, 1, 3, 6, 19])
def test_half_sent_transaction_is_made_whole(desk: Desk, server: PushServer, then: str, first: int) -> None:
    loaded(desk)
    server.faults.append(half(first, then))

    summary = desk.push()

    assert (summary.exit_code, summary.complete) == (0, True)
    assert values(server) == sorted(f"L{at}" for at in range(1, 11))
    assert {one.version for one in server.all("Observation")} == {1}
    assert (server.doubles(), set(desk.states().values())) == ([], {DONE})


@pytest.mark.parametrize("then", ["says", "500", "cut"])
@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_half_sent_infusion_is_made_whole(desk: Desk, server: PushServer, then: str, first: int) -> None:
    desk.load(infusion())
    desk.push()
    desk.load(infusion(administered=None, prescribed=None, status="stopped", status_reason="pain"))
    server.faults.append(half(first, then))

    summary = desk.push()

    assert (summary.exit_code, desk.states(), server.doubles()) == (0, {"I1": DONE}, [])
    assert server.all("MedicationRequest") == []
    assert {one.body["status"] for one in server.all("Procedure") if one.body} == {"stopped"}


@pytest.mark.parametrize(
    "fault",
    [
        lost(),
        pytest.param(lambda there, entries: (there.carry_out(entries), answer(500)(there, entries))[1], id="500"),
        pytest.param(
            lambda there, entries: (there.carry_out(entries), answer(502, "<html>")(there, entries))[1], id="502"
        ),
        pytest.param(
            lambda there, entries: (there.carry_out(entries), answer(200, "<html>")(there, entries))[1], id="html"
        ),
        pytest.param(
            lambda there, entries: (there.carry_out(entries), answer(200, '{"re')(there, entries))[1], id="cut"
        ),
        pytest.param(lambda there, entries: (there.carry_out(entries), answer(200, {})(there, entries))[1], id="empty"),
    ],
)
def test_answer_that_is_lost_or_unreadable_is_looked_for_and_nothing_sent_twice(
    desk: Desk, server: PushServer, fault: Fault
) -> None:
    loaded(desk)
    server.faults.append(fault)

    summary = desk.push()

    assert (summary.exit_code, is_whole(desk, 10), len(server.transacted)) == (0, True, 1)


def test_connection_cut_before_anything_was_done_is_sent_again_after_a_look(desk: Desk, server: PushServer) -> None:
    loaded(desk)
    server.faults.append(cut())

    summary = desk.push()

    assert (summary.exit_code, is_whole(desk, 10), len(server.transacted)) == (0, True, 2)


def test_answer_lost_of_an_update_makes_no_second_version(desk: Desk, server: PushServer) -> None:
    loaded(desk, 2)
    desk.push()
    desk.load(lab(1, "11.0"))
    server.faults.append(lost())

    summary = desk.push()

    assert (summary.exit_code, [one.version for one in server.all("Observation")]) == (0, [2, 1])
    assert set(desk.states().values()) == {DONE}


def test_answers_in_another_order_mix_up_no_two_persons(desk: Desk, server: PushServer) -> None:
    server.put(patient("P2"))
    desk.load(lab(1, "1.0"), lab(2, "2.0", patient="P2"))
    desk.push()
    before = {one.id: one.body["subject"] for one in server.all("Observation") if one.body}
    desk.load(lab(1, "1.1"), lab(2, "2.1", patient="P2"))

    def swapped(there: PushServer, entries: list[Json]) -> httpx.Response:
        first, its_record, second, other_record = there.apply(entries)
        return told([second, its_record, first, other_record])

    server.faults.append(swapped)
    desk.push()
    desk.load(lab(1, "1.2"))
    summary = desk.push()

    assert (summary.exit_code, set(desk.states().values())) == (0, {DONE})
    assert values(server) == ["L1", "L2"]
    assert {one.id: one.body["subject"] for one in server.all("Observation") if one.body} == before


def test_server_that_always_fails_leaves_all_uncertain_and_says_try_later(desk: Desk, server: PushServer) -> None:
    loaded(desk)
    server.faults.extend([answer(500)] * 30)

    summary = desk.push()

    assert (summary.exit_code, summary.pending, set(desk.states().values())) == (75, 10, {UNHEARD})
    assert "answered 500" in summary.problem
    # Not each entity is tried alone where none is answered.
    assert len(server.transacted) == 5

    server.faults.clear()
    desk.push()
    assert is_whole(desk, 10)


def test_entity_that_makes_the_server_fail_costs_itself_only(desk: Desk, server: PushServer) -> None:
    loaded(desk, 6)
    server.refuses = lambda body: (500, outcome("exception", "of Dupont")) if _is_lab(body, "L2") else None

    summary = desk.push()

    assert {key for key, state in desk.states().items() if state == DONE} == {"L1", "L3", "L4", "L5", "L6"}
    assert desk.states()["L2"] == UNHEARD
    assert (summary.exit_code, "Dupont" in summary.problem) == (75, False)


def test_newer_version_of_what_was_sent_unheard_is_no_conflict_with_ourselves(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1, "12.1"))
    server.faults.extend([lost(), *[cut()] * 9])
    server.post_search = None
    desk.push_and_die()
    desk.load(lab(1, "11.0"))

    assert desk.states() == {"L1": UNHEARD}
    server.faults.clear()
    summary = desk.push()

    assert (summary.exit_code, summary.conflicts, desk.states()) == (0, [], {"L1": DONE})
    assert server.one("Observation").body["valueQuantity"]["value"] == 11  # type: ignore[index]
    assert [one.version for one in server.all("Observation")] == [2]


def test_uncertain_entry_that_is_refused_for_its_token_is_no_less_uncertain(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    server.faults.append(cut())
    desk.push_and_die()
    server.faults.append(answer(401))

    desk.push()

    assert desk.states() == {"L1": UNHEARD}


def test_uncertain_entry_that_has_to_be_held_stays_uncertain(desk: Desk, server: PushServer) -> None:
    desk.load(lab(1))
    server.faults.append(lost())
    desk.push_and_die()
    server.delete(server.one("Patient").reference)

    desk.push()

    assert desk.states()["L1"] == (OutboxState.HELD, True)


def _is_lab(body: Json, value: str) -> bool:
    return bool(body["resourceType"] == "Observation" and body["identifier"][0]["value"] == value)
