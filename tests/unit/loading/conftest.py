"""In: pytest's folder. Out: an open store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.store import Store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it: making one takes five times as long as copying it, and there are hundreds of tests."""
    folder = tmp_path_factory.mktemp("empty") / "var"
    Store.open(folder).close()
    return folder


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Iterator[Store]:
    """A new store, closed at the end."""
    shutil.copytree(empty_store, tmp_path / "var")
    with Store.open(tmp_path / "var") as opened:
        yield opened
