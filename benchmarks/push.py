"""In: how many subjects, how many months of laboratory results, how often. Out: resources a second of load and push into HAPI R4, beside a bare loop that posts the same Bundles.

Every run has a HAPI of its own, fresh, with the same Patients, warmed up by the push of some other subjects. The bare loop posts,
byte for byte, the transactions that the first push sent. Push and loop take turns in who goes first; the ratio is that of the
medians. No test depends on the numbers.

    python benchmarks/push.py                                  # 146 subjects, 12 months, three times: half an hour
    python benchmarks/push.py --subjects 20 --months 3 --times 1
    python benchmarks/push.py --profile                        # once, and where our own side spends its time
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adapter.client import SiteAddress, SiteClient
from adapter.fhir import FhirVersion
from adapter.loading import Content, Target, load
from adapter.store import Store
from adapter.sync import Pusher
from mappings.entities import Entity
from tests.support.enrolled import Enrolment, enrolled
from tests.support.hapi_server import hapi_server

SITE = "bench"
TRIAL = "nct04954820"
WANTED = 0.8
WARM_SUBJECTS = 12
WARM_MONTHS = 3
PATIENTS_AT_ONCE = 200
HEADERS = {"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
TOP = 25


@dataclass(frozen=True)
class Measure:
    """One run: wall seconds of the whole and of the sending alone, CPU seconds of our process, entries written."""

    wall: float
    sending: float
    cpu: float
    written: int

    @property
    def rate(self) -> float:
        """Resources a second."""
        return self.written / self.wall


def main() -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=146)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="one push, and its top costs on stderr")
    given = parser.parse_args()
    enrolment = enrolled(given.subjects, months=given.months)
    kinds = f"{len(enrolment.subjects)} subjects, {len(enrolment.labs)} results, {len(enrolment.infusions)} infusions"
    about = f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}"
    print(f"{datetime.now(UTC).date()}, {about}\n{kinds}\n", flush=True)
    if given.profile:
        profiled(enrolment)
        return 0
    pushes, loops = measured(enrolment, given.times)
    push, loop = (statistics.median(one.rate for one in runs) for runs in (pushes, loops))
    alone = statistics.median(one.written / one.sending for one in pushes)
    cpu = statistics.median(one.cpu / one.wall for one in pushes)
    print(
        f"\npush: {push:.0f} resources/s, bare loop: {loop:.0f} resources/s, ratio {push / loop:.2f} (wanted {WANTED})"
        f"\npush without the load: {alone:.0f} resources/s, ratio {alone / loop:.2f};"
        f" our process works {cpu:.0%} of the time"
    )
    return 0


def measured(enrolment: Enrolment, times: int) -> tuple[list[Measure], list[Measure]]:
    """Push and loop in turns; each line as soon as it is known."""
    bodies: list[bytes] = []
    pushes: list[Measure] = []
    loops: list[Measure] = []
    print(HEAD, flush=True)
    for turn in range(times):
        # The first push is what the loop repeats; after that the two take turns.
        for what in ("push", "loop") if turn % 2 == 0 else ("loop", "push"):
            if what == "push":
                sent: list[bytes] = []
                found = pushed(enrolment, sent)
                pushes.append(found)
                bodies = bodies or sent
            else:
                found = looped(enrolment, bodies)
                loops.append(found)
            row = (f"{found.written:,}", f"{found.wall:.1f}", f"{found.sending:.1f}", f"{found.cpu:.1f}")
            print(f"| {what} | {' | '.join(row)} | {found.rate:.0f} |", flush=True)
    return pushes, loops


HEAD = """\
| run | resources | seconds | of these sending | CPU seconds of ours | resources/s |
|---|---|---|---|---|---|"""


def pushed(enrolment: Enrolment, sent: list[bytes]) -> Measure:
    """Load and push into a new store and a new server; ``sent`` receives the transactions."""
    with fresh(enrolment) as base_url, tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        recorder = Recorder(sent)
        files = {kind: written_out(of_kind) for kind, of_kind in kinds_of(enrolment)}
        wall, cpu = time.perf_counter(), time.process_time()
        with Store.open(Path(name) / "store") as store, SiteClient(SiteAddress(base_url), via=recorder) as client:
            load_all(store, files)
            began = time.perf_counter()
            push_all(store, client, enrolment)
            ended = time.perf_counter()
        return Measure(ended - wall, ended - began, time.process_time() - cpu, sum(map(entries_in, sent)))


def looped(enrolment: Enrolment, bodies: Sequence[bytes]) -> Measure:
    """Post the Bundles one after the other into a new server."""
    with fresh(enrolment) as base_url, httpx.Client(timeout=300, trust_env=False, headers=HEADERS) as http:
        wall, cpu = time.perf_counter(), time.process_time()
        for body in bodies:
            http.post(base_url, content=body).raise_for_status()
        ended = time.perf_counter()
        return Measure(ended - wall, ended - wall, time.process_time() - cpu, sum(map(entries_in, bodies)))


def profiled(enrolment: Enrolment) -> None:
    """One load and push under the profiler."""
    with fresh(enrolment) as base_url, tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        files = {kind: written_out(of_kind) for kind, of_kind in kinds_of(enrolment)}
        with Store.open(Path(name) / "store") as store, SiteClient(SiteAddress(base_url)) as client:
            for what, work in (
                ("load", lambda: load_all(store, files)),
                ("push", lambda: push_all(store, client, enrolment)),
                ("push again", lambda: push_all(store, client, enrolment)),
            ):
                profile(what, work)


def profile(what: str, work: Callable[[], None]) -> None:
    profiler = cProfile.Profile()
    began = time.perf_counter()
    profiler.runcall(work)
    print(f"{what}: {time.perf_counter() - began:.1f} s", flush=True)
    for order in ("tottime", "cumulative"):
        pstats.Stats(profiler, stream=sys.stderr).sort_stats(order).print_stats(TOP)


# --------------------------------------------------------------------------------------------------------------------


class Recorder(httpx.HTTPTransport):
    """Keeps the bodies of the transactions that go through it."""

    def __init__(self, sent: list[bytes]) -> None:
        super().__init__()
        self.sent = sent

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and not request.url.path.endswith("/_search"):
            self.sent.append(request.read())
        return super().handle_request(request)


@contextmanager
def fresh(enrolment: Enrolment) -> Iterator[str]:
    """A HAPI of its own with the Patients, warmed up: a server's first transactions are several times slower."""
    warm = enrolled(WARM_SUBJECTS, name="warm", months=WARM_MONTHS)
    with hapi_server("r4") as base_url, tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        for of_whom in (warm, enrolment):
            put_patients(base_url, of_whom)
        with Store.open(Path(name) / "store") as store, SiteClient(SiteAddress(base_url)) as client:
            store.entities.put_all(SITE, warm.entities, source="warm-up", by="bench")
            push_all(store, client, warm)
        yield base_url


def put_patients(base_url: str, enrolment: Enrolment) -> None:
    requests = [
        {"resource": one, "request": {"method": "PUT", "url": f"Patient/{one['id']}"}} for one in enrolment.patients
    ]
    with httpx.Client(timeout=300, trust_env=False, headers=HEADERS) as http:
        for start in range(0, len(requests), PATIENTS_AT_ONCE):
            part = requests[start : start + PATIENTS_AT_ONCE]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": part}
            http.post(base_url, content=msgspec.json.encode(bundle)).raise_for_status()


def kinds_of(enrolment: Enrolment) -> list[tuple[str, Sequence[Entity]]]:
    """In the order in which they are loaded."""
    return [
        ("study", [enrolment.study]),
        ("subjects", enrolment.subjects),
        ("labs", enrolment.labs),
        ("infusions", enrolment.infusions),
    ]


def written_out(entities: Sequence[Entity]) -> bytes:
    """The file that they are loaded from."""
    return msgspec.json.Encoder(decimal_format="number").encode_lines(entities)


def load_all(store: Store, files: dict[str, bytes]) -> None:
    for kind, data in files.items():
        content = Content(kind, data, f"{kind}.ndjson")
        report = load(store, content, target=Target(SITE, TRIAL), by="bench")
        assert not report.refused, report.refused[0]


def push_all(store: Store, client: SiteClient, enrolment: Enrolment) -> None:
    pusher = Pusher(
        store,
        client,
        site=SITE,
        trials={enrolment.study.id: enrolment.study},
        software="reluth bench",
        now=lambda: datetime.now(UTC),
    )
    summary = pusher.push(version=FhirVersion.R4)
    assert summary.complete, summary.as_object()


def entries_in(body: bytes) -> int:
    """Entries of a transaction, Provenances included."""
    return len(msgspec.json.decode(body, type=_Bundle).entry)


class _Bundle(msgspec.Struct):
    entry: list[msgspec.Raw]


if __name__ == "__main__":
    sys.exit(main())
