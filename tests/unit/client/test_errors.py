"""In: OperationOutcomes of every quality. Out: proof that codes are told, and free text never is."""

from __future__ import annotations

import msgspec
import pytest

from adapter.client.errors import Issue, Uncertain, issues_of


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"resourceType":"Bundle"}', b'{"resourceType":"OperationOutcome","issue":7}']
)
def test_what_is_no_outcome_has_no_issues(body: bytes) -> None:
    assert issues_of(body) == ()


def test_free_text_in_place_of_a_code_is_not_told() -> None:
    body = (
        b'{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"Patient Dupont, 1950"},{"code":7}]}'
    )

    assert [str(issue) for issue in issues_of(body)] == ["error/unknown", "unknown/unknown"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("Observation.value", True),
        ("Observation.value[x]", True),
        ("Bundle.entry[12].resource.ofType(Observation).component[0].valueQuantity", True),
        ("Attachment.valueBase64Binary", True),
        ("Observation.value.as(Quantity)", True),
        ("Dupont", False),
        ("Dupont 1950", False),
        ("Patient.name.where(family='Dupont')", False),
        ('Patient.extension("http://h/Dupont").value', False),
        ("Patient.identifier[4711000012345]", False),
        ("Patient/4711", False),
        ("Patient.p4711", False),
        ("Observation.value > 1.1", False),
        ("Observation.component:Dupont.value", False),
        ("Observation.", False),
        ("", False),
    ],
)
def test_path_of_an_element_is_told_and_what_may_hold_content_is_not(path: str, told: bool) -> None:
    issue = {"severity": "error", "code": "value", "expression": [path, 7]}

    (read,) = issues_of(msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]}))

    assert read.expression == ((path,) if told else ())
    assert str(read) == (f"error/value at {path}" if told else "error/value")


def test_name_of_the_resource_within_a_path_is_left_out() -> None:
    body = b'{"resourceType":"OperationOutcome","issue":[{"expression":["Bundle.entry[0].resource/*Basic/9*/.code"]}]}'

    assert issues_of(body)[0].expression == ("Bundle.entry[0].resource.code",)


@pytest.mark.parametrize(
    ("issue", "text"),
    [
        ({"diagnostics": "a", "details": {"text": "b"}}, "a"),
        ({"details": {"text": "b"}}, "b"),
        ({"diagnostics": "", "details": {"text": "b"}}, "b"),
        ({"diagnostics": 7, "details": {"coding": []}}, ""),
        ({"expression": "Observation.value"}, ""),
    ],
)
def test_free_text_is_read_and_never_shown(issue: dict[str, object], text: str) -> None:
    body = msgspec.json.encode({"resourceType": "OperationOutcome", "issue": [issue]})

    (read,) = issues_of(b"\xef\xbb\xbf" + body)

    assert read == Issue("unknown", "unknown", text)
    assert repr(read) == "Issue(severity='unknown', code='unknown', expression=())"


def test_uncertain_says_so_and_may_be_tried_again() -> None:
    error = Uncertain("POST h", "answered 500", status=500, issues=(Issue("error", "exception", "of Dupont"),))

    assert str(error) == "POST h: answered 500 (error/exception); whether it was done is not known"
    assert (error.exit_code, error.retryable, error.status) == (75, True, 500)
