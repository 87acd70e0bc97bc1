"""In: a machine without Java. Out: proof that tests of HAPI and of the HL7 validator are skipped, and fail in CI."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.support.fhir_validator import validator
from tests.support.hapi_server import hapi_server

EACH = pytest.mark.parametrize(
    ("start", "sentence"),
    [(hapi_server, "HAPI needs java, which"), (validator, "The HL7 validator needs java, which")],
)


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "java" else f"/usr/bin/{tool}")


@EACH
def test_hapi_without_java_skips_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[], AbstractContextManager[object]], sentence: str
) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match=sentence), start():
        pass


@EACH
def test_hapi_without_java_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, start: Callable[[], AbstractContextManager[object]], sentence: str
) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match=sentence), start():
        pass
