"""In: bodies of searches. Out: proof that resources come out byte for byte, and the rest is understood or refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.client.search import SearchEntry, next_url, parse_searchset, utc_instant

AWKWARD = [
    b'{"resourceType":"Observation","id":"1","valueQuantity":{"value":1.10}}',
    b'{ "resourceType" : "Observation",\n\t"id" : "2", "x":1.0E+2, "y":100000000000000000000.10 }',
    b'{"id":"3","note":[{"text":"caf\\u00e9 \\ud83d\\ude00 caf\xc3\xa9 \\/ \\" }]}"}],"resourceType":"Observation"}',
    b'{"resourceType":"Observation","id":"4","id":"5","empty":{},"none":null,"list":[]}',
]


def bundle(*entries: bytes, rest: bytes = b"") -> bytes:
    return b'{"resourceType":"Bundle","type":"searchset"%b,"entry":[%b]}' % (rest, b" ,\n".join(entries))


def entry(raw: bytes, mode: bytes = b"match") -> bytes:
    return b'{"fullUrl":"http://h/Observation/1", "resource": %b ,"search":{"mode":"%b"}}' % (raw, mode)


def test_resources_are_exact_slices_of_the_body() -> None:
    found = parse_searchset(bundle(*map(entry, AWKWARD)), resource_type="Observation")

    assert [item.raw for item in found.entries] == AWKWARD


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ),
    st.sampled_from(["", " ", "\n\t "]),
)
def test_any_resource_is_an_exact_slice_of_the_body(value: object, blank: str) -> None:
    raw = msgspec.json.format(msgspec.json.encode({"resourceType": "Basic", "x": value}), indent=2 if blank else 0)
    body = bundle(b'{"resource":' + blank.encode() + raw + blank.encode() + b"}")

    assert [item.raw for item in parse_searchset(body, resource_type="Basic").entries] == [raw]


def test_half_a_surrogate_spoils_no_other_resource_and_no_byte() -> None:
    halves = [
        b'{"resourceType":"Observation","id":"6","note":[{"text":"cut \\ud83d"}]}',
        b'{"resourceType":"Observation","id":"7","note":[{"text":"\\uDE00\\uD83D, \\\\ud83d and \\ud83d\\ude00"}]}',
    ]

    found = parse_searchset(
        bundle(*map(entry, [AWKWARD[2], *halves, *AWKWARD, halves[0]])), resource_type="Observation"
    )

    assert [item.raw for item in found.entries] == [AWKWARD[2], *halves, *AWKWARD, halves[0]]


@pytest.mark.parametrize("end", [b"", b"}", b"\\ud83d"])
def test_body_that_is_cut_is_no_json_beside_half_a_surrogate(end: bytes) -> None:
    body = bundle(entry(b'{"resourceType":"Observation","id":"6","note":"\\ud83d"}'))[:-2] + end

    with pytest.raises(msgspec.DecodeError):
        parse_searchset(body, resource_type="Observation")


def test_body_that_is_nested_beyond_all_measure_is_no_bundle() -> None:
    body = bundle(entry(b'{"resourceType":"Observation","id":"6","x":' + b"[" * 9000 + b"]" * 9000 + b"}"))

    with pytest.raises(ValueError, match="nested too deep"):
        parse_searchset(body, resource_type="Observation")


def test_modes_are_told_apart() -> None:
    body = bundle(entry(AWKWARD[0]), entry(AWKWARD[1], b"include"), b'{"resource":%b}' % AWKWARD[2])

    found = parse_searchset(body, resource_type="Observation")

    assert found.entries == (
        SearchEntry(AWKWARD[0], "match"),
        SearchEntry(AWKWARD[1], "include"),
        SearchEntry(AWKWARD[2], "match"),
    )


@pytest.mark.parametrize("mode", [b"outcome", b"match"])
def test_outcomes_are_issues_and_not_resources(mode: bytes) -> None:
    outcome = (
        b'{"resourceType":"OperationOutcome","issue":['
        b'{"severity":"warning","code":"not-supported","diagnostics":"Dupont"},{"severity":"error","code":"incomplete"}]}'
    )

    found = parse_searchset(bundle(entry(AWKWARD[0]), entry(outcome, mode)), resource_type="Observation")

    assert [item.raw for item in found.entries] == [AWKWARD[0]]
    assert [(str(issue), issue.is_error) for issue in found.issues] == [
        ("warning/not-supported", False),
        ("error/incomplete", True),
    ]
    assert "Dupont" not in repr(found)
    assert found.issues[0].diagnostics == "Dupont"


def test_outcomes_that_are_searched_for_are_resources() -> None:
    raw = b'{"resourceType":"OperationOutcome","id":"1","issue":[]}'

    assert parse_searchset(bundle(entry(raw)), resource_type="OperationOutcome").entries == (SearchEntry(raw),)


def test_entries_that_are_no_objects_are_left_to_the_caller() -> None:
    found = parse_searchset(bundle(entry(b"7"), entry(b'"text"')), resource_type="Observation")

    assert [item.raw for item in found.entries] == [b"7", b'"text"']


def test_entry_without_a_resource_is_a_match_that_may_be_missing() -> None:
    withheld = [b'{"fullUrl":"x"}', b'{"search":{"mode":"match"}}', b'{"search":{"mode":"outcome"}}']

    found = parse_searchset(bundle(entry(AWKWARD[0]), *withheld), resource_type="Observation")

    assert [item.raw for item in found.entries] == [AWKWARD[0]]
    assert [(str(issue), issue.is_error) for issue in found.issues] == [("error/incomplete", True)] * 2


def test_bad_bytes_in_one_resource_do_not_cost_its_neighbours() -> None:
    latin = b'{"resourceType":"Observation","id":"1","text":"caf\xe9"}'

    found = parse_searchset(bundle(entry(AWKWARD[0]), entry(latin), entry(AWKWARD[1])), resource_type="Observation")

    assert [item.raw for item in found.entries] == [AWKWARD[0], latin, AWKWARD[1]]


def test_time_total_and_next_link_are_read() -> None:
    rest = (
        b',"meta":{"lastUpdated":"2025-06-01T10:00:00Z"},"total":3,'
        b'"link":[{"relation":"self","url":"a"},{"relation":"next","url":"b"}]'
    )

    found = parse_searchset(bundle(rest=rest), resource_type="Observation")

    assert (found.last_updated, found.total, found.next_link) == ("2025-06-01T10:00:00Z", 3, "b")


@pytest.mark.parametrize(
    "rest", [b"", b',"total":"3","meta":{"lastUpdated":7},"link":[{"relation":"next"}]', b',"link":null,"meta":null']
)
def test_what_is_missing_or_odd_is_none(rest: bytes) -> None:
    found = parse_searchset(bundle(rest=rest), resource_type="Observation")

    assert (found.last_updated, found.total, found.next_link, found.entries) == (None, None, None, ())


def test_byte_order_mark_is_skipped() -> None:
    found = parse_searchset(b"\xef\xbb\xbf" + bundle(entry(AWKWARD[0])), resource_type="Observation")

    assert found.entries == (SearchEntry(AWKWARD[0]),)


@pytest.mark.parametrize("length", [0, 1, 40, 100, -1, -2])
def test_body_that_is_cut_off_is_noticed(length: int) -> None:
    body = bundle(*map(entry, AWKWARD))

    with pytest.raises(msgspec.DecodeError):
        parse_searchset(body[:length], resource_type="Observation")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'"Bundle"',
        b'{"resourceType":"OperationOutcome","issue":[]}',
        b'{"resourceType":"Bundle","type":"history","entry":[]}',
        b'{"resourceType":"Bundle","type":"searchset","entry":{}}',
    ],
)
def test_body_that_is_no_searchset_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_searchset(body, resource_type="Observation")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://other.example.org/x?page=2", "https://other.example.org/x?page=2"),
        ("/r4/Patient?page=2", "https://h/r4/Patient?page=2"),
        ("Patient?page=2", "https://h/r4/Patient?page=2"),
        ("?_getpages=1", "https://h/r4/Patient?_getpages=1"),
        ("//evil.example.org/r4", "https://evil.example.org/r4"),
    ],
)
def test_next_link_is_resolved_against_the_base(link: str, expected: str) -> None:
    assert next_url(link, page="https://h/r4/Patient?_count=5", root="https://h/r4") == expected


@pytest.mark.parametrize("header", [None, "", "yesterday"])
def test_unreadable_date_header_is_none(header: str | None) -> None:
    assert utc_instant(header) is None
