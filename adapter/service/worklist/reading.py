"""In: what a reader asks of the worklist, through their desk. Out: rows of the sites they may see, up to date, and who saw them noted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Final

from starlette.exceptions import HTTPException

from adapter.accounts import Permission
from adapter.criteria import Stage, Trial
from adapter.screening import Bin, WorklistRow
from adapter.screening.listing import ORDERS, ListingPage, Search, every_row, read_page, refresh
from adapter.screening.listing_finding import NUMBER_LENGTH
from adapter.screening.listing_row import MARKERS
from adapter.service.desk import Desk

__all__ = [
    "MARKER_CHOICES",
    "PAGE_ROWS",
    "Asked",
    "bring_up_to_date",
    "masked",
    "note_seen",
    "parse_asked",
    "read_listing",
    "sites_of",
    "stream_listing",
]

PAGE_ROWS: Final = 50
#: Whoever was found this week first: that is what one looks for most.
MARKER_CHOICES: Final = ("new", *MARKERS)
#: So long a page waits for another request that brings the list up to date; then it shows what there is, and says so.
_WAIT: Final = 3.0
_IN_A_LINE: Final = 1000
_SUBJECT_LENGTH: Final = 255
_MOST_PAGES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the list; ``site`` None for all that the reader may see."""

    search: Search
    site: str | None = None
    page: int = 1

    @property
    def bin(self) -> Bin | None:
        """The one bin that is asked for."""
        return self.search.bins[0] if self.search.bins else None

    @property
    def marker(self) -> str | None:
        """The one marker that is asked for."""
        return self.search.markers[0] if self.search.markers else None


def parse_asked(values: Mapping[str, str], trial: Trial, *, today: date) -> Asked:
    """What an address or a form asks for; what is left empty asks for nothing.

    Raises:
        HTTPException: 422, a value is none of those there are.
    """

    def one_of(name: str, choices: Iterable[str]) -> str | None:
        value = values.get(name) or None
        if value is not None and value not in choices:
            raise HTTPException(422)
        return value

    bin_ = one_of("bin", [str(one) for one in Bin])
    marker = one_of("marker", MARKER_CHOICES)
    text = (values.get("text") or "").strip()
    page = values.get("page") or "1"
    if len(text) > NUMBER_LENGTH or not (page.isascii() and page.isdigit() and 0 < int(page[:9]) <= _MOST_PAGES):
        raise HTTPException(422)
    search = Search(
        bins=() if bin_ is None else (Bin(bin_),),
        text=text,
        markers=() if marker is None else (marker,),
        criterion=one_of("criterion", [criterion.id for criterion in trial.criteria]),
        order=one_of("order", ORDERS) or "next",
        today=today,
    )
    return Asked(search=search, site=values.get("site") or None, page=int(page[:9]))


def sites_of(desk: Desk, site: str | None) -> list[str]:
    """The sites to read of.

    Raises:
        HTTPException: 404, there is no such site for this reader.
    """
    sites = desk.sites_with(Permission.WORKLIST)
    if site is None:
        return sites
    if site not in sites:
        raise HTTPException(404)
    return [site]


def bring_up_to_date(desk: Desk, stage: Stage, sites: Sequence[str], *, wait: float = _WAIT) -> bool:
    """Whether what is shown now is how things stand; not where another request is still at it."""
    # Not `all` of a generator: that would leave the sites behind the first one that waits.
    current = True
    for site in sites:
        current &= refresh(desk.store, desk.trial, stage, site, wait=wait)
    return current


def read_listing(
    desk: Desk, stage: Stage, asked: Asked, *, limit: int = PAGE_ROWS, offset: int | None = None
) -> tuple[ListingPage, bool]:
    """A part of the list, and whether it is up to date; that it was seen is noted.

    Args:
        desk: of the reader.
        stage: of the trial.
        asked: for what; a page behind the last one is the last.
        limit: rows of a page.
        offset: rows to pass over, instead of the page that is asked for.
    """
    sites = sites_of(desk, asked.site)
    if not sites:
        return ListingPage([], 0, dict.fromkeys(Bin, 0)), True
    current = bring_up_to_date(desk, stage, sites)
    identity = [site for site in sites if desk.shows_identity(site)]

    def read(start: int) -> ListingPage:
        return read_page(
            desk.store,
            desk.trial,
            stage,
            sites=sites,
            identity=identity,
            search=asked.search,
            offset=start,
            limit=limit,
        )

    start = (asked.page - 1) * limit if offset is None else offset
    found = read(start)
    if offset is None and not found.rows and found.total:
        found = read((found.total - 1) // limit * limit)
    note_seen(desk, "view-worklist", found.rows, sites=sites)
    return found, current


def stream_listing(desk: Desk, stage: Stage, asked: Asked) -> Iterator[WorklistRow]:
    """All rows that are asked for; who they are of is noted before they go out.

    Raises:
        HTTPException: 404, there is no such site for this reader; at once, not when the first row is taken.
    """
    sites = sites_of(desk, asked.site)
    bring_up_to_date(desk, stage, sites, wait=-1)
    identity = [site for site in sites if desk.shows_identity(site)]
    found = every_row(desk.store, desk.trial, stage, sites=sites, identity=identity, search=asked.search)
    return _noted(desk, found if sites else iter(()), sites)


def _noted(desk: Desk, rows: Iterator[WorklistRow], sites: Sequence[str]) -> Iterator[WorklistRow]:
    part = list(islice(rows, _IN_A_LINE))
    if not part:
        note_seen(desk, "export-worklist", (), sites=sites)
    while part:
        note_seen(desk, "export-worklist", part, sites=sites)
        yield from part
        part = list(islice(rows, _IN_A_LINE))


def note_seen(desk: Desk, action: str, rows: Sequence[WorklistRow], *, sites: Sequence[str]) -> None:
    """Note in the audit trail of whom rows were shown: by ids, whatever the reader saw of them."""
    for group in _groups(sites):
        people = " ".join(f"{row.site}/{row.patient}" for row in rows if row.site in group)
        if people or not rows:
            desk.audit(action, subject=" ".join(group), detail=people)


def _groups(sites: Sequence[str]) -> Iterator[list[str]]:
    """Sites that fit into one line's subject; nearly always all of them."""
    group: list[str] = []
    for site in sites:
        if group and len(" ".join([*group, site])) > _SUBJECT_LENGTH:
            yield group
            group = []
        group.append(site)
    yield group


def masked(desk: Desk, row: WorklistRow) -> WorklistRow:
    """The row as the reader may see it: where they may not see who it is, the screening number stands for the patient."""
    return row if desk.shows_identity(row.site) else replace(row, patient=row.number)
