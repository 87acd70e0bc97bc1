"""In: nothing. Out: the store of the small clinic, pulled once a test, and the trial."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.criteria import Trial
from adapter.documents import load_trial
from adapter.store import Store
from adapter.sync import FolderSource, pull
from tests.support.clinic import clinic, write_feed


@pytest.fixture(scope="session")
def trial() -> Trial:
    """ReLUTH."""
    return load_trial("nct04954820")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The clinic's store, open."""
    feed = write_feed(tmp_path / "feed", clinic())
    with Store.open(tmp_path / "store") as opened:
        pull(opened, FolderSource(feed), site="clinic")
        yield opened
