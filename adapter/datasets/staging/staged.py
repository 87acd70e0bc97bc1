"""In: nothing. Out: what staging hands on: the pseudonymised feed's files, its subjects, their verdicts, findings, and the trace that stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from adapter.datasets.model import Finding
from adapter.datasets.pseudonymising import TraceEntry
from adapter.datasets.staging.anonymity import k_anonymity
from mappings.entities import EventKind, SubjectEvent

__all__ = ["Staged", "StagedSubject", "StagedVerdict"]


@dataclass(frozen=True)
class StagedSubject:
    """A subject of the export; days are moved where the export moves dates, and none lies after its data cut.

    Attributes:
        usubjid: ``RELUTH-05-0001``.
        subjid: unique within the study: ``05-0001``.
        site: as in the settings.
        site_code: the sponsor's number of the site.
        arm: name of the arm in the study document; None before the randomisation.
        sex: administrative gender as FHIR codes it; None where it is not told.
        age: completed years on the day of the consent, 90 for those above 89; None where the record does not tell it.
        consented_on: the day of the consent.
        events: the whole history.
        deceased: a death is recorded, with or without its day.
        died_on: its day.
    """

    usubjid: str
    subjid: str
    site: str
    site_code: str
    arm: str | None
    sex: str | None
    age: int | None
    consented_on: date
    events: tuple[SubjectEvent, ...]
    deceased: bool = False
    died_on: date | None = None

    def day(self, kind: EventKind, *, last: bool = False) -> date | None:
        """The day of the first (or last) event of a kind."""
        days = [date.fromisoformat(event.on) for event in self.events if event.kind is kind]
        return (days[-1] if last else days[0]) if days else None

    @property
    def registered_on(self) -> date | None:
        """The day of the registration."""
        return self.day(EventKind.REGISTERED)

    @property
    def randomised_on(self) -> date | None:
        """The day of the randomisation."""
        return self.day(EventKind.RANDOMISED)

    @property
    def first_cycle_on(self) -> date | None:
        """The day of the first cycle of the second PRRT."""
        return self.day(EventKind.CYCLE)

    @property
    def treatment_over_on(self) -> date | None:
        """The day on which the treatment of the arm was over."""
        return self.day(EventKind.TREATMENT_OVER)

    @property
    def progression_on(self) -> date | None:
        """The day of the first progression."""
        return self.day(EventKind.PROGRESSION)

    @property
    def withdrawn_on(self) -> date | None:
        """The day of the withdrawal."""
        return self.day(EventKind.WITHDRAWN)

    @property
    def ended_on(self) -> date | None:
        """The day on which the participation formally ended."""
        return self.day(EventKind.ENDED)


@dataclass(frozen=True, slots=True)
class StagedVerdict:
    """What was found of one criterion on the day of the registration or randomisation, or when the subject failed it.

    Attributes:
        stage: ``registration`` or ``randomisation``.
        on: the reference date.
        truth: of the registry's sentence: ``T``, ``F`` or ``U``; an inclusion passes on T, an exclusion on F.
        reason: of a U, from the contract's list.
    """

    usubjid: str
    stage: str
    on: date
    criterion: str
    truth: str
    reason: str | None


@dataclass(frozen=True)
class Staged:
    """The pseudonymised feed, and what belongs to it.

    Attributes:
        folder: of the files.
        files: ``<Type>.ndjson`` by type, only those with a line in them; lines sorted by subject and id.
        subjects: sorted by number.
        verdicts: sorted by number, stage and criterion.
        findings: what was blanked or left out, counted.
        left_out: subjects that are not in it, by reason.
        trace: site only: which resource of the feed was made of which at the hospital.
    """

    folder: Path
    files: Mapping[str, Path]
    subjects: tuple[StagedSubject, ...]
    verdicts: tuple[StagedVerdict, ...]
    findings: tuple[Finding, ...]
    left_out: Mapping[str, int]
    trace: Sequence[TraceEntry] = field(repr=False)

    def anonymity(self) -> dict[str, Any]:
        """The k-anonymity report over site, sex and age band, as a value for JSON."""
        return k_anonymity((one.site_code, one.sex or "unknown", one.age) for one in self.subjects)
