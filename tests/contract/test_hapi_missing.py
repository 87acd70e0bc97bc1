"""In: a machine without Java. Out: proof that tests of HAPI are skipped there with a sentence, and fail in CI."""

from __future__ import annotations

import shutil

import pytest

from tests.support import hapi_server


@pytest.fixture(autouse=True)
def no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "java" else f"/usr/bin/{tool}")


def test_hapi_without_java_skips_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="HAPI needs java, which"), hapi_server.hapi_server():
        pass


def test_hapi_without_java_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="HAPI needs java, which"), hapi_server.hapi_server():
        pass
