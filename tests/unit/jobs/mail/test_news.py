"""Promises of what a digest counts: what the list, the conflicts and the feeds say, for those who may hear it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.accounts import Permission, Role
from adapter.config import Settings
from adapter.criteria import Stage
from adapter.documents import load_trial
from adapter.jobs.mail import News, gather
from adapter.jobs.mail import news as _news_module
from adapter.jobs.mail.news import granted, tells
from adapter.screening import read_worklist
from adapter.store import Store
from tests.support.certificates import Authority
from tests.support.mailing import DUE
from tests.support.screened import SITE, TRIAL, criterion, save, verdict
from tests.support.unsettled import fill_unsettled

EVERYTHING = frozenset(Permission)


def news_of(store: Store, folder: Path, *, at: datetime = DUE, **site: Any) -> News:
    settings = Settings.model_validate({"store": {"path": folder / "var"}, "sites": {SITE: site}})
    gathered = gather(store, settings, load_trial(TRIAL), site=SITE, now=at)
    return gathered.for_reader(EVERYTHING, seen=None)


def test_news_count_the_list_as_it_is_shown(screened: Store, tmp_path: Path) -> None:
    rows = read_worklist(screened, load_trial(TRIAL), Stage.REGISTRATION, site=SITE)

    found = news_of(screened, tmp_path)

    assert found.bins is not None
    assert {name: number for name, number in found.bins.items() if number} == Counter(str(row.bin) for row in rows)
    assert sum(found.bins.values()) == 7


def test_news_are_the_same_where_the_list_is_being_written(
    screened: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = news_of(screened, tmp_path)
    monkeypatch.setattr(_news_module, "refresh", lambda *_args: False)

    assert news_of(screened, tmp_path) == kept


@pytest.mark.parametrize(
    ("day", "expected"),
    # The verdict of "ready" flips on the 17th, that of "low" on the 18th; the others that flip are decided, or for good.
    [(9, 0), (10, 1), (11, 2), (30, 2)],
)
def test_news_count_verdicts_that_expire_within_seven_days(
    screened: Store, tmp_path: Path, day: int, expected: int
) -> None:
    save(screened, verdict("gone", "ineligible", criterion("E04", "T"), permanent=True, flips_on="2025-06-17"))

    assert news_of(screened, tmp_path, at=datetime(2025, 6, day, 10, tzinfo=UTC)).expiring == expected


def test_news_count_conflicts_entries_and_proposals(screened: Store, tmp_path: Path) -> None:
    fill_unsettled(screened)
    found = news_of(screened, tmp_path)

    assert found.conflicts == len(screened.outbox.conflicts(site=SITE)) > 0
    assert found.aside is not None and found.aside > 0
    assert found.proposals is not None and found.proposals > 0


def test_news_count_types_whose_feed_is_late(screened: Store, tmp_path: Path) -> None:
    address: dict[str, Any] = {"base_url": "http://127.0.0.1:9/fhir", "types": ["Patient", "Observation", "Condition"]}

    assert news_of(screened, tmp_path, **address).stale == 3
    screened.set_bookmark(SITE, "Patient", DUE.isoformat())
    assert news_of(screened, tmp_path, **address).stale == 2
    # A folder feeds it: nothing is late.
    assert news_of(screened, tmp_path).stale == 0


def test_news_count_certificates_that_end_soon_for_who_may_see_runs(screened: Store, tmp_path: Path) -> None:
    short, long = Authority(tmp_path / "short", days=3), Authority(tmp_path / "long", days=90)
    address: dict[str, Any] = {"base_url": "https://127.0.0.1:9/fhir"}
    now = datetime.now(UTC)

    assert news_of(screened, tmp_path, at=now, ca_file=short.file, **address).certificates == 1
    assert news_of(screened, tmp_path, at=now, ca_file=long.file, **address).certificates == 0
    told = Settings.model_validate({"store": {"path": tmp_path / "var"}, "sites": {SITE: {"ca_file": short.file}}})
    gathered = gather(screened, told, load_trial(TRIAL), site=SITE, now=now)
    # A folder feeds it: it hangs on none.
    assert gathered.for_reader(granted([Role.IT]), seen=None).certificates == 0
    assert gathered.for_reader(granted([Role.SPONSOR]), seen=None).certificates is None


def test_news_for_it_hold_nothing_of_the_list(screened: Store, tmp_path: Path) -> None:
    settings = Settings.model_validate({"store": {"path": tmp_path / "var"}, "sites": {SITE: {}}})
    gathered = gather(screened, settings, load_trial(TRIAL), site=SITE, now=DUE)

    found = gathered.for_reader(granted([Role.IT]), seen=None)

    assert (found.bins, found.fresh, found.expiring, found.proposals, found.conflicts, found.aside) == (None,) * 6
    assert (found.stale, found.to_review) == (0, 0)


@pytest.mark.parametrize(("role", "expected"), [(role, role is not Role.SPONSOR) for role in Role])
def test_digest_tells_something_to_all_roles_but_the_sponsor(role: Role, expected: bool) -> None:
    assert tells(granted([role])) is expected
