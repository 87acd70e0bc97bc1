"""In: nothing. Out: one simulated centre with enrolled subjects, for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapter.simulate import simulate
from tests.support.followed import Resource, Subjects, read_resources, read_subjects

SEED, PATIENTS, ENROLLED = 7, 70, 45


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-five of seventy patients are enrolled, three more are screen failures."""
    folder = tmp_path_factory.mktemp("enrolled")
    simulate(folder, patients=PATIENTS, seed=SEED, enrolled=ENROLLED)
    return folder


@pytest.fixture(scope="session")
def resources(feed: Path) -> list[Resource]:
    """Every line of the feed."""
    return read_resources(feed)


@pytest.fixture(scope="session")
def subjects(resources: list[Resource]) -> Subjects:
    """The subjects of the trial by number, each with its resource."""
    return read_subjects(resources)
