"""In: roles as written, accounts as kept. Out: roles by site; viewers that may just what they were given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.accounts import (
    GRANTS,
    Permission,
    Role,
    Viewer,
    account_name,
    parse_roles,
    viewer_of_account,
    written_roles,
)
from adapter.errors import UsageError
from adapter.store import Account


def account(**more: Any) -> Account:
    told = {"roles": {"icm": frozenset({"nurse"})}, "has_password": True, "password_changed_at": datetime.now(UTC)}
    return Account(
        number=7, name="anna", display="Anna Roux", email="", created_at=datetime.now(UTC), **{**told, **more}
    )


def test_roles_are_read_by_site_and_written_back_the_same() -> None:
    found = parse_roles(["nurse@icm", "it@*", "investigator@icm", "nurse@icm"], sites=["icm"])

    assert found == {"*": {Role.IT}, "icm": {Role.INVESTIGATOR, Role.NURSE}}
    assert written_roles(found) == ["it@*", "investigator@icm", "nurse@icm"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nurse", "ROLE@SITE"),
        ("", "ROLE@SITE"),
        ("doctor@icm", "investigator, nurse, data-manager, it, sponsor"),
        ("NURSE@icm", "ROLE@SITE"),
        ("nurse@chu", "site chu is unknown"),
        ("nurse@", "unknown"),
        ("nurse@icm@chu", "unknown"),
    ],
)
def test_role_that_names_no_role_or_no_site_is_refused_with_what_there_is(written: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_roles([written], sites=["icm"])


@pytest.mark.parametrize(
    ("text", "name"), [("Anna", "anna"), (" anna.roux@chu ", "anna.roux@chu"), ("ＡＮＮＡ", "anna"), ("Zoé", "zoé")]
)
def test_name_is_kept_folded(text: str, name: str) -> None:
    assert account_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", " ", "anna roux", "service:anna", "-anna", "_anna", ".anna", "anna~2", "a/b", "a" * 65, "an\nna", "a\0"],
)
def test_name_that_could_be_taken_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        account_name(text)


def test_viewer_of_an_account_has_its_roles_and_no_others() -> None:
    viewer = viewer_of_account(account())

    assert (viewer.actor, viewer.name, viewer.account) == ("anna", "Anna Roux", 7)
    granted = {permission for permission in Permission if viewer.may(permission, "icm")}
    assert granted == GRANTS[Role.NURSE]
    assert not any(viewer.may(permission, "chu") for permission in Permission)


def test_viewer_with_a_one_time_password_may_see_their_own_account_only() -> None:
    viewer = viewer_of_account(account(password_changed_at=None))

    assert {permission for permission in Permission if viewer.may_anywhere(permission)} == {Permission.SIGNED_IN}


def test_viewer_from_a_provider_needs_no_password() -> None:
    viewer = viewer_of_account(account(has_password=False, password_changed_at=None, issuer="https://id.example"))

    assert viewer.may(Permission.DECIDE, "icm")


def test_role_of_a_later_release_grants_nothing() -> None:
    viewer = viewer_of_account(account(roles={"icm": frozenset({"auditor"})}))

    assert {permission for permission in Permission if viewer.may_anywhere(permission)} == {Permission.SIGNED_IN}


def test_viewer_at_every_site_is_one_at_sites_that_come_later() -> None:
    viewer = Viewer("anna", "anna", {"*": frozenset({Role.SPONSOR})})

    assert viewer.sites_with(Permission.FUNNEL, ["icm", "chu"]) == ["icm", "chu"]
    assert viewer.sites_with(Permission.WORKLIST, ["icm", "chu"]) == []


def test_nobody_without_identity_may_add_or_attest_or_decide() -> None:
    # What they type would be about somebody whom they cannot know.
    acting = {Permission.ADD, Permission.ATTEST, Permission.DECIDE, Permission.CONFIRM}

    assert [role for role in Role if GRANTS[role] & acting and Permission.IDENTITY not in GRANTS[role]] == []
