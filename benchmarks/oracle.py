"""In: a number of simulated patients. Out: our answers beside those of an independent CQL engine: how many agree, and why the others do not.

Translates our CQL (`adapter.criteria.exchange`) with @cqframework/cql, runs it with cql-execution on the records that our engine reads, byte for
byte, and compares every criterion and part that compares a measurement, an age or a sex. Exit code 1 where a difference has no known cause.

    python benchmarks/oracle.py                 # 2,000 patients, seed 1
    python benchmarks/oracle.py 500 --seed 7
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import msgspec
from oracle_causes import Answers, Causes, Patient
from oracle_toolchain import Toolchain, ToolchainError, toolchain

from adapter.criteria import Trial, Truth
from adapter.criteria.exchange.cql import cql_answers, cql_library, cql_unsaid
from adapter.documents import code_system_names, load_site, load_trial, trials
from adapter.fhir import PARIS, PatientRecord, needed_references
from adapter.simulate import simulate
from adapter.store import PatientResources, Store
from adapter.sync import FolderSource, pull
from adapter.terminology import Site

SITE = "oracle"
DAY = date(2025, 6, 1)
SHOWN = 20


@dataclass
class Comparison:
    """What was compared so far."""

    agree: int = 0
    decided: int = 0
    known: Counter[str] = field(default_factory=Counter)
    places: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    by_answer: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def answers(self) -> int:
        return self.agree + sum(self.known.values()) + len(self.unexplained)


@dataclass(frozen=True)
class Centre:
    """Simulated persons, the same bytes for both engines."""

    folder: Path
    people: Sequence[PatientResources]
    shared: Mapping[str, bytes]
    site: Site


def main() -> int:
    """Compare, print, and say by the exit code whether everything is explained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patients", nargs="?", type=int, default=2_000, help="number of simulated patients")
    parser.add_argument("--seed", type=int, default=1, help="seed of the simulated centre")
    parser.add_argument("--trial", action="append", choices=trials(), help="only this trial; all by default")
    given = parser.parse_args()
    try:
        tools = toolchain()
        with tempfile.TemporaryDirectory(prefix="reluth-oracle-") as name:
            centre = _centre(Path(name), patients=given.patients, seed=given.seed)
            print(f"{datetime.now(UTC).date()}, {len(centre.people)} simulated patients, seed {given.seed}, on {DAY}")
            compared = [_compare(centre, tools, load_trial(trial)) for trial in given.trial or trials()]
    except ToolchainError as problem:
        print(f"oracle: {problem}", file=sys.stderr)
        return 1
    agree, answers = sum(item.agree for item in compared), sum(item.answers for item in compared)
    known = sum(item.known.total() for item in compared)
    unexplained = sum(len(item.unexplained) for item in compared)
    print(f"\noracle: {agree}/{answers} answers agree, {known} known differences, {unexplained} unexplained")
    return 1 if unexplained else 0


def _compare(centre: Centre, tools: Toolchain, whole: Trial) -> Comparison:
    """One trial: both engines' answers, their speed, and the differences."""
    trial = _measured(whole)
    records = _records(trial, centre)
    theirs, measured = _theirs(centre, tools, whole, trial)
    asked = _seconds(patient.asked for patient in records.values())
    verdicts = _seconds(patient.answers for patient in records.values())
    whole_way = _seconds(partial(_from_json, trial, person, centre) for person in centre.people)
    count, cql = len(centre.people), measured["evaluation"]
    print(
        f"\n{trial.id}: {', '.join(cql_answers(trial))}\n"
        f"CPU time, loaded patients: cql-execution {count / cql:.0f} a second; "
        f"our engine on the same criteria, with reasons and evidence, {count / asked:.0f} ({cql / asked:.1f} times); "
        f"whole verdicts of them, with the days on which they change and what to order, {count / verdicts:.0f} ({cql / verdicts:.1f} times), "
        f"from JSON {count / whole_way:.0f} ({cql / whole_way:.1f} times)"
    )
    compared, unsaid = Comparison(), cql_unsaid(trial)
    for name, patient in sorted(records.items()):
        _one(name, patient, theirs[name], unsaid, compared)
    _print(compared)
    return compared


def _from_json(trial: Trial, person: PatientResources, centre: Centre) -> Answers:
    return _read(trial, person, centre).answers()


def _seconds(work: Iterable[Callable[[], object]]) -> float:
    began = time.process_time()
    for one in work:
        one()
    return time.process_time() - began


def _measured(trial: Trial) -> Trial:
    """The trial with the criteria only that the oracle can answer."""
    answered = {identity.partition(".")[0] for identity in cql_answers(trial)}
    return replace(trial, criteria=tuple(item for item in trial.criteria if item.id in answered))


def _centre(folder: Path, *, patients: int, seed: int) -> Centre:
    """The simulated persons as the store hands them out: current versions, merged identities together."""
    simulate(folder / "feed", patients=patients, seed=seed, on=DAY)
    (folder / "feed" / "truth.ndjson").unlink()
    with Store.open(folder / "store") as store:
        pull(store, FolderSource(folder / "feed"), site=SITE)
        people = sorted(store.lake.records(SITE), key=lambda person: person.patient)
        people[::10] = map(_renamed, people[::10])
        references = set().union(*(needed_references(person.resources) for person in people))
        shared = store.lake.shared(SITE, references)
    with (folder / "bundles.ndjson").open("wb") as lines:
        for person in people:
            lines.write(_bundle(person) + b"\n")
    return Centre(folder, people, shared, load_site(SITE))


def _renamed(person: PatientResources) -> PatientResources:
    """The person's resources with another name for each code system that has one: both engines have to know these."""
    resources = person.resources
    for name, system in code_system_names().items():
        resources = [raw.replace(f'"{system}"'.encode(), f'"{name}"'.encode()) for raw in resources]
    return msgspec.structs.replace(person, resources=resources)


def _records(trial: Trial, centre: Centre) -> dict[str, Patient]:
    return {person.patient: _read(trial, person, centre) for person in centre.people}


def _read(trial: Trial, person: PatientResources, centre: Centre) -> Patient:
    needed = needed_references(person.resources)
    own = {reference: centre.shared[reference] for reference in needed if reference in centre.shared}
    record = PatientRecord.read(person.patient, person.resources, merged=person.merged, shared=own)
    return Patient(trial, record, centre.site, DAY)


def _theirs(
    centre: Centre, tools: Toolchain, whole: Trial, trial: Trial
) -> tuple[dict[str, dict[str, bool | None]], dict[str, float]]:
    """CQL's answers by patient; the library of all criteria is translated and checked too."""
    folder = centre.folder
    elm, helpers = folder / "oracle.json", folder / "helpers.json"
    libraries = {tools.helpers: helpers}
    for name, known in {"oracle": trial, "whole": whole}.items():
        file = folder / f"{name}.cql"
        file.write_text(cql_library(known, code_system_names()), encoding="utf-8")
        libraries[file] = file.with_suffix(".json")
    tools.translate(libraries)
    noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=PARIS)
    offset = noon.utcoffset()
    assert offset is not None
    measured = tools.run(
        elm=str(elm),
        helpers=str(helpers),
        bundles=str(folder / "bundles.ndjson"),
        out=str(folder / "answers.ndjson"),
        on=str(DAY),
        offset=offset.total_seconds() / 3600,
        answers=cql_answers(trial),
    )
    with (folder / "answers.ndjson").open(encoding="utf-8") as lines:
        found = {f"Patient/{line['patient']}": line["answers"] for line in map(json.loads, lines)}
    return found, measured


def _bundle(person: PatientResources) -> bytes:
    """The person's resources, of the identities the surviving one: a CQL engine knows one Patient."""
    identity = person.patient.partition("/")[2]
    entries = []
    for raw in person.resources:
        body = json.loads(raw)
        if body["resourceType"] != "Patient" or body["id"] == identity:
            entries.append(raw)
    if not any(json.loads(raw)["resourceType"] == "Patient" for raw in entries):
        entries.append(json.dumps({"resourceType": "Patient", "id": identity}).encode())
    resources = b",".join(b'{"resource":' + raw.strip() + b"}" for raw in entries)
    return b'{"resourceType":"Bundle","type":"collection","entry":[' + resources.replace(b"\n", b" ") + b"]}"


def _one(
    name: str, patient: Patient, theirs: dict[str, bool | None], unsaid: frozenset[str], compared: Comparison
) -> None:
    """Compare one patient's answers."""
    answers = patient.answers()
    causes = Causes(patient, unsaid)
    for identity, told in theirs.items():
        ours, cql = answers[identity], {True: Truth.T, False: Truth.F, None: Truth.U}[told]
        compared.by_answer[identity, ours.value, cql.value] += 1
        if ours is cql:
            compared.agree += 1
            compared.decided += ours is not Truth.U
            continue
        cause = causes.of(identity, ours, cql)
        if cause is None:
            compared.unexplained.append(f"{name} {identity}: ours {ours}, CQL {cql}")
            continue
        compared.known[cause] += 1
        compared.places[cause, f"{identity} {ours}-{cql}"] += 1


def _print(compared: Comparison) -> None:
    print("agree, as T, F, U; then ours and CQL's where they differ")
    for identity in dict.fromkeys(key[0] for key in compared.by_answer):
        same = "/".join(str(compared.by_answer[identity, truth, truth]) for truth in "TFU")
        pairs = [(a, b) for a in "TFU" for b in "TFU" if a != b and compared.by_answer[identity, a, b]]
        rest = ", ".join(f"{a}-{b} {compared.by_answer[identity, a, b]}" for a, b in pairs)
        print(f"  {identity:6} {same:>16}  {rest}")
    print("\nknown differences, by cause (ours-CQL)")
    for cause, number in compared.known.most_common():
        places = Counter({place: count for (of, place), count in compared.places.items() if of == cause})
        print(f"  {number:6}  {cause}: " + ", ".join(f"{place} {count}" for place, count in places.most_common(6)))
    for line in compared.unexplained[:SHOWN]:
        print(f"  unexplained: {line}")
    print(f"{compared.agree} agree, of which {compared.decided} are decided (T or F)")


if __name__ == "__main__":
    sys.exit(main())
