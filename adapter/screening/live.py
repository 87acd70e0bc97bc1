"""In: a record with newer resources over it. Out: the verdict as of now; nothing is kept.

What a site declares of the completeness of its feed does not hold for somebody of whom only a part is known.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from adapter.criteria import PatientVerdict, Stage, Trial, evaluate, reference_date
from adapter.criteria.concepts.participation import is_of_study
from adapter.fhir import PatientRecord
from adapter.terminology import Site

__all__ = ["takes_part", "verdict_of"]

#: Statuses of the trial's own ResearchSubject as long as nothing but the pre-screening has begun.
_BEFORE = frozenset({"potential-candidate", "candidate", "screening", "eligible"})


def verdict_of(
    trial: Trial, record: PatientRecord, site: Site, *, today: date, added: bool = False, is_whole: bool = True
) -> PatientVerdict:
    """The verdict for registration, as of the day on record or today.

    Args:
        trial: whose criteria.
        record: of the person.
        site: how the site's records are to be read.
        today: in Europe/Paris.
        added: a person put the patient on the list.
        is_whole: False where the record may lack what the hospital has: then nothing is taken as absent.
    """
    on = reference_date(trial, record, Stage.REGISTRATION) or today
    read_as = site if is_whole else replace(site, completeness=())
    return evaluate(trial, record, site=read_as, stage=Stage.REGISTRATION, on=on, added=added)


def takes_part(trial: Trial, record: PatientRecord) -> bool:
    """Whether the hospital's own ResearchSubject of the trial tells that pre-screening is over, whichever way it ended."""
    return any(
        subject.status not in _BEFORE and is_of_study(subject, record, trial.identifiers)
        for subject in record.subjects
        if subject.status is not None
    )
