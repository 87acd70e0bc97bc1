"""In: pytest's folder. Out: a store of screened patients, with the settings of its mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.screened import fill_store


@pytest.fixture
def screened(tmp_path: Path) -> Iterator[Store]:
    """A store with one patient in each place of the worklist, closed at the end."""
    with Store.open(tmp_path / "var") as store:
        fill_store(store, tmp_path / "feed")
        yield store
