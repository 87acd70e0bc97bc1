"""In: tables of the views, the staged subjects and verdicts, the study, numbers that are kept. Out: the package of SDTM datasets.

Three rounds: what is known of each subject before any row is made; the rows of every domain, each variable set from its view; then
what depends on the rows of all domains: days, epochs, visits, baseline, sequence numbers, SUPP-- and RELREC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from adapter.criteria import Trial
from adapter.datasets.collecting import collecting_later
from adapter.datasets.model import Codelist, Dataset, Package
from adapter.datasets.model import Study as PackageStudy
from adapter.datasets.sdtm.cells import Finisher, finishers
from adapter.datasets.sdtm.corrections import without_replaced
from adapter.datasets.sdtm.dates import certainly_before
from adapter.datasets.sdtm.documents import Documents, Domain
from adapter.datasets.sdtm.events import Told
from adapter.datasets.sdtm.finishing import Finished, finish_domain
from adapter.datasets.sdtm.frame import Draft, Run, SubjectFacts
from adapter.datasets.sdtm.loading import load_domains
from adapter.datasets.sdtm.notes import Notes
from adapter.datasets.sdtm.numbering import Sequences, put_numbers
from adapter.datasets.sdtm.own_tables import StagedVerdict, own_rows, study_facts
from adapter.datasets.sdtm.relating import relation_rows, supplement_dataset
from adapter.datasets.sdtm.rows import RowIn, Tracer, drafts_of, set_deferred
from adapter.datasets.sdtm.subjects import StagedSubject, put_late_facts, put_reference_end, subjects_of
from adapter.datasets.sdtm.tables import Tables, View
from adapter.datasets.sdtm.unrecorded import tell_unrecorded
from adapter.datasets.sdtm.whole_texts import with_whole_texts
from adapter.terminology import Units
from mappings.entities import Study

__all__ = ["Staged", "build_package", "views_needed"]


class Staged(Protocol):
    """What is staged for export."""

    @property
    def files(self) -> Mapping[str, Path]:
        """The feed, by type of resource."""

    @property
    def subjects(self) -> Sequence[StagedSubject]:
        """Subjects whose data may leave the site."""

    @property
    def verdicts(self) -> Sequence[StagedVerdict]:
        """Their criteria."""


def views_needed(documents: Documents | None = None) -> tuple[str, ...]:
    """Names of the views that the documents read, sorted."""
    return (documents or load_domains()).views


def build_package(
    tables: Mapping[str, View],
    staged: Staged,
    *,
    trial: Trial,
    study: Study,
    sequences: Sequences,
    units: Mapping[str, Units] | None = None,
    documents: Documents | None = None,
) -> Package:
    """The SDTM datasets of the staged subjects.

    Args:
        tables: of the views, by name (`views_needed`); one that is missing counts as empty.
        staged: subjects and verdicts, and the files of the feed, whose resources without a record are told.
        trial: for its criteria, analytes and unit spellings.
        study: for what TS tells.
        sequences: keeps ``--SEQ`` and other numbers.
        units: unit spellings of the sites, by site; the trial's general ones for those that are not named.
        documents: the SDTM documents; those that are shipped without it.

    Returns:
        Datasets sorted by name, rows by their keys. A domain without any row is left out, but DM.

    Raises:
        DocumentError: a document is wrong.
    """
    documents = documents or load_domains()
    making = _Making(documents, Tables(tables, documents.shapes), trial, study)
    with collecting_later():
        making.read_subjects(staged, {"": trial.units, **(units or {})})
        making.make_rows(staged.verdicts)
        making.derive(sequences)
        return making.package(sequences, staged.files)


class _Making:
    """A package in the making: its rounds share subjects, drafts and findings."""

    def __init__(self, documents: Documents, tables: Tables, trial: Trial, study: Study) -> None:
        self._documents = documents
        self._design = documents.design
        self._tables = tables
        self._trial = trial
        self._study = study
        self._notes = Notes()
        self._run = Run(
            notes=self._notes,
            analytes=trial.analytes,
            study=study_facts(study, documents.design),
            views=tables.by_key,
        )
        self._subjects: dict[str, tuple[SubjectFacts, Told]] = {}
        self._drafts: dict[str, list[Draft]] = {}
        self._finish: dict[str, list[Finisher]] = {
            domain.code: finishers(
                domain.variables, documents.codelists, self._notes, {one.variable: one for one in domain.continued}
            )
            for domain in documents.domains
        }

    def read_subjects(self, staged: Staged, units: Mapping[str, Units]) -> None:
        self._subjects = subjects_of(staged.subjects, self._tables, design=self._design, units=units, notes=self._notes)

    def make_rows(self, verdicts: Sequence[StagedVerdict]) -> None:
        """Set the variables of all domains, then what waits for numbers of its own."""
        for domain in self._documents.domains:
            finish, drafts = self._finish[domain.code], []
            for source in domain.sources:
                if source.inline is not None:
                    rows: Iterable[RowIn] = self._inline(source.inline, domain.code)
                elif source.view.startswith("@"):
                    rows = own_rows(
                        source.view,
                        trial=self._trial,
                        study=self._study,
                        design=self._design,
                        subjects=self._subjects,
                        verdicts=verdicts,
                    )
                else:
                    rows = self._tables.rows_in(source.view, source.columns, self._facts)
                drafts += drafts_of(domain, source, rows, self._run, finish)
            self._fill(domain, drafts)
            self._drafts[domain.code] = drafts

    def _facts(self, usubjid: Any) -> SubjectFacts | None:
        found = self._subjects.get(str(usubjid).rpartition("/")[2])
        return found[0] if found is not None else None

    def _inline(self, rows: Sequence[Sequence[Any]], code: str) -> list[RowIn]:
        frame: list[Any] = [None, None, self._run]
        return [
            RowIn(tuple(cell(frame) if cell is not None else None for cell in row), None, f"{code}/{at}")
            for at, row in enumerate(rows)
        ]

    def _fill(self, domain: Domain, drafts: Iterable[Draft]) -> None:
        """The variables that are the same in every domain."""
        places = domain.places
        constant = {"STUDYID": self._design.study_id, "DOMAIN": domain.code}
        fixed = [(places[name], value) for name, value in constant.items() if name in places]
        whose = places.get("USUBJID")
        for draft in drafts:
            for slot, value in fixed:
                draft.frame[slot] = value
            if whose is not None:
                draft.frame[whose] = draft.usubjid or None

    def derive(self, sequences: Sequences) -> None:
        """Numbers, the facts that the rows add to the subjects, then the derived variables of all domains."""
        put_numbers(self._run, self._drafts.values(), sequences)
        for domain in self._documents.domains:
            drafts = set_deferred(domain, self._drafts[domain.code], self._finish[domain.code])
            first = _first_only(domain.code, drafts, self._notes)
            self._drafts[domain.code] = without_replaced(domain.code, first, self._notes)
        exposure = next((one for one in self._documents.domains if one.code == "EX"), None)
        put_late_facts(
            self._subjects,
            self._design,
            self._drafts["EX"] if exposure is not None else (),
            exposure.places if exposure is not None else {},
            self._notes,
        )
        put_reference_end(self._subjects, ((one, self._drafts[one.code]) for one in self._documents.domains))
        for domain in self._documents.domains:
            self._derive_domain(domain)

    def _derive_domain(self, domain: Domain) -> None:
        drafts, finish, code = self._drafts[domain.code], self._finish[domain.code], domain.code
        for draft in drafts:
            for one in draft.source.derivations:
                value = one.fn(draft.frame)
                draft.frame[one.slot] = None if value is None else finish[one.slot](value, partial(draft.place, code))
        shared = domain.sources[0].shared if domain.sources else []
        for at, one in enumerate(shared):
            if one.whole:
                one.fn(drafts, one.slot)
                continue
            made = finish[one.slot]
            for draft in drafts:
                value = draft.source.shared[at].fn(draft.frame)
                if value is not None:
                    draft.frame[one.slot] = made(value, partial(draft.place, code))
        start, end = domain.places.get(f"{code}STDTC"), domain.places.get(f"{code}ENDTC")
        if start is not None and end is not None:
            for draft in drafts:
                first, last = draft.frame[start], draft.frame[end]
                if first is not None and last is not None and _reversed(first, last):
                    self._notes.record("dates-out-of-order", draft.place(code), f"{code}ENDTC")

    def package(self, sequences: Sequences, files: Mapping[str, Path]) -> Package:
        """The datasets and the findings; last, what of the feed is in none of them."""
        paths = self._tables.paths()
        datasets: dict[str, Dataset] = {}
        for domain in self._documents.domains:
            tracer = Tracer(domain, paths, self._documents.shapes)
            done: Finished = finish_domain(domain, self._drafts[domain.code], tracer, sequences, self._notes)
            if done.dataset.rows or domain.code == "DM":
                datasets[domain.code] = with_whole_texts(done.dataset, self._trial)
            if done.extras and self._documents.supp:
                found = supplement_dataset(domain.code, done.extras, self._documents.supp, self._design.study_id)
                datasets[found.name] = found
        relations = relation_rows(self._documents.relations, datasets, self._documents.relrec, self._design.study_id)
        if relations:
            datasets["RELREC"] = self._documents.relrec_dataset(relations)
        tell_unrecorded(files, datasets.values(), self._tables, self._notes)
        return Package(
            study=PackageStudy(
                id=self._design.study_id,
                name=self._study.acronym or self._study.id,
                title=self._study.title,
                protocol=str(self._run.study["protocol"] or self._study.official.value),
            ),
            standard=self._design.standard,
            terminology=self._design.terminology,
            datasets=tuple(datasets[name] for name in sorted(datasets)),
            codelists=_used(datasets.values(), self._documents.codelists),
            findings=self._notes.findings(),
        )


def _reversed(first: str, last: str) -> bool:
    if certainly_before(last, first):
        return True
    return len(first) > 10 and len(last) > 10 and last < first


def _first_only(domain: str, drafts: list[Draft], notes: Notes) -> list[Draft]:
    """Of the rows of a source with ``first``, those that come first; the others are not in the dataset."""
    best: dict[tuple[Any, ...], tuple[tuple[str, str], Draft]] = {}
    for draft in drafts:
        if draft.source.first is None:
            continue
        first = draft.source.first
        group = (draft.usubjid, draft.source.id, *(fn(draft.frame) for fn in first.by))
        order = (str(first.after(draft.frame) or "9999"), draft.key)
        if group not in best or order < best[group][0]:
            best[group] = (order, draft)
    kept, stay = {id(draft) for _, draft in best.values()}, []
    for draft in drafts:
        if draft.source.first is None or id(draft) in kept:
            stay.append(draft)
        elif draft.source.first.finding is not None:
            notes.record(draft.source.first.finding, draft.place(domain), text=draft.source.first.text)
    return stay


def _used(datasets: Iterable[Dataset], codelists: Mapping[str, Codelist]) -> tuple[Codelist, ...]:
    names = {
        name
        for dataset in datasets
        for variable in dataset.variables
        for name in (variable.codelist, *(value.codelist for value in variable.values))
        if name is not None
    }
    return tuple(codelists[name] for name in sorted(names))
