"""Promises of the digests' table: each is sent by one, once; what nobody finished is taken up again; what was told is known."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from adapter.store import Store, StoredVerdict
from adapter.store.digests import STALE_CLAIM, DigestKey, DigestState
from tests.support.postgres import new_database, running_postgres

KEY = DigestKey(site="icm", recipient="a" * 64, language="fr", slot="07:30:00", day=date(2025, 6, 2))
AT = datetime(2025, 6, 2, 5, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store on each of the two databases, closed at the end."""
    if request.param == "sqlite":
        with Store.open(tmp_path / "var") as opened:
            yield opened
    else:
        with new_database(request.getfixturevalue("server")) as url, Store.open(tmp_path / "var", url) as opened:
            yield opened


def ended(store: Store, key: DigestKey = KEY) -> dict[str, DigestState]:
    return store.digests.ended(key.site, language=key.language, slot=key.slot, day=key.day)


def finish(store: Store, key: DigestKey, *, seen: int | None, state: DigestState = DigestState.SENT) -> None:
    assert store.digests.claim(key, by="me", at=AT)
    assert store.digests.end(key, by="me", state=state, at=AT, seen=seen)


def test_digest_is_claimed_by_one_only(store: Store) -> None:
    assert store.digests.claim(KEY, by="me", at=AT)
    assert not store.digests.claim(KEY, by="you", at=AT)
    assert ended(store) == {}


@pytest.mark.parametrize("state", [DigestState.SENT, DigestState.EMPTY, DigestState.REFUSED])
def test_digest_that_has_ended_is_never_claimed_again(store: Store, state: DigestState) -> None:
    finish(store, KEY, seen=3, state=state)

    assert ended(store) == {KEY.recipient: state}
    assert not store.digests.claim(KEY, by="you", at=AT + timedelta(days=1))


@pytest.mark.parametrize(
    "other",
    [
        {"site": "aphp"},
        {"recipient": "b" * 64},
        {"language": "en"},
        {"slot": "16:00:00"},
        {"day": date(2025, 6, 3)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_digest_of_another_site_recipient_language_time_or_day_is_another_one(
    store: Store, other: dict[str, object]
) -> None:
    finish(store, KEY, seen=3)
    another = msgspec.structs.replace(KEY, **other)

    assert store.digests.claim(another, by="you", at=AT)
    assert ended(store) == {KEY.recipient: DigestState.SENT}


def test_digest_that_was_given_back_may_be_claimed_at_once(store: Store) -> None:
    store.digests.claim(KEY, by="me", at=AT)
    assert store.digests.release(KEY, by="me")

    assert store.digests.claim(KEY, by="you", at=AT)


def test_claim_that_nobody_finished_is_taken_up_once_it_is_stale(store: Store) -> None:
    store.digests.claim(KEY, by="me", at=AT)

    assert not store.digests.claim(KEY, by="you", at=AT + STALE_CLAIM)
    assert store.digests.claim(KEY, by="you", at=AT + STALE_CLAIM + timedelta(seconds=1))
    # It is the other's now, and whoever held it before cannot end it or give it back.
    assert not store.digests.end(KEY, by="me", state=DigestState.SENT, at=AT, seen=1)
    assert not store.digests.release(KEY, by="me")
    assert store.digests.end(KEY, by="you", state=DigestState.SENT, at=AT, seen=1)


def test_digest_is_claimed_by_one_of_many_who_try_at_once(store: Store) -> None:
    won: list[str] = []
    together = threading.Barrier(6)

    def attempt(name: str) -> None:
        together.wait(timeout=30)
        if store.digests.claim(KEY, by=name, at=AT):
            won.append(name)

    tries = [threading.Thread(target=attempt, args=(f"process {number}",)) for number in range(6)]
    for one in tries:
        one.start()
    for one in tries:
        one.join(timeout=60)

    assert len(won) == 1


def test_seen_is_what_the_newest_digest_told_whatever_its_time_and_language(store: Store) -> None:
    finish(store, KEY, seen=3)
    finish(store, msgspec.structs.replace(KEY, language="en", slot="16:00:00"), seen=9, state=DigestState.EMPTY)
    finish(store, msgspec.structs.replace(KEY, day=date(2025, 6, 3)), seen=20, state=DigestState.REFUSED)
    finish(store, msgspec.structs.replace(KEY, site="aphp"), seen=30)

    assert store.digests.seen("icm", [KEY.recipient, "b" * 64]) == {KEY.recipient: 9}


# What was known when


def screened(patient: str, *, candidate: bool, at: datetime, site: str = "icm") -> StoredVerdict:
    return StoredVerdict(
        site=site,
        patient=f"Patient/{patient}",
        trial="nct04954820",
        stage="registration",
        on=at.date(),
        screened_at=at,
        run="by-hand",
        content=json.dumps({"candidate": candidate, "criteria": []}),
        input_hash=f"{patient} {candidate}",
    )


@pytest.fixture
def known(store: Store) -> Callable[[int], set[str]]:
    def ask(number: int) -> set[str]:
        return store.digests.candidates_at("nct04954820", "registration", site="icm", number=number)

    return ask


def test_candidates_are_those_of_the_newest_verdict_up_to_then(store: Store, known: Callable[[int], set[str]]) -> None:
    newest = [0]
    for number, (patient, candidate) in enumerate([("a", True), ("b", False), ("b", True), ("a", False)]):
        store.save_verdicts([screened(patient, candidate=candidate, at=AT + timedelta(days=number))])
        newest.append(store.digests.newest_verdict("nct04954820", "registration", site="icm"))
    store.save_verdicts([screened("elsewhere", candidate=True, at=AT, site="aphp")])

    assert [known(number) for number in newest] == [
        set(),
        {"Patient/a"},
        {"Patient/a"},
        {"Patient/a", "Patient/b"},
        {"Patient/b"},
    ]


def test_screening_of_the_same_again_makes_nobody_new(store: Store, known: Callable[[int], set[str]]) -> None:
    store.save_verdicts([screened("a", candidate=True, at=AT)])
    told = store.digests.newest_verdict("nct04954820", "registration", site="icm")
    store.save_verdicts([screened("a", candidate=True, at=AT + timedelta(hours=1))])

    assert store.digests.newest_verdict("nct04954820", "registration", site="icm") == told
    assert known(told) == {"Patient/a"}
