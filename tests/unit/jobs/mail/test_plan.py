"""Promises of who gets a digest: each address once, told what its roles at the site may hear; wrong settings are named before anything is sent."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.accounts import Permission, Role
from adapter.config import DigestSettings, Settings
from adapter.errors import ConfigurationError, UsageError
from adapter.jobs.mail import Reader, check_mail, due_digests, readers
from adapter.jobs.mail.news import granted
from adapter.store import Store
from tests.support.mailing import DUE, digest_of, mail_settings
from tests.support.screened import SITE
from tests.unit.jobs.events import logged

CARE = granted([Role.INVESTIGATOR]) & granted([Role.NURSE])


def accounts(store: Store, *people: tuple[str, str, dict[str, list[str]]]) -> None:
    for name, email, roles in people:
        store.accounts.add(name, display=name, email=email, roles=roles, password=None)


def told(store: Store, digest: dict[str, Any]) -> dict[str, frozenset[Permission]]:
    found = readers(store, DigestSettings.model_validate(digest))
    assert all(isinstance(reader, Reader) for reader in found)
    return {reader.address: reader.permissions for reader in found}


@pytest.fixture
def staffed(tmp_path: Path) -> Any:
    """A store with accounts of two sites."""
    with Store.open(tmp_path / "var") as store:
        accounts(
            store,
            ("anna", "anna@example.org", {SITE: ["nurse"]}),
            ("ben", "ben@example.org", {SITE: ["it"]}),
            ("both", "both@example.org", {SITE: ["it", "nurse"]}),
            ("sponsor", "sponsor@example.org", {SITE: ["sponsor"]}),
            ("far", "far@example.org", {"aphp": ["nurse"]}),
            ("everywhere", "everywhere@example.org", {"*": ["investigator"]}),
        )
        yield store


def test_readers_are_the_accounts_with_a_role_at_the_site(staffed: Store) -> None:
    found = told(staffed, digest_of(roles=["investigator", "nurse"]))

    assert set(found) == {"anna@example.org", "both@example.org", "everywhere@example.org"}


def test_reader_hears_what_all_their_roles_of_the_digest_may_hear(staffed: Store) -> None:
    found = told(staffed, digest_of(roles=["nurse", "it"]))

    assert found["ben@example.org"] == granted([Role.IT])
    assert Permission.WORKLIST not in found["ben@example.org"]
    assert found["anna@example.org"] == granted([Role.NURSE])
    assert found["both@example.org"] == granted([Role.NURSE, Role.IT])


def test_sponsor_gets_no_digest_beside_others(staffed: Store) -> None:
    assert "sponsor@example.org" not in told(staffed, digest_of(roles=["sponsor", "nurse"]))


def test_address_of_the_settings_hears_what_each_role_of_the_digest_may_hear(staffed: Store) -> None:
    assert told(staffed, digest_of("team@example.org"))["team@example.org"] == CARE
    assert told(staffed, digest_of("team@example.org", roles=["it"]))["team@example.org"] == granted([Role.IT])
    mixed = told(staffed, digest_of("team@example.org", roles=["nurse", "it"]))["team@example.org"]
    assert mixed == granted([Role.NURSE]) & granted([Role.IT])


def test_address_that_stands_twice_gets_one_digest(staffed: Store) -> None:
    found = readers(
        staffed,
        DigestSettings.model_validate(digest_of("ANNA@example.org", "x@example.org", "x@example.org", roles=["nurse"])),
    )

    assert sorted(reader.address.lower() for reader in found).count("anna@example.org") == 1
    assert [reader.address for reader in found].count("x@example.org") == 1


def test_disabled_account_gets_no_digest(staffed: Store) -> None:
    known = staffed.accounts.by_name("anna")
    assert known is not None
    staffed.accounts.disable(known.number)

    assert "anna@example.org" not in told(staffed, digest_of(roles=["nurse"]))


def test_account_whose_address_is_none_is_left_out_and_the_others_are_not(
    staffed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["anna@example.org\r\nBcc: eve@example.org", "ben@example.org"]
    monkeypatch.setattr(staffed.accounts, "addresses", lambda **_: given)

    with logged() as events:
        found = told(staffed, digest_of(roles=["nurse"]))

    assert set(found) == {"ben@example.org"}
    assert [one["event"] for one in events] == ["mail address of an account left out"]
    assert "anna" not in str(events)


@pytest.mark.parametrize(
    ("digest", "key"),
    [
        (digest_of("anna@example.org\r\nBcc: eve@example.org"), "mail.digests.1.to"),
        (digest_of("Anna <anna@example.org>"), "mail.digests.1.to"),
        (digest_of(), "mail.digests.1.to"),
        (digest_of("a@example.org", roles=["sponsor"]), "mail.digests.1.roles"),
        (digest_of("a@example.org", roles=["nurse", "sponsor"]), "mail.digests.1.to"),
        (digest_of("a@example.org", at="07:30Z"), "mail.digests.1.at"),
    ],
)
def test_digest_that_cannot_be_sent_is_named_by_its_key(tmp_path: Path, digest: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        check_mail(mail_settings(tmp_path, digest_of("fine@example.org"), digest))

    assert raised.value.setting == key
    assert "anna" not in str(raised.value).lower() and "eve" not in str(raised.value)


def test_mail_needs_a_server_and_an_address_of_the_service(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^mail: "):
        check_mail(Settings())
    told = mail_settings(tmp_path, digest_of("a@example.org"))
    with pytest.raises(ConfigurationError, match=r"^service\.public_url: "):
        check_mail(told.model_copy(update={"service": told.service.model_copy(update={"public_url": None})}))


def test_due_digests_are_those_whose_time_has_come(tmp_path: Path) -> None:
    mail = check_mail(
        mail_settings(
            tmp_path,
            digest_of("a@example.org", at="07:30"),
            digest_of("a@example.org", at="16:00"),
            digest_of("a@example.org", days=["sun"]),
            digest_of("a@example.org", site="aphp", at="00:00", language="en"),
        )
    )

    assert [(one.site, one.slot, one.day) for one in due_digests(mail, now=DUE)] == [
        (SITE, "07:30:00", date(2025, 6, 2)),
        ("aphp", "00:00:00", date(2025, 6, 2)),
    ]
    assert [one.slot for one in due_digests(mail, now=DUE, site="aphp")] == ["00:00:00"]
    with pytest.raises(UsageError, match="nowhere"):
        due_digests(mail, now=DUE, site="nowhere")


def test_digest_that_a_person_asks_for_takes_nothing_from_the_scheduled_one(tmp_path: Path) -> None:
    mail = check_mail(mail_settings(tmp_path, digest_of("a@example.org", days=["sun"])))

    asked = [due_digests(mail, now=DUE + timedelta(seconds=late), regardless=True)[0] for late in (0, 1)]

    assert [one.slot for one in asked] == ["now 07:31:00", "now 07:31:01"]
    assert {one.day for one in asked} == {date(2025, 6, 2)}
