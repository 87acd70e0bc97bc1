"""In: Synthea's 100 patients, real output that nobody here wrote. Out: pulled and screened without an error, and no candidate."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import reluth

SYNTHEA = Path(__file__).parents[3] / "shared" / "feed" / "synthea-r4"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with Synthea's patients."""
    if not SYNTHEA.is_dir():
        pytest.skip("the Synthea feed lies beside the project (../shared/feed/synthea-r4), and is not there")
    folder = tmp_path_factory.mktemp("synthea") / "store"
    ran = reluth("--store", folder, "pull", "--from", SYNTHEA, "--json")
    assert (ran.code, ran.object["quarantine"]) == (0, [])
    return folder


def test_synthea_screens_without_an_error_and_has_no_candidate(store: Path) -> None:
    ran = reluth("--store", store, "screen", "--all", "--json")

    verdicts = ran.objects
    assert ran.code == 0
    assert len(verdicts) == 100
    assert [verdict["patient"] for verdict in verdicts if verdict["candidate"]] == []


def test_synthea_has_nobody_on_the_list(store: Path) -> None:
    ran = reluth("--store", store, "screen", "--json")

    assert (ran.code, ran.out) == (0, "")
