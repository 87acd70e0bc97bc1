"""In: a number of simulated patients. Out: patients a second from raw JSON to verdict with evidence, beside reading alone; milliseconds to re-screen one.

The records are those of the simulated centre that hold about 40 resources and more (neuroendocrine patients), and those of everybody. Reading alone is
`PatientRecord.read` of the same bytes in the same run: how many times it the exact evaluation costs can be compared between machines.

    python benchmarks/evaluation.py            # 2,000 patients
    python benchmarks/evaluation.py 500
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import median

from adapter.criteria import Stage, Trial, evaluate
from adapter.documents import load_site, load_trial
from adapter.fhir import PatientRecord, needed_references
from adapter.screening import Asked, screen
from adapter.simulate import simulate
from adapter.store import PatientResources, Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site

DAY = date(2025, 6, 1)
SITE, TRIAL = "bench", "nct04954820"
#: From so many resources on a record counts as a whole one (the issue's "about 40").
WHOLE = 30


def main() -> int:
    """Simulate, pull, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patients", nargs="?", type=int, default=2_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reluth-bench-") as name:
        folder = Path(name)
        simulate(folder / "feed", patients=given.patients, seed=1)
        with Store.open(folder / "store") as store:
            pull(store, FolderSource(folder / "feed"), site=SITE)
            people = list(store.lake.records(SITE))
            references = set().union(*(needed_references(person.resources) for person in people))
            shared = store.lake.shared(SITE, references)
            _print("everybody", people, shared)
            whole = [person for person in people if len(person.resources) >= WHOLE]
            _print(f"records of {WHOLE} resources and more", whole, shared)
            print(f"one changed patient re-screened: {_rescreened(store, whole):.1f} ms (median of 20, store included)")
    return 0


def _print(what: str, people: Sequence[PatientResources], shared: dict[str, bytes]) -> None:
    trial, site = load_trial(TRIAL), load_site(SITE)
    own = {p.patient: {r: shared[r] for r in needed_references(p.resources) if r in shared} for p in people}

    def read(person: PatientResources) -> PatientRecord:
        return PatientRecord.read(person.patient, person.resources, merged=person.merged, shared=own[person.patient])

    def judge(person: PatientResources) -> None:
        evaluate(trial, read(person), site=site, stage=Stage.REGISTRATION, on=DAY)

    judge(people[0])
    reading, evaluating = (_seconds(work, people) for work in (read, judge))
    resources = sum(len(person.resources) for person in people) / len(people)
    print(
        f"{what}: {len(people)} patients, {resources:.0f} resources each; reading {len(people) / reading:,.0f}/s, "
        f"from raw JSON to verdict {len(people) / evaluating:,.0f}/s a core ({evaluating / reading:.1f} x reading)"
    )


def _seconds(work: Callable[[PatientResources], object], people: Sequence[PatientResources]) -> float:
    began = time.process_time()
    for person in people:
        work(person)
    return time.process_time() - began


def _rescreened(store: Store, people: Sequence[PatientResources]) -> float:
    trial, site = load_trial(TRIAL), load_site(SITE)
    return 1_000 * median(_one(store, trial, site, person.patient) for person in people[:20])


def _one(store: Store, trial: Trial, site: Site, patient: str) -> float:
    began = time.perf_counter()
    for _ in screen(store, trial, site, Asked(today=DAY, on=DAY, patients=(patient,))):
        pass
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
