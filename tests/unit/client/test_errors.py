"""In: OperationOutcomes of every quality. Out: proof that codes are told, and free text never is."""

from __future__ import annotations

import pytest

from adapter.client.errors import issues_of


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
