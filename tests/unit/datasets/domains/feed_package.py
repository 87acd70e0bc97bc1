"""In: the handwritten pseudonymised feed, or another like it. Out: the package of SDTM datasets that is made of it."""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from adapter.datasets.engines.duckdb import run
from adapter.datasets.model import Package
from adapter.datasets.sdtm.loading import load_domains
from adapter.datasets.sdtm.package import build_package, views_needed
from adapter.datasets.staging.staged import StagedSubject
from adapter.documents import load_study, load_trial
from mappings.entities import EventKind, SubjectEvent

from .feed_tables import FEED, shipped_views

__all__ = ["Numbers", "package_of", "record", "records", "told"]


class Numbers:
    """Keeps numbers as the store does, for as long as it lives."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], int] = {}
        self._last: Counter[tuple[str, str]] = Counter()

    def number(self, domain: str, usubjid: str, key: str) -> int:
        """The number of a key."""
        if (domain, usubjid, key) not in self._known:
            self._last[domain, usubjid] += 1
            self._known[domain, usubjid, key] = self._last[domain, usubjid]
        return self._known[domain, usubjid, key]


def _event(kind: EventKind, on: str, **more: Any) -> SubjectEvent:
    return SubjectEvent(kind=kind, on=on, **more)


#: As the feed's ResearchSubjects have it.
SUBJECTS = (
    StagedSubject(
        usubjid="RELUTH-05-0001",
        subjid="05-0001",
        site="local",
        site_code="05",
        arm="experimental",
        sex="male",
        age=64,
        consented_on=date(2024, 1, 10),
        events=(
            _event(EventKind.CONSENTED, "2024-01-10"),
            _event(EventKind.REGISTERED, "2024-01-15"),
            _event(EventKind.CYCLE, "2024-01-20", cycle=1),
            _event(EventKind.CYCLE, "2024-03-16", cycle=2),
            _event(EventKind.RANDOMISED, "2024-04-15", arm="experimental", intervention=True),
            _event(EventKind.CYCLE, "2024-05-11", cycle=3),
            _event(EventKind.VISIT, "2024-06-15", visit=1),
            _event(EventKind.CYCLE, "2024-07-06", cycle=4),
        ),
    ),
    StagedSubject(
        usubjid="RELUTH-05-0002",
        subjid="05-0002",
        site="local",
        site_code="05",
        arm="control",
        sex="female",
        age=58,
        consented_on=date(2024, 2, 1),
        events=(
            _event(EventKind.CONSENTED, "2024-02-01"),
            _event(EventKind.REGISTERED, "2024-02-05"),
            _event(EventKind.CYCLE, "2024-02-10", cycle=1),
            _event(EventKind.CYCLE, "2024-04-06", cycle=2),
            _event(EventKind.RANDOMISED, "2024-05-06", arm="control", intervention=False),
            _event(EventKind.VISIT, "2024-07-05", visit=1),
            _event(EventKind.DIED, "2024-12-03"),
            _event(EventKind.ENDED, "2024-12-03", reason="deceased"),
        ),
        deceased=True,
        died_on=date(2024, 12, 3),
    ),
)


@lru_cache(maxsize=4)
def package_of(feed: Path = FEED) -> Package:
    """The package of a feed of these two subjects."""
    documents = load_domains()
    tables = {}
    for name in views_needed(documents):
        view = shipped_views()[name]
        file = feed / f"{view.resource}.ndjson"
        tables[name] = run(view, [file] if file.exists() else [])
    return build_package(
        tables,
        SimpleNamespace(subjects=SUBJECTS, verdicts=(), files={path.stem: path for path in feed.glob("*.ndjson")}),
        trial=load_trial("nct04954820"),
        study=load_study("nct04954820"),
        sequences=Numbers(),
        documents=documents,
    )


def records(domain: str, key: str | None = None, *, feed: Path = FEED) -> list[dict[str, str]]:
    """Records of a domain as texts, empty cells left out; those of one resource where its key is given."""
    dataset = package_of(feed).dataset(domain)
    names = [variable.name for variable in dataset.variables]
    return [
        {name: str(cell) for name, cell in zip(names, row.cells, strict=True) if cell is not None}
        for row in dataset.rows
        if key is None or row.key.partition("#")[0].rpartition("/")[2] == key
    ]


def record(domain: str, key: str, *, feed: Path = FEED) -> dict[str, str]:
    """The one record of a resource."""
    (found,) = records(domain, key, feed=feed)
    return found


def told(code: str, *, feed: Path = FEED) -> list[tuple[str | None, str | None, str | None]]:
    """Findings of a code: domain, resource, value."""
    return [(one.domain, one.resource, one.value) for one in package_of(feed).findings if one.code == code]
