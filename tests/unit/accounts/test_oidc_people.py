"""In: claims of all sorts, and grants as written. Out: who somebody is, and what they may."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.accounts import Role
from adapter.accounts.oidc import Grants, OtherPerson, Person, person_of, states_groups
from adapter.errors import ConfigurationError

SITES = ["icm", "other"]


def _person(claims: dict[str, Any], more: dict[str, Any] | None = None, *, claim: str = "groups") -> Person:
    return person_of({"sub": "1", **claims}, more, issuer="https://id.example", claim=claim)


def test_roles_of_several_groups_add_up_by_site() -> None:
    grants = Grants.read({"a": ["nurse@icm", "it@*"], "b": ["investigator@icm"], "c": ["sponsor@other"]}, sites=SITES)

    assert grants.roles(["a", "b"]) == {"icm": {Role.NURSE, Role.INVESTIGATOR}, "*": {Role.IT}}


@pytest.mark.parametrize(
    "word", ["nurse", "nurse@", "nurse@elsewhere", "@icm", "doctor@icm", "Nurse@icm", "nurse@icm "]
)
def test_grant_of_a_role_or_site_that_is_not_there_is_refused_by_its_group(word: str) -> None:
    with pytest.raises(ConfigurationError, match=r"oidc\.grants\.trial"):
        Grants.read({"trial": [word]}, sites=SITES)


@given(st.lists(st.text()))
def test_group_that_is_not_written_gives_nothing(groups: list[str]) -> None:
    grants = Grants.read({"trial-nurses": ["nurse@icm"]}, sites=SITES)

    assert grants.roles([group for group in groups if group != "trial-nurses"]) == {}


@pytest.mark.parametrize("near", ["Trial-Nurses", " trial-nurses", "trial-nurses ", "trial-nurses\0", "/trial-nurses"])
def test_group_is_matched_letter_by_letter(near: str) -> None:
    assert Grants.read({"trial-nurses": ["nurse@icm"]}, sites=SITES).roles([near]) == {}


@pytest.mark.parametrize(
    ("claims", "claim", "groups"),
    [
        ({"groups": ["a", "b"]}, "groups", {"a", "b"}),
        ({"groups": "a"}, "groups", {"a"}),
        ({"groups": []}, "groups", set()),
        ({"groups": ["a", 7, None, "", ["b"]]}, "groups", {"a"}),
        ({"groups": {"a": 1}}, "groups", set()),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", {"a"}),
        ({"https://x.example/groups": ["a"]}, "https://x.example/groups", {"a"}),
        ({"realm_access": ["a"]}, "realm_access.roles", set()),
        ({}, "groups", set()),
    ],
)
def test_groups_are_read_as_providers_write_them(claims: dict[str, Any], claim: str, groups: set[str]) -> None:
    assert _person(claims, claim=claim).groups == groups


@pytest.mark.parametrize(("claims", "stated"), [({"groups": []}, True), ({}, False), ({"groups": None}, False)])
def test_being_in_no_group_is_another_thing_than_not_saying(claims: dict[str, Any], stated: bool) -> None:
    assert states_groups(claims, claim="groups") is stated


def test_userinfo_fills_what_the_token_leaves_open_and_overrides_nothing() -> None:
    person = _person(
        {"preferred_username": "anna"}, {"sub": "1", "preferred_username": "x", "name": "Anna", "groups": ["a"]}
    )

    assert (person.name, person.display, person.groups) == ("anna", "Anna", frozenset({"a"}))


@pytest.mark.parametrize("more", [{}, {"sub": "2"}, {"sub": None}])
def test_userinfo_of_another_sub_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(OtherPerson):
        _person({}, more)


@pytest.mark.parametrize(
    ("claims", "name", "display"),
    [
        ({"preferred_username": "anna", "name": "Anna  Roux"}, "anna", "Anna Roux"),
        ({"email": "anna@x.example"}, "anna@x.example", "anna@x.example"),
        ({}, "1", "1"),
        ({"preferred_username": 7, "name": " "}, "1", "1"),
        # A sign that turns the direction of what follows, and ends of lines.
        ({"name": "Anna\u202e\nRoux\x00"}, "Anna Roux", "Anna Roux"),
    ],
)
def test_name_is_the_best_that_is_told_on_one_line(claims: dict[str, Any], name: str, display: str) -> None:
    person = _person(claims)

    assert (person.name, person.display) == (name, display)


@given(st.dictionaries(st.sampled_from(["name", "preferred_username", "email"]), st.text(max_size=300)))
def test_name_is_never_empty_nor_long_nor_of_two_lines(claims: dict[str, str]) -> None:
    person = _person(claims)

    for text in (person.name, person.display):
        assert 0 < len(text) <= 128
        assert text.splitlines() == [text]


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": "anna@x.example"}, "anna@x.example"),
        ({"email": "anna@x.example", "email_verified": True}, "anna@x.example"),
        ({"email": "anna@x.example", "email_verified": False}, ""),
        ({"email": "anna@x.example", "email_verified": "false"}, ""),
        ({"email": "anna@x.example\r\nBcc: other@y.example"}, ""),
        ({"email": "anna@x.example, other@y.example"}, ""),
        ({"email": "Anna <anna@x.example>"}, ""),
        ({"email": f"anna@{'x' * 300}.example"}, ""),
        ({"email": "anna"}, ""),
        ({"email": ["anna@x.example"]}, ""),
    ],
)
def test_mail_address_is_one_verified_address_or_none(claims: dict[str, Any], email: str) -> None:
    assert _person(claims).email == email
