"""In: any text as the place to go to after signing in. Out: an address of ours, never another host, never a script."""

from __future__ import annotations

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter.service.door.next_path import FIRST_PAGE, door_address, safe_next

HERE = "https://desk.chu.example/sign-in?x=1"
_SIGNS = st.sampled_from([*"/\\:@?#&%.;=-_~aeo09 \t\n\r\x00é＠／", "//", "http:", "javascript:", "%2f", "%5c", ".."])
WANTED = st.one_of(
    st.text(max_size=60),
    st.lists(_SIGNS, max_size=12).map("".join),
    st.lists(_SIGNS, max_size=12).map(lambda s: "/" + "".join(s)),
)


@given(WANTED)
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("https://evil.example/")
@example("javascript:alert(1)")
@example("/%09/evil.example")
@example("/../../..//evil.example")
@example("///evil.example")
@example("/.//evil.example")
@example("\ud800")
def test_next_leads_to_no_other_host_and_runs_nothing(wanted: str) -> None:
    target = safe_next(wanted)
    # As browsers do before they look for a host (WHATWG URL 4.4).
    read = "".join(sign for sign in target if sign not in "\t\r\n").replace("\\", "/")
    reached = urlsplit(urljoin(HERE, read))

    assert target.startswith("/") and not target.startswith("//")
    assert (reached.scheme, reached.netloc) == ("https", "desk.chu.example")
    assert target.isascii() and target.isprintable() and not set(target) & set("\\\"'<> #")


@given(WANTED)
def test_next_taken_once_is_taken_again_the_same(wanted: str) -> None:
    assert safe_next(safe_next(wanted)) == safe_next(wanted)


@given(WANTED)
def test_door_address_carries_what_next_allows_and_nothing_else(wanted: str) -> None:
    query = parse_qs(urlsplit(door_address(wanted, told="ended")).query)

    assert query.get("next", [FIRST_PAGE]) == [safe_next(wanted)]
    assert query["told"] == ["ended"]


@pytest.mark.parametrize(
    "wanted",
    ["/", "/runs", "/patients/2lf9UVsE4EsuPKCLfrE1cA?stage=registration", "/worklist.csv?site=icm&bin=new", "/?page=2"],
)
def test_next_that_is_a_page_of_ours_is_kept(wanted: str) -> None:
    assert safe_next(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "/sign-in",
        "/sign-in?next=/runs",
        "/sign-out",
        "/login?token=x",
        "/oidc/start",
        "/api/worklist",
        "/static/x",
        "",
        "runs",
    ],
)
def test_next_that_is_the_door_or_no_page_is_the_first_page(wanted: str) -> None:
    assert safe_next(wanted) == FIRST_PAGE


def test_next_of_a_hostile_length_is_answered_at_once() -> None:
    assert safe_next("/" + "a" * 1_000_000 + "!") == FIRST_PAGE
    assert safe_next("/" + "a/" * 490 + "!") == FIRST_PAGE
