"""Milliseconds of a worklist page with 50,000 candidates through the real app, on SQLite and on PostgreSQL, beside a floor.

The verdicts are those of a simulated centre's candidates, repeated under other ids; a person in a hundred is decided on. A
request in ten is the first page, the others are pages deep in the list, bins, markers, criteria, orders and searches of a number.
The floor is what any page of 50 rows costs: `select 1` and the same template with the same rows. Beside it: how long the rows
take to be made from nothing, and to be brought up to date after one decision. On a machine that does other work besides,
what this process computed itself (SQLite is in it, PostgreSQL is not) tells more than the clock. No test depends on the numbers.

    python benchmarks/worklist.py                       # 50,000 candidates, SQLite and PostgreSQL
    python benchmarks/worklist.py --candidates 5000 --database sqlite
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fastapi.testclient import TestClient
from sqlalchemy import text

from adapter.config import Settings, load_settings
from adapter.criteria import Stage, Trial
from adapter.documents import load_trial
from adapter.screening import Asked, Bin, screen
from adapter.screening.listing import refresh
from adapter.service import create_app
from adapter.service.rendering import page
from adapter.service.worklist import pages
from adapter.simulate import simulate
from adapter.store import Store, StoredVerdict
from adapter.sync import FolderSource, pull
from adapter.terminology import Site
from tests.support.postgres import new_database, running_postgres

SITE, TRIAL, ON = "bench", "nct04954820", date(2025, 6, 1)
WANTED_MS = 300
REQUESTS = 200
_HOME = "http://127.0.0.1:8000"
_STATES = ("contacted", "screening", "eligible", "not-eligible", "declined", "enrolled")


def main() -> int:
    """Make the store, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append")
    given = parser.parse_args()
    print(
        f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}"
    )
    trial = load_trial(TRIAL)
    met = True
    with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        folder = Path(name)
        templates = verdict_templates(folder / "centre", trial)
        write_patients(folder / "feed", given.candidates)
        size = statistics.mean(len(one) for one in templates)
        print(f"{given.candidates} candidates, {size / 1000:.1f} kB a verdict, {REQUESTS} requests\n")
        print(
            "| database | from nothing s | one decision ms | floor p95 ms | p50 ms | p95 ms | worst ms | p95 / floor | own CPU p95 ms |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for database in given.database or ("sqlite", "postgresql"):
            with database_of(database) as url:
                met &= measure(folder / database, folder / "feed", templates, trial=trial, url=url, name=database)
    print(f"\nwanted: p95 below {WANTED_MS} ms: {'met' if met else 'MISSED'}")
    return 0 if met else 1


def verdict_templates(folder: Path, trial: Trial) -> list[str]:
    """The verdicts of a simulated centre's candidates, as JSON."""
    simulate(folder / "feed", patients=400, seed=7, on=ON)
    (folder / "feed" / "truth.ndjson").unlink()
    with Store.open(folder / "var") as store:
        pull(store, FolderSource(folder / "feed"), site=SITE)
        found = screen(store, trial, Site.plain(SITE), Asked(today=ON, on=ON, save=False))
        return [json.dumps(one.to_json()) for one in found if one.candidate]


def write_patients(folder: Path, count: int) -> None:
    """A feed of as many patients, each with a number, and a Condition of some day."""
    folder.mkdir(parents=True)
    with (folder / "Patient.ndjson").open("w") as people, (folder / "Condition.ndjson").open("w") as conditions:
        for number in range(count):
            who: dict[str, Any] = {
                "resourceType": "Patient",
                "id": f"p{number}",
                "birthDate": f"{1930 + number % 60}-05-04",
            }
            who |= {"gender": "female" if number % 2 else "male"}
            who |= {"identifier": [{"system": "urn:oid:1.2.250.1.999.1", "value": f"{80_000_000 + number}"}]}
            people.write(json.dumps(who) + "\n")
            day = ON - timedelta(days=number % 900)
            what = {"resourceType": "Condition", "id": f"c{number}", "subject": {"reference": f"Patient/p{number}"}}
            conditions.write(json.dumps(what | {"recordedDate": str(day)}) + "\n")


@contextmanager
def database_of(name: str) -> Iterator[str | None]:
    """The url of a database of our own, None for SQLite in the store's folder."""
    if name == "sqlite":
        yield None
        return
    with ExitStack() as stack:
        yield stack.enter_context(new_database(stack.enter_context(running_postgres())))


def measure(folder: Path, feed: Path, templates: list[str], *, trial: Trial, url: str | None, name: str) -> bool:
    """Fill a store, ask for pages, print a line; whether they were as fast as wanted."""
    settings = settings_of(folder, url)
    with Store.open(settings.store.path, url) as store:
        pull(store, FolderSource(feed), site=SITE)
        count = sum(1 for _ in store.lake.patients(SITE))
        store.save_verdicts(verdicts(templates, count))
        for number in range(0, count, 100):
            decide(store, number)
        began = time.perf_counter()
        refresh(store, trial, Stage.REGISTRATION, SITE)
        from_nothing = time.perf_counter() - began
        once = []
        for number in range(5):
            decide(store, 1 + 100 * number)
            once.append(timed(lambda: refresh(store, trial, Stage.REGISTRATION, SITE)))
    with TestClient(create_app(settings, token="t", today=lambda: ON), base_url=_HOME) as client:
        client.get("/login?token=t")
        times, floor, busy = ask(client, count)
    p95 = quantile(times, 0.95)
    cells = (
        name,
        f"{from_nothing:.1f}",
        f"{statistics.median(once):.0f}",
        f"{quantile(floor, 0.95):.1f}",
        f"{statistics.median(times):.0f}",
        f"{p95:.0f}",
        f"{max(times):.0f}",
        f"{p95 / quantile(floor, 0.95):.1f}",
        f"{quantile(busy, 0.95):.0f}",
    )
    print(f"| {' | '.join(cells)} |", flush=True)
    return p95 < WANTED_MS


def settings_of(folder: Path, url: str | None) -> Settings:
    """The settings of a store with its state in that database."""
    found = load_settings(None, store=folder / "var")
    return found.model_copy(update={"store": found.store.model_copy(update={"database": url})})


def verdicts(templates: list[str], count: int) -> Iterator[StoredVerdict]:
    """One for each patient, as screening would keep it."""
    at = datetime(2025, 6, 1, 5, tzinfo=UTC)
    contents = [json.loads(one) for one in templates]
    for number in range(count):
        content = {**contents[number % len(contents)], "patient": f"Patient/p{number}", "site": SITE}
        yield StoredVerdict(
            site=SITE,
            patient=f"Patient/p{number}",
            trial=TRIAL,
            stage="registration",
            on=ON,
            screened_at=at,
            run="bench",
            content=json.dumps(content),
            input_hash=f"{number}",
        )


def decide(store: Store, number: int) -> None:
    """Some decision on a patient."""
    state = _STATES[number // 100 % len(_STATES)]
    store.decide(SITE, f"Patient/p{number}", trial=TRIAL, state=state, reason="other", by="bench")


def ask(client: TestClient, count: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of each request, of each floor, and of each request those that this process computed."""
    chance = random.Random(1)
    bins, pages_there = [str(one) for one in Bin], count // 50
    token = form_token(client)

    def one() -> Callable[[], Any]:
        kind = chance.randrange(10)
        address = {
            0: "/",
            1: f"/?page={chance.randint(1, pages_there)}",
            2: f"/?page={pages_there}",
            3: f"/?bin={chance.choice(bins)}",
            4: f"/?bin={chance.choice(bins)}&page={chance.randint(1, 100)}",
            5: f"/?marker={chance.choice(('new', 'proposal', 'deceased'))}",
            6: f"/?criterion={chance.choice(('I11', 'E07', 'E16'))}&page={chance.randint(1, 10)}",
            7: f"/?order={chance.choice(('flips', 'last', 'new'))}&page={chance.randint(1, 10)}",
        }.get(kind)
        if address is not None:
            return lambda: client.get(address)
        sought = {"csrf": token, "text": str(80_000_000 + chance.randrange(count))[: 8 - kind % 2 * 2]}
        return lambda: client.post("/", data=sought)

    values: list[tuple[Any, dict[str, Any]]] = []

    def listen(request: Any, template: str, **given: Any) -> Any:
        values.append((request, given))
        return page(request, template, **given)

    with patch.object(pages, "page", listen):
        client.get("/")
    request, given = values[0]
    desk = request.app.state.desk

    def floor() -> None:
        with desk.store._state.session() as session:
            session.execute(text("select 1"))
        page(request, "worklist.html", **given)

    times, floors, busy = [], [], []
    for _ in range(REQUESTS):
        call, began = checked(one()), time.process_time()
        times.append(timed(call))
        busy.append((time.process_time() - began) * 1000)
        floors.append(timed(floor))
    return times, floors, busy


def form_token(client: TestClient) -> str:
    """The token of the session's forms."""
    return client.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


def checked(call: Callable[[], Any]) -> Callable[[], None]:
    """The same, that fails loudly: a refusal is fast."""

    def run() -> None:
        answer = call()
        assert answer.status_code == 200, answer.status_code

    return run


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def quantile(values: list[float], part: float) -> float:
    """The value that so many are not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


if __name__ == "__main__":
    raise SystemExit(main())
