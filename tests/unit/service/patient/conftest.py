"""In: a temporary folder. Out: a ward of one's own, and a browser in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.support.patient_desk import Ward, served, ward


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Ward]:
    with ward(tmp_path) as found:
        yield found


@pytest.fixture
def client(desk: Ward) -> Iterator[TestClient]:
    with served(desk) as found:
        yield found
