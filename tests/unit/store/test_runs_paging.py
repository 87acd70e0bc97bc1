"""In: runs and what they put aside. Out: pages of runs of some sites; quarantine by reason, the newest first."""

from __future__ import annotations

import time_machine

from adapter.store import Origin, Store


def _runs(store: Store, *sites: str) -> list[str]:
    names = []
    for site in sites:
        with store.begin_run(site, "pull") as run:
            names.append(run.name)
    return names


def test_runs_are_read_a_page_at_a_time_newest_first(store: Store) -> None:
    names = _runs(store, "icm", "icm", "icm", "icm", "icm")
    pages = [[run.name for run in store.runs(limit=2, offset=offset)] for offset in (0, 2, 4, 6)]

    assert [name for page in pages for name in page] == names[::-1]
    assert [len(page) for page in pages] == [2, 2, 1, 0]


def test_runs_are_of_the_sites_that_are_asked_for(store: Store) -> None:
    _runs(store, "icm", "aphp", "chu", "icm")

    assert [run.site for run in store.runs(site=["icm", "chu"])] == ["icm", "chu", "icm"]
    assert [run.site for run in store.runs(site="aphp")] == ["aphp"]
    assert store.runs(site=[]) == []


def test_quarantine_tells_reasons_by_frequency_and_the_newest_items(store: Store) -> None:
    with store.begin_run("icm", "pull") as run:
        for line, reason in enumerate(["is not JSON", "no id", "is not JSON"], 1):
            with time_machine.travel(f"2026-11-2{line}T10:00:00Z", tick=False):
                origin = Origin("Patient.ndjson", line)
                store.quarantine(run, f"{{{line}".encode(), origin=origin, reason=reason)
        store.flush_quarantine(run)

    assert store.quarantine_reasons("icm") == [("is not JSON", 2), ("no id", 1)]
    assert [item.line for item in store.newest_quarantined("icm", limit=2)] == [3, 2]
    assert store.quarantine_reasons("aphp") == []
    assert store.newest_quarantined("aphp", limit=2) == []
