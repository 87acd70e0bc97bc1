"""In: pytest's folder. Out: an open store; one on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapter.store import Store
from tests.support.postgres import new_database, running_postgres


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store, closed at the end."""
    with Store.open(tmp_path / "var") as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server of a file's own."""
    with running_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new store with its state in each database."""
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            url = stack.enter_context(new_database(request.getfixturevalue("server")))
        yield stack.enter_context(Store.open(tmp_path / "var", url))
