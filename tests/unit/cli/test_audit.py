"""Promises of `reluth audit`: one FHIR AuditEvent for each pull and push, oldest first, of a site and from a day on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import time_machine

from adapter.fhir import FhirVersion, problems
from adapter.store import Store
from tests.support.cli import reluth
from tests.support.clinic import clinic, write_feed
from tests.support.feeds import ended_run


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ["[sites.icm]", 'base_url = "https://fhir.example.org/r4"', "[sites.aphp]", 'mode = "bulk"']
    Path("adapter.toml").write_text(
        "\n".join([*settings, 'base_url = "https://fhir.example.com/r4"']), encoding="utf-8"
    )


def runs() -> list[str]:
    """Runs of two sites on three days; their names."""
    asked: dict[str, Any] = {"transaction_time": "2025-06-01T08:00:00Z", "types": {"Patient": {"read": 3}}}
    found = []
    with Store.open(Path("var")) as store:
        for day, (site, kind) in enumerate([("icm", "pull"), ("icm", "screen"), ("aphp", "pull"), ("icm", "push")], 1):
            # Late in the evening in Greenwich it is the next day in Paris.
            with time_machine.travel(f"2025-06-0{day}T22:30:00Z", tick=False):
                found.append(ended_run(store, kind, site=site, **asked))
    return found


def test_every_pull_and_push_is_exported_oldest_first() -> None:
    first, _, second, third = runs()

    ran = reluth("audit")

    assert [one["id"] for one in ran.objects] == [first, second, third]
    assert [problems(one, FhirVersion.R4) for one in ran.objects] == [[], [], []]
    assert "3 runs" in ran.err


def test_events_name_the_server_of_their_site_and_how_it_is_asked() -> None:
    runs()

    found = [(one["agent"][1]["network"]["address"], one["subtype"][0]["code"]) for one in reluth("audit").objects]

    assert found == [
        ("https://fhir.example.org/r4", "search-type"),
        ("https://fhir.example.com/r4", "operation"),
        ("https://fhir.example.org/r4", "transaction"),
    ]


def test_events_of_one_site_are_exported_alone() -> None:
    runs()

    assert {one["source"]["site"] for one in reluth("audit", "--site", "icm").objects} == {"icm"}


@pytest.mark.parametrize(
    ("since", "number"), [("2025-06-02", 3), ("2025-06-03", 2), ("2025-06-05", 1), ("2025-06-06", 0)]
)
def test_events_are_exported_from_a_day_of_paris_on(since: str, number: int) -> None:
    runs()

    assert len(reluth("audit", "--since", since).objects) == number


def test_pull_from_a_folder_is_an_import() -> None:
    write_feed(Path("feed"), clinic())
    reluth("pull", "--from", "feed", "--site", "clinic")

    (found,) = reluth("audit").objects

    assert (found["type"]["code"], found["source"]["site"]) == ("110107", "clinic")


def test_day_that_is_none_is_a_usage_error() -> None:
    runs()

    assert reluth("audit", "--since", "yesterday").code == 2
