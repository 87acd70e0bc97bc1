"""In: calendar days. Out: what a record says of a time (one day, or every day of a partial date), and of a diagnosis.

These are the story's own accounts of what was written; truths are weighed on them, never on the written JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from adapter.simulate.moments import month_end, months_text


@dataclass(frozen=True, slots=True)
class Days:
    """The days on which something may have happened: one, or those of a month or a year."""

    first: date
    last: date

    def within(self, start: date, end: date) -> bool:
        """Surely between the two, both included."""
        return start <= self.first and self.last <= end

    def text(self) -> str:
        """As FHIR prints it: `2025-05-20`, `2025-05` or `2025`."""
        if self.first == self.last:
            return self.first.isoformat()
        if self.first.month == self.last.month:
            return months_text(self.first)
        return f"{self.first.year:04d}"


def the_day(day: date) -> Days:
    """One day."""
    return Days(day, day)


def the_month(day: date) -> Days:
    """Some day of that day's month."""
    return Days(day.replace(day=1), month_end(day))


def the_year(day: date) -> Days:
    """Some day of that day's year."""
    return Days(date(day.year, 1, 1), date(day.year, 12, 31))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A Condition: ICD-10 code, standing, and the dates that it carries."""

    code: str
    verification: str = "confirmed"
    clinical: str = "active"
    onset: Days | None = None
    recorded: date | None = None
    abatement: Days | None = None

    @property
    def icd(self) -> str:
        """The code without its dot."""
        return self.code.replace(".", "")

    @property
    def dropped(self) -> bool:
        """Refuted, or written by mistake."""
        return self.verification in ("refuted", "entered-in-error")

    @property
    def confirmed(self) -> bool:
        """Confirmed: neither provisional, differential nor unconfirmed."""
        return self.verification == "confirmed"

    def later_than(self, day: date) -> bool:
        """Begun after that day: by onset, else by the day of recording (clarification 27)."""
        begun = self.onset.first if self.onset is not None else self.recorded
        return begun is not None and begun > day

    def newest(self) -> date | None:
        """The latest day that the record names."""
        ends = [days.last for days in (self.onset, self.abatement) if days is not None]
        return max([*ends, *([self.recorded] if self.recorded else [])], default=None)


def newest_of(*days: date | None) -> date | None:
    """The latest of the days that are known."""
    return max((day for day in days if day is not None), default=None)
