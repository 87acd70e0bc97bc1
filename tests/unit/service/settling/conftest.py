"""In: a temporary folder. Out: settings of a store in which much waits for a person."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.config import Settings
from tests.support.unsettled import unsettled_store


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a store that is copied and never changed."""
    with unsettled_store(tmp_path_factory.mktemp("unsettled")) as found:
        yield found


@pytest.fixture
def settings(filled: Settings, tmp_path: Path) -> Settings:
    """Settings of a store of one's own: these tests change it."""
    shutil.copytree(filled.store.path, tmp_path / "var")
    return filled.model_copy(update={"store": filled.store.model_copy(update={"path": tmp_path / "var"})})
