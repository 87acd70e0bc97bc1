"""In: SMART scopes. Out: proof that they are put into the server's version, and never ask for more than configured."""

from __future__ import annotations

import pytest

from adapter.client.scopes import grants, in_the_servers_words, lacking, to_v1, to_v2

PAIRS = [
    ("system/*.read", "system/*.rs"),
    ("system/Patient.read", "system/Patient.rs"),
    ("system/ResearchSubject.write", "system/ResearchSubject.cud"),
    ("system/*.*", "system/*.cruds"),
    ("user/Observation.read", "user/Observation.rs"),
]
OTHERS = ["openid", "offline_access", "launch/patient", "system/*.sr", "system/*.x", "system/patient.rs", ""]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_scopes_are_translated_both_ways(first: str, second: str) -> None:
    assert (to_v1(second), to_v2(first)) == (first, second)
    assert (to_v1(first), to_v2(second)) == (first, second)


@pytest.mark.parametrize("scope", OTHERS)
def test_scope_of_another_kind_stays(scope: str) -> None:
    assert (to_v1(scope), to_v2(scope)) == (scope, scope)


def test_filter_is_not_dropped_on_the_way_to_version_1() -> None:
    scope = "system/Observation.rs?category=laboratory"

    assert to_v1(scope) == scope


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (["permission-v1", "launch-ehr"], ("system/*.read", "system/Patient.write")),
        (["permission-v2"], ("system/*.rs", "system/Patient.cud")),
        (["permission-v1", "permission-v2"], ("system/*.rs", "system/Patient.write")),
        (["launch-ehr"], ("system/*.rs", "system/Patient.write")),
        ([], ("system/*.rs", "system/Patient.write")),
    ],
)
def test_scopes_change_only_where_the_server_states_one_version(stated: list[str], expected: tuple[str, ...]) -> None:
    assert in_the_servers_words(["system/*.rs", "system/Patient.write"], stated) == expected


def test_scopes_that_fall_together_are_asked_for_once() -> None:
    assert in_the_servers_words(["system/*.r", "system/*.s"], ["permission-v1"]) == ("system/*.read",)


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        (["system/*.rs"], True),
        (["system/*.read"], True),
        (["system/*.*"], True),
        (["system/Patient.cruds"], True),
        (["system/Patient.r", "system/*.s"], True),
        (["system/Patient.r"], False),
        (["system/Observation.rs"], False),
        (["user/*.rs"], False),
        (["patient/*.rs"], False),
        (["system/Patient.rs?active=true"], False),
        (["system/*.write"], False),
        ([], False),
    ],
)
def test_grant_is_what_the_scopes_add_up_to(scopes: list[str], granted: bool) -> None:
    assert grants(scopes, "Patient") is granted


def test_nothing_wanted_is_no_grant() -> None:
    assert not grants(["system/*.rs"], "Patient", letters="")


@pytest.mark.parametrize(
    ("asked", "granted", "expected"),
    [
        (["system/*.rs"], ["system/*.read"], ()),
        (["system/*.rs"], ["system/*.cruds"], ()),
        (["system/Patient.rs"], ["system/*.rs"], ()),
        (["system/Patient.rs?active=true"], ["system/*.rs"], ()),
        (["system/*.rs"], ["system/*.rs?active=true"], ("system/*.rs",)),
        (["system/*.rs"], ["system/Patient.rs"], ("system/*.rs",)),
        (["system/*.rs"], [], ("system/*.rs",)),
        (["openid"], ["openid"], ()),
        (["openid"], ["system/*.rs"], ("openid",)),
    ],
)
def test_what_is_lacking_is_named_as_asked_for(asked: list[str], granted: list[str], expected: tuple[str, ...]) -> None:
    assert lacking(asked, granted) == expected
