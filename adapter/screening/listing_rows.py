"""In: a site's verdicts, decisions and records; all its people, or some. Out: the worklist rows of those who are on the list.

The same rows are made for everybody and for one changed person: what is on a page does not hang on when it was made.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import msgspec

from adapter.criteria import Stage, Trial
from adapter.criteria.tree import OtherStudy
from adapter.fhir import PARIS, fold_number
from adapter.screening.attesting import QUESTIONNAIRE
from adapter.screening.hospital_records import RecordState, as_deleted, deleted_people
from adapter.screening.listed import Listed, listed_of, standing_decisions
from adapter.screening.listing_records import RecordFacts, RecordReader, open_records
from adapter.screening.listing_row import Known, WorklistRow, make_row
from adapter.screening.log import screening_number
from adapter.screening.proposals import proposals_among
from adapter.store import Decision, Store
from adapter.store.listing import Head
from adapter.store.segments import bucket_of

__all__ = ["Made", "RowMaker"]

#: People in hand at once: their verdicts are some ten thousand characters each.
_CHUNK: Final = 1000


class _Evidence(msgspec.Struct, gc=False):
    reference: str


class _Part(msgspec.Struct, gc=False):
    evidence: list[_Evidence]


class _Criterion(msgspec.Struct, gc=False):
    id: str
    truth: str
    reason: str | None
    evidence: list[_Evidence]
    parts: list[_Part]


class _Verdict(msgspec.Struct, gc=False):
    """Of the contract's object what a row is made from: reading all of it takes several times as long."""

    site: str
    patient: str
    stage: str
    on: str
    candidate: bool
    candidate_because: list[str]
    outcome: str
    outcome_reason: str | None
    permanent: bool
    flips_on: str | None
    to_order: list[dict[str, Any]]
    criteria: list[_Criterion]


_decode = msgspec.json.Decoder(_Verdict).decode
_PLAIN: Final = tuple(name for name in _Verdict.__struct_fields__ if name != "criteria")
_ATTESTED: Final = "QuestionnaireResponse/"


@dataclass(frozen=True, slots=True)
class Made:
    """A row, and what it is found by; ``person`` is the record that survives, ``names`` what the hospital calls it, folded."""

    person: str
    row: WorklistRow
    names: tuple[str, ...]
    found_at: datetime
    head: Head


@dataclass(frozen=True, slots=True)
class _About:
    """What is known of a part's people beside their verdicts, by patient id.

    ``first`` is by person: id and time; ``attested`` tells when something was last attested or withdrawn here.
    """

    first: Mapping[str, tuple[str, datetime]]
    keys: Mapping[str, str]
    facts: Mapping[str, RecordFacts]
    entries: Mapping[str, date]
    attested: Mapping[str, datetime]


class RowMaker:
    """Makes the rows of one site.

    Args:
        store: open.
        trial: whose list.
        stage: of the trial.
        site: whose people.
    """

    def __init__(self, store: Store, trial: Trial, stage: Stage, *, site: str) -> None:
        self._store, self._trial, self._stage, self._site = store, trial, stage, site
        self._inputs = store.listing.inputs(trial.id, stage, site)
        self.merges = store.lake.merges(site)
        self._members: dict[str, list[str]] = {}
        for old, survivor in sorted(self.merges.items()):
            self._members.setdefault(survivor, []).append(old)
        self._deleted = deleted_people(store, site)
        self._added = self.persons(store.added_candidates(site, trial=trial.id))
        self._other_trial = frozenset(
            one.id for one in trial.criteria if one.kind == "exclusion" and _asks_other_study(one.node)
        )

    def persons(self, patients: Iterable[str]) -> set[str]:
        """The surviving records of some."""
        return {self.merges.get(patient, patient) for patient in patients}

    def everybody(self) -> set[str]:
        """All persons with a verdict."""
        return self.persons(self._inputs.screened_patients())

    def make(self, people: Collection[str]) -> Iterator[tuple[list[str], list[Made]]]:
        """The rows of some persons, some hundred at a time.

        Yields:
            the persons of a part, and the rows of those among them who are on the list.
        """
        # Resources lie by bucket of their patient: people of one bucket are read together.
        ordered = sorted(people, key=lambda person: (bucket_of(person), person))
        if not ordered:
            return
        with open_records(self._store, self._site) as reader:
            for start in range(0, len(ordered), _CHUNK):
                part = ordered[start : start + _CHUNK]
                yield part, self._part(part, reader)

    def _part(self, people: Sequence[str], reader: RecordReader) -> list[Made]:
        # Who was merged into another is nobody of their own any more.
        ids = {person: (person, *self._members.get(person, ())) for person in people if person not in self.merges}
        every = [one for names in ids.values() for one in names]
        heads = {head.patient: head for head in self._inputs.heads(every)}
        # Who was merged since the last screening stands under the old record's verdict until the next one.
        chosen = {
            person: head
            for person, names in ids.items()
            if (head := next((heads[n] for n in names if n in heads), None))
        }
        if not chosen:
            return []
        first = self._first(ids)
        about = _About(
            first=first,
            keys=self._keys({*(head.patient for head in chosen.values()), *(name for name, _ in first.values())}),
            facts=reader.facts(every),
            entries=reader.last_entries(
                {name: head.screened_at.astimezone(PARIS).date() for p, head in chosen.items() for name in ids[p]}
            ),
            attested=reader.last_attested(every, f"{QUESTIONNAIRE}{self._trial.id}"),
        )
        made: list[Made] = []
        decided: dict[str, Listed] = {}
        for person, one in self._listed(chosen, self._decisions(every)):
            if one.decision is None:
                # At once: a verdict is not kept longer than it takes to make a row of it.
                made.append(self._made(person, one, about, ids=ids[person], head=chosen[person]))
            else:
                decided[person] = one
        disputed = proposals_among(self._store, self._trial, decided.values(), stage=self._stage)
        proposed = {one.patient for one in disputed}
        for person, one in decided.items():
            row = self._made(person, one, about, ids=ids[person], head=chosen[person], proposed=one.patient in proposed)
            made.append(row)
        return made

    def _made(
        self, person: str, one: Listed, about: _About, *, ids: Sequence[str], head: Head, proposed: bool = False
    ) -> Made:
        known_as, found_at = about.first[person]
        facts = {name: about.facts[name] for name in ids if name in about.facts}
        known = Known(
            key=about.keys[head.patient],
            number=screening_number(self._site, about.keys[known_as]),
            found_on=found_at.astimezone(PARIS).date(),
            facts=facts.get(person) or facts.get(head.patient) or RecordFacts(),
            last_entry=max((about.entries[name] for name in ids if name in about.entries), default=None),
            proposal=proposed,
            # A process that ended between the signature and the screening after it.
            before_attestation=any(about.attested.get(name, head.screened_at) > head.screened_at for name in ids),
        )
        if one.record is RecordState.ACTIVE and person in facts and facts[person].inactive:
            one = replace(one, record=RecordState.INACTIVE)
        names = {fold_number(name.partition("/")[2]) for name in ids}.union(*(told.numbers for told in facts.values()))
        row = make_row(one, self._trial, known, other_trial=self._other_trial)
        return Made(person, row, tuple(sorted(names)), found_at, head)

    def _listed(self, chosen: Mapping[str, Head], decisions: Mapping[str, Decision]) -> Iterator[tuple[str, Listed]]:
        """Those who are on the list: candidates, and whoever a person has put a hand to."""
        contents = self._inputs.contents(list(chosen.values()))
        for person, head in chosen.items():
            content, input_hash = contents.pop(head.patient)
            is_deleted = person in self._deleted
            decision = decisions.get(person)
            verdict = _trimmed(_decode(content))
            by_hand = decision is not None or (is_deleted and person in self._added)
            if (is_deleted or not verdict["candidate"]) and not by_hand:
                continue
            one = listed_of(
                as_deleted(verdict) if is_deleted else verdict,
                self._trial,
                at=head.screened_at,
                decision=decision,
                input_hash=input_hash,
            )
            yield person, replace(one, record=RecordState.DELETED) if is_deleted else one

    def _decisions(self, patients: Collection[str]) -> dict[str, Decision]:
        told = self._store.decision_history(self._trial.id, site=self._site, patients=patients)
        found = standing_decisions(told, {self._site: self.merges})
        return {person: decision for (_, person), decision in found.items()}

    def _first(self, ids: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, datetime]]:
        """By person the id under which they were first found, and when: a merger gives nobody another number."""
        first = self._inputs.first_found([one for names in ids.values() for one in names])
        found = {}
        for person, names in ids.items():
            known = [(first[name], name) for name in names if name in first]
            if known:
                at, name = min(known)
                found[person] = (name, at)
        return found

    def _keys(self, patients: Collection[str]) -> dict[str, str]:
        found = self._inputs.keys(patients)
        missing = {patient: secrets.token_urlsafe(16) for patient in sorted(patients) if patient not in found}
        if missing:
            self._store.listing.add_keys(self._site, missing)
            # Somebody else may have been faster with one of them.
            found |= self._inputs.keys(missing)
        return found


def _trimmed(verdict: _Verdict) -> dict[str, Any]:
    """The object of the contract without what a row does not need: of evidence only who has attested."""
    found = {name: getattr(verdict, name) for name in _PLAIN}
    found["criteria"] = [
        {
            "id": one.id,
            "truth": one.truth,
            "reason": one.reason,
            "evidence": [
                {"reference": shown.reference}
                for shown in (*one.evidence, *(each for part in one.parts for each in part.evidence))
                if shown.reference.startswith(_ATTESTED)
            ],
            "parts": [],
        }
        for one in verdict.criteria
    ]
    return found


def _asks_other_study(node: Any) -> bool:
    """Whether an expression reads participation in other studies somewhere."""
    if isinstance(node, OtherStudy):
        return True
    if isinstance(node, list | tuple):
        return any(_asks_other_study(one) for one in node)
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return False
    return any(_asks_other_study(getattr(node, each.name)) for each in dataclasses.fields(node))
