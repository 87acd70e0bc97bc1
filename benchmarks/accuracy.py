"""In: numbers of simulated patients, a seed. Out: per stage and criterion, truth against product, on full records and with resources taken away.

Truth is what the simulator says that the written records support (``truth.ndjson``); it knows nothing of the product's criteria. Dangerous is
an answer that passes what the truth fails or fails what the truth passes. On full records there may be none; with resources taken away
only by the named mechanisms of ``tests/support/deletion.py``, and each is put to its mechanism by putting resources back.

    python benchmarks/accuracy.py                                      # 10,000 patients, 2,000 with resources taken away
    python benchmarks/accuracy.py --patients 500 --deleted-patients 100
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

# The tests are no installed package: found from here, whatever the folder that the command is given in.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adapter.criteria import CriterionVerdict, Stage, Truth
from tests.support.deletion import Explanation, Mechanism, are_opposite, explain
from tests.support.simulated import ON, TRIAL, Centre, Item, Person

SHARES = (10, 30, 50)
BLOCK = 25
#: Printed at most: one line of a kind tells as much as a thousand.
SHOWN = 40


@dataclass(slots=True)
class Tally:
    """What came out of some patients in one round.

    Attributes:
        cells: stage, criterion, truth, product: how often.
        mechanisms: stage, criterion, mechanism: how often less data decided the other way round by it.
        dangerous: a line each.
        differing: (full records) a line for each answer that is not the truth.
        untold: criteria of the product without a truth.
        unjudged: persons of whom nothing was left.
    """

    cells: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    mechanisms: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    dangerous: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    untold: set[str] = field(default_factory=set)
    unjudged: int = 0

    def add(self, other: Tally) -> None:
        """Put another tally into this one."""
        self.cells.update(other.cells)
        self.mechanisms.update(other.mechanisms)
        self.dangerous += other.dangerous
        self.differing += other.differing
        self.untold |= other.untold
        self.unjudged += other.unjudged

    @property
    def verdicts(self) -> int:
        """All answers that have a truth."""
        return sum(self.cells.values())

    @property
    def right(self) -> int:
        """Answers that are the truth."""
        return sum(count for (_, _, truth, product), count in self.cells.items() if truth == product)

    @property
    def open(self) -> int:
        """Answers that leave open what the truth decides."""
        return sum(count for (_, _, truth, product), count in self.cells.items() if truth != product == "U")


def main() -> int:
    """Run the rounds and print them; 1 when an answer is dangerous."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=10_000, help="patients judged on their full records")
    parser.add_argument(
        "--deleted-patients", type=int, default=2_000, help="the first of them, with resources taken away"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shares", type=int, nargs="*", default=list(SHARES), help="percent of the resources")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    deleted = min(given.patients, given.deleted_patients)
    print(f"{TRIAL} on {ON}, seed {given.seed}\n\n# {given.patients:,} patients, full records\n")
    with multiprocessing.Pool(given.workers) as pool:

        def run(share: int, patients: int) -> Tally:
            blocks = [range(at, min(at + BLOCK, patients)) for at in range(0, patients, BLOCK)]
            whole = Tally()
            for part in pool.imap(partial(judge_block, seed=given.seed, share=share), blocks):
                whole.add(part)
            return whole

        full = run(0, given.patients)
        show(full)
        dangerous = len(full.dangerous)
        for share in given.shares:
            print(f"\n# {deleted:,} of these patients, {share} % of their resources taken away at random\n")
            less = run(share, deleted)
            show(less)
            dangerous += len(less.dangerous)
    print(f"\naccuracy: {full.right:,}/{full.verdicts:,} verdicts right, {dangerous} dangerous")
    return 1 if dangerous else 0


def judge_block(numbers: range, *, seed: int, share: int) -> Tally:
    """Judge some patients of the centre at both stages, with so many percent of their resources taken away."""
    centre, found = Centre(seed), Tally()
    for number in numbers:
        for person in centre.persons(number):
            kept, gone = split(person, seed=seed, share=share)
            if not any(item.owner == person.patient for item in kept):
                found.unjudged += 1
                continue
            for stage in Stage:
                judge_person(centre, person, kept, gone, stage=stage, into=found)
    return found


def split(person: Person, *, seed: int, share: int) -> tuple[list[Item], list[Item]]:
    """What is kept and what is taken away; the same in every run."""
    random = Random(f"{seed}:{person.patient}:{share}")
    kept: list[Item] = []
    gone: list[Item] = []
    for item in person.items:
        (gone if random.random() * 100 < share else kept).append(item)
    return kept, gone


def judge_person(
    centre: Centre, person: Person, kept: Sequence[Item], gone: Sequence[Item], *, stage: Stage, into: Tally
) -> None:
    """Compare one person's verdicts at one stage with the truth."""
    record = centre.record(person.patient, kept)
    found = {criterion.id: criterion for criterion in centre.judge(record, stage).criteria}
    truths = {name: Truth(text) for name, text in person.truth[str(stage)].items()}
    into.untold |= found.keys() - truths.keys()
    for name, truth in truths.items():
        product = found[name].truth
        into.cells[str(stage), name, str(truth), str(product)] += 1
        line = f"{stage} {name}, patient {person.number} ({person.patient}): truth {truth}, product {product}"
        if not gone and truth is not product:
            into.differing.append(line)
        if not are_opposite(truth, product):
            continue
        why = (
            explain(partial(judged, centre, person, stage, name), kept, gone, trial=centre.trial)
            if gone
            else Explanation(None, ())
        )
        if why.mechanism is None:
            into.dangerous.append(line + (f"; taken away: {', '.join(why.restored)}" if why.restored else ""))
        else:
            into.mechanisms[str(stage), name, why.mechanism] += 1


def judged(centre: Centre, person: Person, stage: Stage, name: str, items: Sequence[Item]) -> CriterionVerdict:
    """The verdict on one criterion for a heap of resources."""
    verdict = centre.judge(centre.record(person.patient, items), stage)
    return next(criterion for criterion in verdict.criteria if criterion.id == name)


def show(tally: Tally) -> None:
    """Print a round."""
    for stage in Stage:
        print("\n".join(table(tally, str(stage))))
    print(f"{tally.right:,} of {tally.verdicts:,} answers are the truth, {tally.open:,} leave open what it decides.")
    if tally.untold:
        print(f"Without a truth: {', '.join(sorted(tally.untold))}.")
    if tally.unjudged:
        print(f"{tally.unjudged} persons of whom nothing was left are not judged.")
    if tally.mechanisms:
        print("\nDecided the other way round, by mechanism:")
        print("\n".join(mechanisms(tally)))
    for title, lines in (("Not the truth:", tally.differing), ("DANGEROUS:", tally.dangerous)):
        if lines:
            print(f"\n{title}")
            print("\n".join(lines[:SHOWN]))
            if len(lines) > SHOWN:
                print(f"and {len(lines) - SHOWN:,} more")
    sys.stdout.flush()


def table(tally: Tally, stage: str) -> Iterator[str]:
    """The confusion of one stage: rows are criteria, ``T>U`` is truth T and product U."""
    pairs = [(truth, product) for truth in "TFU" for product in "TFU"]
    yield f"{stage:<14}" + "".join(f"{truth + '>' + product:>8}" for truth, product in pairs)
    for name in sorted({name for of, name, _, _ in tally.cells if of == stage}):
        counts = [tally.cells[stage, name, truth, product] for truth, product in pairs]
        yield f"{name:<14}" + "".join(f"{count or '.':>8}" for count in counts)
    yield ""


def mechanisms(tally: Tally) -> Iterator[str]:
    """How often each mechanism was at work, both stages together, with the criteria."""
    for mechanism in Mechanism:
        of: Counter[str] = Counter()
        for (_, name, found), count in tally.mechanisms.items():
            if found == mechanism:
                of[name] += count
        if of:
            shares = ", ".join(f"{name} {count}" for name, count in sorted(of.items()))
            yield f"  {mechanism:<50}{of.total():>6}   {shares}"


if __name__ == "__main__":
    sys.exit(main())
