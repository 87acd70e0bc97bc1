"""In: worklist rows and a language. Out: what the page shows; order and next steps are the screening room's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from urllib.parse import urlencode

from adapter.criteria import Stage, Trial
from adapter.screening import Bin, Words, WorklistRow, next_step, words
from adapter.screening.listing import NEW_DAYS, ORDERS, ListingPage
from adapter.service.language import Language
from adapter.service.worklist.reading import MARKER_CHOICES, PAGE_ROWS, Asked

__all__ = ["Chip", "Choice", "ListedRow", "Listing", "Pager", "Section", "Tab", "list_worklist", "patient_name"]

_CHIPS_SHOWN = 3
_PATIENT = "Patient/"


@dataclass(frozen=True, slots=True)
class Chip:
    """A criterion that holds a patient back; ``sole``: it alone does."""

    id: str
    label: str
    mark: str
    sole: bool = False


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One patient's row; ``markers`` are pairs of a marker and its words."""

    row: WorklistRow
    name: str
    born: str
    next_step: str
    outcome_reason: str | None
    chips: tuple[Chip, ...]
    more: int
    recheck: str | None
    last_entry: str | None
    state: str
    decided: str | None
    markers: tuple[tuple[str, str], ...]
    bin_title: str


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one bin; or, in another order than that of what to do, all rows, under no bin."""

    bin: str
    title: str
    note: str
    rows: tuple[ListedRow, ...]


@dataclass(frozen=True, slots=True)
class Tab:
    """A bin, or all of them, with how many are in it."""

    bin: str
    title: str
    count: int
    address: str
    current: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values of a filter."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Pager:
    """Which rows these are; pages to go to by number, None where there is none."""

    first: int
    last: int
    total: int
    page: int
    pages: int

    @property
    def before(self) -> int | None:
        """The page before."""
        return self.page - 1 if self.page > 1 else None

    @property
    def after(self) -> int | None:
        """The next page."""
        return self.page + 1 if self.page < self.pages else None


@dataclass(frozen=True, slots=True)
class Listing:
    """The page: sections in the order of what to do next, what leads elsewhere, and the days the verdicts are of.

    Attributes:
        filtered: it is not the whole list; ``narrowed``: by the filter's own form.
        hidden: what a form carries along beside what it asks for.
        base: address of this list without page, with what was asked for.
    """

    sections: tuple[Section, ...]
    tabs: tuple[Tab, ...]
    pager: Pager
    sites: tuple[Choice, ...]
    markers: tuple[Choice, ...]
    criteria: tuple[Choice, ...]
    orders: tuple[Choice, ...]
    filtered: bool
    narrowed: bool
    text: str
    hidden: tuple[tuple[str, str], ...]
    base: str
    first_on: date | None
    last_on: date | None


def list_worklist(
    found: ListingPage,
    asked: Asked,
    trial: Trial,
    language: Language,
    *,
    stage: Stage,
    sites: Sequence[str],
    today: date,
) -> Listing:
    """The worklist in a reader's language.

    Args:
        found: rows as the screening room orders them, masked where the reader may not see who it is.
        asked: what was asked for.
        trial: labels.
        language: the reader's.
        stage: of the trial.
        sites: those that the reader may see.
        today: tells who is new.
    """
    say = words(language)
    days = [row.on for row in found.rows]
    search = asked.search
    kept = {
        "stage": "" if stage is Stage.REGISTRATION else str(stage),
        "site": asked.site or "",
        "bin": str(asked.bin or ""),
        "marker": asked.marker or "",
        "criterion": search.criterion or "",
        "order": "" if search.order == "next" else search.order,
    }
    rows = [_listed(row, trial, language, today=today) for row in found.rows]
    criteria = [criterion for criterion in trial.criteria if stage in criterion.stages]
    pages = max(1, -(-found.total // PAGE_ROWS))
    page = min(asked.page, pages)
    first = (page - 1) * PAGE_ROWS
    return Listing(
        sections=_sections(rows, say, by_bin=search.order == "next"),
        tabs=_tabs(found.counts, kept, say),
        pager=Pager(first + 1 if rows else 0, first + len(rows), found.total, page, pages),
        sites=tuple(Choice(site, site, site == asked.site) for site in sites) if len(sites) > 1 else (),
        markers=tuple(Choice(one, say.of("markers", one), one == asked.marker) for one in MARKER_CHOICES),
        criteria=tuple(Choice(c.id, f"{c.id} {c.label[language]}", c.id == search.criterion) for c in criteria),
        orders=tuple(Choice(one, one, one == search.order) for one in ORDERS),
        filtered=bool(search.text or asked.marker or search.criterion or asked.bin or asked.site),
        narrowed=bool(asked.marker or search.criterion or asked.site or search.order != "next"),
        text=search.text,
        hidden=tuple((name, value) for name, value in kept.items() if value and name in ("stage", "bin")),
        base=_address(kept),
        first_on=min(days, default=None),
        last_on=max(days, default=None),
    )


def patient_name(reference: str) -> str:
    """A patient's id at the hospital, without the resource type that every one of them has."""
    return reference.removeprefix(_PATIENT)


def _address(kept: Mapping[str, str], **changed: str) -> str:
    """The list's address with something changed."""
    told = {name: value for name, value in {**kept, **changed}.items() if value}
    return f"/?{urlencode(told)}" if told else "/"


def _tabs(counts: Mapping[Bin, int], kept: Mapping[str, str], say: Words) -> tuple[Tab, ...]:
    chosen = kept["bin"]
    every = Tab("", "", sum(counts.values()), _address(kept, bin=""), not chosen)
    return (
        every,
        *(
            Tab(str(one), say.of("bins", one), counts[one], _address(kept, bin=str(one)), str(one) == chosen)
            for one in Bin
        ),
    )


def _sections(rows: Sequence[ListedRow], say: Words, *, by_bin: bool) -> tuple[Section, ...]:
    if not by_bin:
        return (Section("", "", "", tuple(rows)),) if rows else ()
    return tuple(
        Section(str(group), say.of("bins", group), say.of("bin_notes", group), tuple(members))
        for group, members in groupby(rows, key=lambda item: item.row.bin)
    )


def _listed(row: WorklistRow, trial: Trial, language: Language, *, today: date) -> ListedRow:
    say = words(language)
    holding = row.failed or row.missing or row.at_visit
    mark = "fail" if row.failed else "open"
    chips = tuple(
        Chip(name, trial.criterion(name).label[language], mark, name == row.sole) for name in holding[:_CHIPS_SHOWN]
    )
    born = [] if row.birth_year is None else [str(row.birth_year)]
    sex = [] if row.sex is None else [say.of("sexes", row.sex)]
    return ListedRow(
        row=row,
        name=patient_name(row.patient),
        born=" · ".join([row.site, *born, *sex]),
        next_step=next_step(row, trial, say),
        outcome_reason=None if row.outcome_reason is None else say.of("outcome_reasons", row.outcome_reason),
        chips=chips,
        more=max(0, len(holding) - _CHIPS_SHOWN),
        recheck=None if row.recheck_by is None else say.day(row.recheck_by),
        last_entry=None if row.last_entry is None else say.day(row.last_entry),
        state=next((state.label[language] for state in trial.states if state.id == row.state), row.state),
        decided=None if row.decided_on is None else say.day(row.decided_on),
        markers=tuple((one, say.of("markers", one)) for one in _markers(row, today)),
        bin_title=say.of("bins", row.bin),
    )


def _markers(row: WorklistRow, today: date) -> Collection[str]:
    is_new = row.found_on is not None and row.state == "new" and today - row.found_on <= timedelta(days=NEW_DAYS)
    return ("new", *row.markers) if is_new else row.markers
