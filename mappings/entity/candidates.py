"""In: who a site's screening has on its list. Out: that list, by the numbers of the subjects on it."""

from __future__ import annotations

from mappings.entity.fields import DAY, EntityError, Values, check_code, check_text, check_time

__all__ = ["Candidate", "CandidateList"]


class Candidate(Values, frozen=True, kw_only=True):
    """One entry.

    Attributes:
        number: of the subject; never a hospital's number.
        since: the day on which screening first found the person, YYYY-MM-DD; None where it is not told.
    """

    number: str
    since: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no number or no day."""
        check_code("number", self.number)
        check_text("number", self.number, longest=255)
        _check_day("since", self.since)


class CandidateList(Values, frozen=True, kw_only=True):
    """The candidates of one study at one site.

    Attributes:
        study: the product's id of the trial.
        site: the sponsor's number of the site, e.g. ``05``, or its name in the settings.
        as_of: the day since which it stands as it is, YYYY-MM-DD.
        candidates: by number, each once.
        retired: the hospital has put the list away (recruIT calls the trial inactive then); nobody else does.
    """

    study: str
    site: str
    as_of: str
    candidates: tuple[Candidate, ...] = ()
    retired: bool = False

    def __post_init__(self) -> None:
        """Refuse a list that could not be found again by its study and site, or that names somebody twice."""
        for field in ("study", "site"):
            check_code(field, getattr(self, field))
            check_text(field, getattr(self, field), longest=64)
            if "/" in getattr(self, field):
                raise EntityError(field, "is an id without a slash")
        _check_day("as_of", self.as_of)
        for at, (before, after) in enumerate(zip(self.candidates, self.candidates[1:], strict=False), 1):
            if before.number >= after.number:
                raise EntityError(f"candidates[{at}].number", "stands twice, or not in order")

    @property
    def subjects(self) -> tuple[str, ...]:
        """Their numbers."""
        return tuple(one.number for one in self.candidates)


def _check_day(field: str, day: str | None) -> None:
    check_time(field, day, day=True)
    if day is not None and len(day) != DAY:
        raise EntityError(field, "a day without a time is wanted (YYYY-MM-DD)")
