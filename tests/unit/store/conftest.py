"""In: pytest's folder. Out: an open store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store, closed at the end."""
    with Store.open(tmp_path / "var") as opened:
        yield opened
