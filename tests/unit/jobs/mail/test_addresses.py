"""Promises of addresses: nothing but one address comes through, and an error never repeats what was given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.jobs.mail.addresses import plain_address, recipient_hash, sender_address

SMUGGLING = [
    "",
    "anna",
    "anna@",
    "@example.org",
    "anna@example.org\r\nBcc: eve@example.org",
    "anna@example.org\nBcc: eve@example.org",
    "anna@example.org\r",
    "anna@example.org ",
    " anna@example.org",
    "anna@example.org,eve@example.org",
    "anna@example.org>\r\nRCPT TO:<eve@example.org",
    "Anna <anna@example.org>",
    '"anna\r\n"@example.org',
    "anna@example..org",
    "anna@-example.org",
    "anna@[127.0.0.1]",
    "anna.@example.org",
    "änna@example.org",
    "anna@exämple.org",
    "anna\x00@example.org",
    "anna\u2028@example.org",
    f"{'a' * 65}@example.org",
    f"anna@{'a' * 64}.org",
    f"anna@{'.'.join(['a' * 60] * 5)}",
]


@pytest.mark.parametrize("text", SMUGGLING)
def test_plain_address_refuses_all_but_one_plain_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"name@example\.org") as raised:
        plain_address(text)

    assert "eve" not in str(raised.value)


@pytest.mark.parametrize("text", ["anna@example.org", "a.b+c@x", "o'neil@sub.example.org", "a@127-0-0-1.example"])
def test_plain_address_takes_what_people_have(text: str) -> None:
    assert plain_address(text) == text


@given(st.text())
def test_plain_address_lets_no_control_and_no_separator_through(text: str) -> None:
    try:
        found = plain_address(f"{text}@example.org")
    except ValueError:
        return

    assert found.isascii()
    assert found.isprintable()
    assert set(found).isdisjoint(' <>,;:"()[]\\')


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("reluth@example.org", "", "reluth@example.org"),
        ("ReLUTH <reluth@example.org>", "ReLUTH", "reluth@example.org"),
        ("Présélection ReLUTH <reluth@example.org>", "Présélection ReLUTH", "reluth@example.org"),
    ],
)
def test_sender_address_takes_a_name_before_it(text: str, name: str, address: str) -> None:
    found = sender_address(text)

    assert (found.display_name, found.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ReLUTH",
        "ReLUTH <reluth@example.org>\r\nBcc: eve@example.org",
        "ReLUTH\r\nBcc: eve@example.org <reluth@example.org>",
        "a@example.org, b@example.org",
        "ReLUTH <reluth@example.org> more",
    ],
)
def test_sender_address_refuses_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"address") as raised:
        sender_address(text)

    assert "eve" not in str(raised.value)


def test_recipient_hash_is_one_for_one_person_and_tells_nobody_who() -> None:
    assert recipient_hash("Anna@Example.org") == recipient_hash("anna@example.ORG")
    assert recipient_hash("anna@example.org") != recipient_hash("anne@example.org")
    assert len(recipient_hash("anna@example.org")) == 64
