"""In: a number of days. Out: how much a daily screening of some candidates leaves in the state, as text, packed, and thinned.

Every fourteenth day is screened; the days between repeat its verdicts with their own day, which is how most days are.

    python benchmarks/old_verdicts.py            # 1,200 days
    python benchmarks/old_verdicts.py 400
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from adapter.criteria import Stage
from adapter.documents import load_site, load_trial
from adapter.jobs import thin_site
from adapter.screening import Asked, screen
from adapter.simulate import simulate
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull

DAY = date(2025, 6, 1)
SITE, TRIAL = "bench", "nct04954820"
PATIENTS = 300
KEPT_DAYS = 400
EVERY = 14
HEAD = "| days | verdicts made | as text MB | packed MB | verdicts kept | of them MB | last pass s |\n|---|---|---|---|---|---|---|"


def main() -> int:
    """Screen, repeat, thin, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("days", nargs="?", type=int, default=1200)
    given = parser.parse_args()
    print(f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} CPUs\n\n{HEAD}")
    with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name, Store.open(Path(name) / "store") as store:
        simulate(Path(name) / "feed", patients=PATIENTS, seed=1, on=DAY)
        (Path(name) / "feed" / "truth.ndjson").unlink()
        pull(store, FolderSource(Path(name) / "feed"), site=SITE)
        _go_on(store, days=given.days)
    return 0


def _go_on(store: Store, *, days: int) -> None:
    moments = {days * part // 6 for part in range(1, 7)}
    made = text = packed = before = 0
    for day, told in _days(store, days):
        store.save_verdicts(told)
        made += len(told)
        text += sum(len(one.content.encode()) for one in told)
        if day % 30 and day not in moments:
            continue
        packed += store.verdict_sizes()[SITE].bytes - before
        begun = time.perf_counter()
        thin_site(store, SITE, days=KEPT_DAYS, now=told[0].screened_at)
        took = time.perf_counter() - begun
        kept, before = store.verdict_sizes()[SITE]
        if day in moments:
            sizes = f"{text / 1e6:.0f} | {packed / 1e6:.1f} | {kept} | {before / 1e6:.1f}"
            print(f"| {day} | {made} | {sizes} | {took:.2f} |", flush=True)


def _days(store: Store, days: int) -> Iterator[tuple[int, list[StoredVerdict]]]:
    trial, site = load_trial(TRIAL), load_site(SITE)
    contents: dict[str, dict[str, Any]] = {}
    for day in range(1, days + 1):
        on = DAY + timedelta(days=day)
        if day % EVERY == 1:
            found = screen(store, trial, site, Asked(today=on, on=on, save=False))
            contents = {verdict.patient: verdict.to_json() for verdict in found}
        yield (
            day,
            [
                StoredVerdict(
                    site=SITE,
                    patient=patient,
                    trial=TRIAL,
                    stage=Stage.REGISTRATION,
                    on=on,
                    screened_at=datetime(on.year, on.month, on.day, 3, tzinfo=UTC),
                    run="bench",
                    content=msgspec.json.encode(content | {"on": str(on)}).decode(),
                    input_hash="bench",
                )
                for patient, content in contents.items()
            ],
        )


if __name__ == "__main__":
    raise SystemExit(main())
