"""In: the store and the settings. Out: a folder with the pseudonymised feed of a trial's consented subjects: what every dataset is made of.

The one room where a leak is decided: whoever works behind it sees no hospital's id, no name, and no one without a consent. It is
made anew at each export, from the lake; the same lake, key and options give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, Literal

import msgspec

from adapter.config import Settings
from adapter.criteria import Trial
from adapter.datasets.collecting import collecting_later
from adapter.datasets.model import Finding
from adapter.datasets.pseudonymising import Notes, Pseudonymiser, TraceEntry, Work, load_profile
from adapter.datasets.pseudonymising.normalising import medication_references
from adapter.datasets.source import count_of_others, decode, read_shared
from adapter.datasets.staging.feed_types import READ_TYPES
from adapter.datasets.staging.staged import Staged, StagedSubject, StagedVerdict
from adapter.datasets.staging.subject import SubjectMaker, verdicts_of
from adapter.datasets.subjects.choosing import Chosen, choose
from adapter.datasets.subjects.people import Scope
from adapter.documents import load_site, load_study
from adapter.fhir import RESOURCE_TYPES, Json, parse_fhir_version
from adapter.store import Store, private_file, private_folder, pseudonym_key, writing
from mappings.entities import Study

__all__ = ["Staged", "StagedSubject", "StagedVerdict", "stage"]

_SUBJECT: Final = "ResearchSubject"
_TEXTS: Final[Mapping[str, str]] = {
    "after-cut": "What is dated after the data cut is not exported.",
    "after-withdrawal": "What is, or may be, dated after a withdrawal is not exported.",
    "age-capped": "An age above 89 is told as 90.",
    "age-not-known": "The date of birth does not tell how old the subject was at consent.",
    "birth-date-blanked": "A date that is, or may be, the day of birth is not exported.",
    "code-blanked": "A code that no document names is not exported.",
    "date-blanked": "A text that is no date of FHIR is not exported.",
    "death-days-differ": "The day of death is another one in the record than in the subject's history: the record's holds.",
    "entered-in-error": "A resource that was entered in error, which R4 has no element to say of, is not exported.",
    "event-left-out": "An event cannot follow those before it and is not exported.",
    "not-exported": "An element that the profile does not allow is not exported.",
    "number-blanked": "A number that is too long for a result, or one of the person's own, is not exported.",
    "other-consent": "A consent to something else than the trial is not exported.",
    "partial-date-blanked": "A month or a year that cannot be moved exactly is told as a year, or not at all.",
    "r5-not-exported": "An element that only FHIR R5 has is not exported.",
    "range-blanked": "A reference range that cannot be read, or of which it is not known whether it holds, is not exported.",
    "reference-dropped": "A reference to what is not exported is dropped.",
    "resource-left-out": "A resource without what it is about is not exported.",
    "resource-not-read": "A resource that cannot be read is not exported.",
    "result-blanked": "A printed result that is no number with a known unit and no known word is not exported.",
    "type-not-exported": "A resource of a type, or of a study, that no document names is not exported.",
    "undated-left-out": "A resource without a date is not exported after a withdrawal.",
    "unit-blanked": "A unit that no table has is not exported; its number is.",
    "unknown-arm": "A randomisation to an arm that the study does not have is not exported.",
    "value-blanked": "A value of another kind than its element's is not exported.",
    "verdict-missing": "There is no verdict of the day of the registration or randomisation.",
}


def stage(
    store: Store,
    settings: Settings,
    trial: Trial,
    folder: Path,
    *,
    sites: Collection[str] | None = None,
    as_of: date | None = None,
    shift_dates: bool = False,
    numbers: Literal["text", "number"] = "text",
) -> Staged:
    """Write the pseudonymised feed of a trial.

    Args:
        store: open.
        settings: of the sites.
        trial: its documents.
        folder: where the files go; made where it is not there. Files of an earlier feed in it are replaced.
        sites: only these; None for all in the store.
        as_of: data cut: nothing after this day, subjects who consented after it neither; what ended later goes on.
        shift_dates: move the dates of each subject by a constant number of weeks.
        numbers: write decimals as JSON texts (what the views are run over) or as JSON numbers (what leaves); exact in both.

    Raises:
        ConfigurationError: the key of the store cannot be used.
        DocumentError: an allow-list document is wrong.
        StorageError: there is no room for the files.
    """
    options = _Options(trial, load_study(trial.id), pseudonym_key(store.folder), as_of, shift_dates)
    feed = _Feed(numbers)
    with collecting_later():
        for site in sorted(set(sites) if sites is not None else _sites(store, settings)):
            _stage_site(store, settings, site, options, feed)
    files = feed.write(folder)
    subjects = tuple(sorted(feed.subjects, key=lambda one: one.usubjid))
    return Staged(
        folder=folder,
        files=files,
        subjects=subjects,
        verdicts=tuple(sorted(feed.verdicts, key=lambda one: (one.usubjid, one.stage, one.criterion))),
        findings=(*feed.findings, *feed.notes.findings(_TEXTS)),
        left_out=dict(sorted(feed.left_out.items())),
        trace=sorted(feed.trace, key=lambda one: (one.key, one.type, one.id)),
    )


@dataclass(frozen=True)
class _Options:
    trial: Trial
    study: Study
    key: bytes = field(repr=False)
    as_of: date | None
    shift_dates: bool


@dataclass
class _Feed:
    """What was made so far."""

    numbers: Literal["text", "number"]
    lines: dict[str, list[tuple[str, str, bytes]]] = field(default_factory=dict)
    subjects: list[StagedSubject] = field(default_factory=list)
    verdicts: list[StagedVerdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    left_out: Counter[str] = field(default_factory=Counter)
    trace: list[TraceEntry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._encode = msgspec.json.Encoder(decimal_format="string" if self.numbers == "text" else "number").encode

    def add(self, usubjid: str, resource: Json) -> None:
        """One resource of a subject; "" for one of nobody's. It waits as bytes: objects would be looked through again and again."""
        self.lines.setdefault(resource["resourceType"], []).append((usubjid, resource["id"], self._encode(resource)))

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the files, sorted by subject and id."""
        found = {}
        with writing("the folder of the feed"):
            private_folder(folder)
            for old in folder.glob("*.ndjson"):
                old.unlink()
            for type_ in sorted(self.lines):
                lines = sorted(self.lines[type_], key=lambda one: one[:2])
                path = folder / f"{type_}.ndjson"
                with open(path, "wb", opener=private_file) as out:
                    out.write(b"".join(line + b"\n" for _, _, line in lines))
                found[type_] = path
        return found


def _sites(store: Store, settings: Settings) -> set[str]:
    return {*store.lake.sites(), *settings.sites}


def _stage_site(store: Store, settings: Settings, site: str, options: _Options, feed: _Feed) -> None:
    told = settings.sites.get(site)
    scope = Scope(
        site=site,
        trial=options.trial,
        study=options.study,
        site_code=told.site_code if told is not None else None,
        types=READ_TYPES,
        key=options.key,
        as_of=options.as_of,
    )
    chosen, left_out = choose(store, scope)
    feed.left_out += left_out.counts
    feed.findings += left_out.findings
    if not chosen:
        return
    pseudonymiser = Pseudonymiser(
        load_profile(),
        options.trial,
        load_site(site, told.overlay if told is not None else None),
        key=options.key,
        version=parse_fhir_version(told.fhir_version if told is not None else "4.0.1"),
        notes=feed.notes,
    )
    medications = _medications(store, site, chosen, pseudonymiser, feed)
    maker = SubjectMaker(pseudonymiser, scope, medications, feed.notes, shift_dates=options.shift_dates)
    made = []
    for one in chosen:
        found, resources, trace = maker.make(one)
        for resource in resources:
            feed.add(one.usubjid, resource)
        feed.trace += trace
        feed.subjects.append(found.subject)
        made.append((one, found))
    feed.verdicts += verdicts_of(store, scope, made, feed.notes)
    _count_others(store, site, chosen, feed)


def _count_others(store: Store, site: str, chosen: list[Chosen], feed: _Feed) -> None:
    """Tell what is held of these subjects and is of no type that is exported: by type, how many."""
    people = {identity for one in chosen for identity in one.identities}
    counts = count_of_others(store, site, people, READ_TYPES)
    # Those of the trial are what the histories were read from.
    counts[_SUBJECT] = counts.get(_SUBJECT, 0) - sum(len(one.sources) for one in chosen)
    for type_, count in counts.items():
        if count > 0:
            # Only a name that FHIR has: a feed may call a type as it likes.
            feed.notes.add("type-not-exported", type_ if type_ in RESOURCE_TYPES else "(other)", "", count)


def _medications(
    store: Store, site: str, chosen: list[Chosen], pseudonymiser: Pseudonymiser, feed: _Feed
) -> dict[str, str]:
    """Shared Medications that these subjects' resources refer to; the hospital's reference to the feed's."""
    wanted = {
        target
        for one in chosen
        for type_ in ("AdverseEvent", "MedicationAdministration", "MedicationRequest", "MedicationStatement")
        for row in one.resources.get(type_, ())
        if b"Medication/" in row.raw
        for target in medication_references(decode(row.raw))
    }
    if not wanted:
        return {}
    rows = {reference: (row, decode(row.raw)) for reference, row in read_shared(store, site, wanted).items()}
    pseudonymiser.with_medications(rows)
    found: dict[str, str] = {}
    for reference, (row, body) in rows.items():
        made = pseudonymiser.medication(row, body, Work(usubjid="", notes=feed.notes))
        for resource in made.resources:
            feed.add("", resource)
            found[reference] = f"Medication/{resource['id']}"
        feed.trace += made.trace
    return found
