"""In: manifests of every edition, and what is none. Out: proof that no file of one is overlooked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapter.client.manifest import ExportFile, Manifest, parse_manifest

TIME = "2025-06-01T10:00:00.000+00:00"


def body(**parts: Any) -> bytes:
    return msgspec.json.encode({"transactionTime": TIME, "requiresAccessToken": True, "output": [], **parts})


def test_manifest_of_stu2_is_read_whole() -> None:
    manifest = parse_manifest(
        body(
            request="https://h/r4/$export?_type=Patient",
            output=[
                {"type": "Patient", "url": "https://h/1", "count": 3, "extension": {"x": 1}},
                {"type": "Patient", "url": "https://h/2"},
            ],
            deleted=[{"type": "Bundle", "url": "https://h/3", "count": 1}],
            error=[{"type": "OperationOutcome", "url": "https://h/4"}],
            extension={"https://h/x": 1},
        )
    )

    assert manifest == Manifest(
        TIME,
        True,
        (
            ExportFile("https://h/1", "output", "Patient", 3),
            ExportFile("https://h/2", "output", "Patient"),
            ExportFile("https://h/3", "deleted", None, 1),
            ExportFile("https://h/4", "error"),
        ),
    )


def test_page_of_stu3_tells_where_it_goes_on() -> None:
    links = [{"relation": "self", "url": "https://h/a"}, {"relation": "next", "url": "https://h/b"}]

    manifest = parse_manifest(body(outputOrganizedBy="Patient", output=[{"url": "https://h/1"}], link=links))

    assert manifest.next == "https://h/b"
    assert manifest.files == (ExportFile("https://h/1", "output"),)


def test_outcome_of_the_ballot_is_the_error_of_old() -> None:
    manifest = parse_manifest(body(outcome=[{"url": "https://h/1"}], extension=[{"url": "x"}]))

    assert manifest.files == (ExportFile("https://h/1", "error"),)


@pytest.mark.parametrize(("told", "needed"), [(False, False), (True, True), (None, True), ("false", True)])
def test_token_is_needed_unless_the_manifest_says_no(told: object, needed: bool) -> None:
    assert parse_manifest(body(requiresAccessToken=told)).requires_access_token is needed


def test_token_is_needed_where_nothing_is_said() -> None:
    assert parse_manifest(b'{"transactionTime":"2025-06-01T10:00:00Z"}') == Manifest("2025-06-01T10:00:00Z", True, ())


def test_file_listed_twice_is_one() -> None:
    twice = [{"url": "https://h/1", "type": "Patient", "count": 2}, {"url": "https://h/2"}, {"url": "https://h/1"}]

    assert [file.url for file in parse_manifest(body(output=twice)).files] == ["https://h/1", "https://h/2"]
    assert parse_manifest(body(output=twice)).files[0].count == 2


@pytest.mark.parametrize(("count", "read"), [(0, 0), (17, 17), ("17", 17), (None, None)])
def test_count_is_a_number_or_not_told(count: object, read: int | None) -> None:
    assert parse_manifest(body(output=[{"url": "https://h/1", "count": count}])).files[0].count == read


def test_manifest_with_a_byte_order_mark_is_read() -> None:
    assert parse_manifest(b"\xef\xbb\xbf" + body()).transaction_time == TIME


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not whole JSON"),
        (body()[:-1], "not whole JSON"),
        (b'{"transactionTime":"\xff"}', "not whole JSON"),
        (b"[]", "not a manifest"),
        (b"{}", "not a manifest"),
        (b'{"resourceType":"OperationOutcome","issue":[]}', "not a manifest"),
        (body(transactionTime=7), "not a manifest"),
        (body(transactionTime="yesterday"), "no instant"),
        (body(transactionTime="2025-06-01"), "no instant"),
        (body(transactionTime="2025-06-01T10:00:00"), "no instant"),
        (body(output={"url": "https://h/1"}), "not a manifest"),
        (body(output=["https://h/1"]), "not a manifest"),
        (body(output=[{"type": "Patient"}]), "not a manifest"),
        (body(output=[{"url": ""}]), "no url"),
        (body(deleted=[{"url": 7}]), "not a manifest"),
        (body(output=[{"url": "https://h/1", "count": -1}]), "no number"),
        (body(output=[{"url": "https://h/1", "count": True}]), "no number"),
        (body(output=[{"url": "https://h/1", "count": 1.5}]), "no number"),
        (body(output=[{"url": "https://h/1", "count": "many"}]), "no number"),
        (body(link=[{"relation": "next"}]), "does not tell"),
        (body(link=[{"relation": "next", "url": 7}]), "does not tell"),
        (body(link={"relation": "next", "url": "https://h/2"}), "not a manifest"),
    ],
)
def test_what_might_hide_a_file_is_refused(content: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_manifest(content)
