"""Promises of what the state keeps for the provider: when each resource changed, whose a job is, digests of tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from adapter.store import Store
from adapter.store.provider_models import ProviderJobRow, ProviderTokenRow

TRIAL, SITE, TYPE = "nct04954820", "icm", "Observation"
AT = [datetime(2025, 6, day, tzinfo=UTC) for day in range(1, 9)]


def note(store: Store, day: int, *, site: str = SITE, **digests: str) -> dict[str, datetime]:
    return store.provider.note(TRIAL, site, TYPE, digests, at=AT[day])


def gone(store: Store, since: int) -> list[str]:
    return [key for _, key in store.provider.deleted(TRIAL, [SITE], since=AT[since])]


def test_resource_changes_when_its_line_does(store: Store) -> None:
    assert note(store, 0, a="1", b="1") == {"a": AT[0], "b": AT[0]}
    assert note(store, 1, a="1", b="2", c="1") == {"a": AT[0], "b": AT[1], "c": AT[1]}
    assert note(store, 2, a="1", b="2", c="1") == {"a": AT[0], "b": AT[1], "c": AT[1]}


def test_resource_that_is_not_there_any_more_is_deleted_once(store: Store) -> None:
    note(store, 1, a="1", b="1")
    note(store, 2, a="1")
    note(store, 3, a="1")

    assert (gone(store, 1), gone(store, 2)) == (["b"], [])
    assert store.provider.keys(TRIAL, SITE, TYPE) == ["a"]


def test_resource_that_comes_back_is_changed_and_not_deleted(store: Store) -> None:
    note(store, 1, a="1")
    note(store, 2)
    found = note(store, 3, a="1")

    assert found == {"a": AT[3]}
    assert gone(store, 0) == []


def test_sites_are_apart(store: Store) -> None:
    note(store, 1, a="1")
    note(store, 1, site="chu_nord", a="1")
    note(store, 2)

    assert store.provider.keys(TRIAL, "chu_nord", TYPE) == ["a"]
    assert store.provider.deleted(TRIAL, ["chu_nord"], since=AT[0]) == []


def test_many_resources_are_noted_and_deleted(store: Store) -> None:
    many = {f"k{number}": "1" for number in range(12_000)}
    note(store, 1, **many)
    note(store, 2)

    assert len(gone(store, 1)) == 12_000


def ask(store: Store, *, client: str = "sponsor", most: int = 2) -> str | None:
    return store.provider.ask(client=client, trial=TRIAL, request="u", wanted="{}", most=most)


def test_client_has_no_more_jobs_under_way_than_it_may(store: Store) -> None:
    first = ask(store)
    assert first is not None and ask(store) is not None

    assert ask(store) is None
    assert ask(store, client="other") is not None
    store.provider.cancel(first)
    assert ask(store) is not None


def test_job_is_of_who_took_it_first(store: Store) -> None:
    job = ask(store)
    assert job is not None
    taken = [store.provider.claim(job, owner) for owner in ("one", "two")]
    done = [store.provider.complete(job, owner, at=AT[1], files="[]", expires_at=AT[2]) for owner in ("two", "one")]

    assert (taken, done) == ([True, False], [False, True])
    assert not store.provider.fail(job, "one", "too late")
    assert store.provider.last_transaction_time(TRIAL) == AT[1]


def test_job_that_was_cancelled_is_nobodys(store: Store) -> None:
    job = ask(store)
    assert job is not None and store.provider.claim(job, "one")
    store.provider.cancel(job)

    assert not store.provider.progress(job, "one", "half")
    assert not store.provider.complete(job, "one", at=AT[1], files="[]", expires_at=AT[2])
    assert not store.provider.release(job, "one")


def test_jobs_that_ended_long_ago_are_forgotten(store: Store) -> None:
    old, new, open_ = ask(store, most=9), ask(store, most=9), ask(store, most=9)
    assert old is not None and new is not None and open_ is not None
    for job in (old, new):
        store.provider.cancel(job)
    with store._state.session() as session:
        long_ago = datetime.now(UTC) - timedelta(days=8)
        session.execute(update(ProviderJobRow).where(ProviderJobRow.id == old).values(ended_at=long_ago))
    store.provider.expire()

    assert [store.provider.job(job) is None for job in (old, new, open_)] == [True, False, False]


def test_token_that_has_expired_is_not_kept(store: Store) -> None:
    moment = datetime.now(UTC)
    old = store.provider.give_token("sponsor", ["system/*.rs"], until=moment - timedelta(seconds=1))
    new = store.provider.give_token(
        "sponsor", ["system/*.rs", "system/Patient.rs"], until=moment + timedelta(minutes=5)
    )
    found = store.provider.token(new)

    assert store.provider.token(old) is None
    assert found is not None and (found.client, found.scopes) == ("sponsor", ("system/*.rs", "system/Patient.rs"))
    with store._state.session() as session:
        assert session.scalar(select(func.count()).select_from(ProviderTokenRow)) == 1
