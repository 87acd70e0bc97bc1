"""In: what nuclear medicine records of an infusion. Out: the same, as far as its status allows it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from adapter.fhir import When, parse_when
from mappings.entity.fields import EntityError, Values, check_amount, check_code, check_order, check_text, check_time
from mappings.entity.values import Coding, Identifier

__all__ = ["AminoAcids", "Batch", "Extravasation", "Infusion", "InfusionStatus", "Interruption"]


class InfusionStatus(StrEnum):
    """What became of an infusion (codes of FHIR MedicationAdministration.status)."""

    IN_PROGRESS = "in-progress"
    NOT_DONE = "not-done"
    ON_HOLD = "on-hold"
    COMPLETED = "completed"
    ENTERED_IN_ERROR = "entered-in-error"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class Batch(Values, frozen=True, kw_only=True):
    """A manufactured batch: its number, and until when it may be given (with time of day, since activity decays)."""

    number: str
    expires: str | None = None

    def __post_init__(self) -> None:
        """Refuse an expiry that is no time."""
        check_text("number", self.number, longest=255)
        check_time("expires", self.expires)


class AminoAcids(Values, frozen=True, kw_only=True):
    """The amino-acid solution given beside it: product in words, volume in mL, from when to when."""

    product: str
    start: str
    end: str | None = None
    volume: Decimal | None = None

    def __post_init__(self) -> None:
        """Refuse an end before the beginning."""
        check_text("product", self.product)
        check_order("end", check_time("start", self.start, day=True), check_time("end", self.end, day=True))
        check_amount("volume", self.volume)


class Interruption(Values, frozen=True, kw_only=True):
    """A pause of the infusion: from when to when, both with time of day; why, in words."""

    start: str
    end: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        """Refuse an end before the beginning."""
        check_order("end", check_time("start", self.start, moment=True), check_time("end", self.end, moment=True))
        check_text("reason", self.reason)


class Extravasation(Values, frozen=True, kw_only=True):
    """Whether the product left the vein: looked for, and found or not."""

    occurred: bool
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse an empty note."""
        check_text("note", self.note)


class Infusion(Values, frozen=True, kw_only=True):
    """One infusion of a radiopharmaceutical.

    Attributes:
        id: the hospital's own identifier of the administration.
        patient: the hospital's own number of the person.
        product: what was given, e.g. ATC V10XX04.
        status: what became of it.
        product_text: the product as labelled, e.g. ``LUTATHERA 370 MBq/mL``.
        start: when it began; not wanted where it was not done.
        end: when it ended.
        planned: the day it was planned for, where it was not done.
        course: which PRRT, from 1.
        cycle: which cycle of the course, from 1.
        prescribed: activity prescribed, MBq.
        administered: activity measured as given, MBq; never filled in from what was prescribed.
        calibrated: activity at the calibration time, MBq.
        calibration_time: with time of day.
        batch: where it is known.
        route: how it was given, e.g. SNOMED CT 47625008.
        body_site: where it was given, in words.
        rate: mL/h.
        status_reason: why it was stopped, held or not done, in words.
        amino_acids: the solution given beside it.
        interruptions: pauses, in order.
        extravasation: None where nobody looked.
        subject: the trial's pseudonym, where the person is a subject.
        performer: who gave it, e.g. by RPPS number.
        note: in words.
    """

    id: Identifier
    patient: Identifier
    product: Coding
    status: InfusionStatus
    product_text: str | None = None
    start: str | None = None
    end: str | None = None
    planned: str | None = None
    course: int | None = None
    cycle: int | None = None
    prescribed: Decimal | None = None
    administered: Decimal | None = None
    calibrated: Decimal | None = None
    calibration_time: str | None = None
    batch: Batch | None = None
    route: Coding | None = None
    body_site: str | None = None
    rate: Decimal | None = None
    status_reason: str | None = None
    amino_acids: AminoAcids | None = None
    interruptions: tuple[Interruption, ...] = ()
    extravasation: Extravasation | None = None
    subject: str | None = None
    performer: Identifier | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts the status, the order of times, or itself."""
        began, ended = check_time("start", self.start, day=True), check_time("end", self.end, day=True)
        check_time("planned", self.planned)
        check_time("calibration_time", self.calibration_time, moment=True)
        check_order("end", began, ended)
        for field in ("prescribed", "calibrated", "rate"):
            check_amount(field, getattr(self, field))
        # A measured activity of 0 is told of an infusion that was stopped before anything was given.
        check_amount("administered", self.administered, above_zero=self.status is InfusionStatus.COMPLETED)
        if (self.calibrated is None) is not (self.calibration_time is None):
            field = "calibrated" if self.calibrated is None else "calibration_time"
            raise EntityError(field, "an activity and the time it was calibrated for belong together")
        self._check_status()
        for field in ("course", "cycle"):
            number = getattr(self, field)
            if number is not None and not 1 <= number < 100:
                raise EntityError(field, "is a number from 1")
        for field in ("product_text", "body_site", "status_reason", "note"):
            check_text(field, getattr(self, field))
        if self.subject is not None:
            check_code("subject", self.subject)
        self._check_interruptions(began, ended)

    def _check_status(self) -> None:
        not_done = self.status is InfusionStatus.NOT_DONE
        if not_done:
            for field in ("start", "end", "administered", "amino_acids", "extravasation", "rate"):
                if getattr(self, field) is not None:
                    raise EntityError(field, "nothing of the kind is told of an infusion that was not done")
            if self.planned is None:
                raise EntityError("planned", "is wanted for an infusion that was not done")
        else:
            if self.start is None:
                raise EntityError("start", "is wanted for an infusion that was begun")
            if self.planned is not None:
                raise EntityError("planned", "is told of an infusion that was not done only")
        if self.status in (InfusionStatus.NOT_DONE, InfusionStatus.STOPPED) and self.status_reason is None:
            raise EntityError("status_reason", f"is wanted for {self.status}")

    def _check_interruptions(self, began: When | None, ended: When | None) -> None:
        before: tuple[When | None, When | None] = (None, None)
        for at, pause in enumerate(self.interruptions):
            field = f"interruptions[{at}]"
            if self.status is InfusionStatus.NOT_DONE:
                raise EntityError(field, "an infusion that was not done is not interrupted")
            begins, ends = parse_when(pause.start), parse_when(pause.end)
            check_order(f"{field}.start", began, begins)
            for name, when in (("start", begins), ("end", ends)):
                if when is not None and ended is not None and when.start >= ended.end:
                    raise EntityError(f"{field}.{name}", "lies after the end of the infusion")
            for other in before:
                if other is not None and begins is not None and begins.start < other.start:
                    raise EntityError(
                        f"{field}.start", "lies before the beginning or the end of the interruption before it"
                    )
            before = begins, ends
