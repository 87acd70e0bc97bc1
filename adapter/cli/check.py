"""In: a site. Out: what works of its connection and of its records, and what to ask whom for (exit 5), by JSON or as tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.connection_report import WORDS, Report, connection_json, print_connection
from adapter.cli.opening import Opened, opened, settings_of
from adapter.cli.options import Options
from adapter.cli.output import console, data, note
from adapter.errors import ConfigurationError, worst_exit_code

if TYPE_CHECKING:
    from adapter.config import Settings, SiteSettings
    from adapter.jobs.check import SiteToCheck
    from adapter.screening import Words
    from adapter.screening.coverage import Coverage, Datum, Gap

__all__ = ["check"]

_IN_PART = 5
_NAMED = 5
_SAMPLE = 200


def check(
    ctx: typer.Context,
    site: Annotated[str, typer.Option(help="The site.")],
    trial: Annotated[str | None, typer.Option(help="Trial; else the first of the settings.")] = None,
    overlay: Annotated[Path | None, typer.Option(help="The site's documents, instead of the settings'.")] = None,
    sample: Annotated[
        int,
        typer.Option(
            min=0,
            help="Where nothing was pulled yet: so many resources of a type are looked at, and not kept; 0 for none.",
        ),
    ] = _SAMPLE,
    lang: Annotated[str, typer.Option(help="en or fr.")] = "en",
) -> None:
    """Check a site: the connection to its server, and how far its records answer the trial's criteria.

    Of the server: name, certificate, clock, CapabilityStatement, SMART configuration, token and scopes, and one resource of
    each type that the trial needs. Of the records: codes, units, limits of normal. Nothing is changed anywhere. What is not
    well comes with the sentence to send to who can mend it.
    """
    from adapter.screening import words

    options: Options = ctx.obj
    tongue, connected = words(lang), words(lang, WORDS)
    settings = settings_of(options)
    configured = settings.sites.get(site)
    report, subject = None, None
    if configured is not None and configured.base_url is not None:
        note(options, f"{site}: asking {configured.base_url}")
        # Before the store is opened: that would mend what is to be told.
        report, subject = _connection(options, settings, site, configured)
    with _records(options, settings, site, subject=subject, report=report, most=sample) as (room, sampled):
        found = None if room is None else _coverage(room, site, trial, overlay=overlay, sampled=sampled is not None)
    looked = _Looked(site, trial or settings.trials[0], found, sampled, report)
    if options.json:
        data(looked.to_json(tongue, connected))
    else:
        looked.print(tongue, connected)
    if looked.exit_code:
        raise typer.Exit(looked.exit_code)


@dataclass(frozen=True, slots=True)
class _Looked:
    """All that was looked at: coverage None where there are no records, sampled None where they are those of the store."""

    site: str
    trial: str
    coverage: Coverage | None
    sampled: int | None
    report: Report | None

    @property
    def exit_code(self) -> int:
        codes = {0 if self.coverage is None or self.coverage.is_whole else _IN_PART}
        if self.report is not None:
            codes.add(self.report.found.exit_code)
        return worst_exit_code(codes - {0})

    def to_json(self, tongue: Words, connected: Words) -> dict[str, Any]:
        told: dict[str, Any] = {"site": self.site, "trial": self.trial, "complete": True}
        empty: dict[str, Any] = {"criteria": [], "data": [], "unmapped": None}
        told |= empty if self.coverage is None else _to_json(self.coverage, tongue)
        told["complete"] = self.exit_code == 0
        if self.report is not None:
            told["covered"] = None if self.coverage is None else "stored" if self.sampled is None else "sample"
            told["sampled"] = self.sampled
            told["connection"] = connection_json(self.report, connected)
        return told

    def print(self, tongue: Words, connected: Words) -> None:
        out = console()
        if self.report is not None:
            print_connection(self.report, connected)
        if self.coverage is None:
            out.print(connected.of("titles", "nothing-stored", site=self.site))
            return
        if self.sampled is not None:
            out.print(connected.of("titles", "sampled", count=self.sampled))
        _print(self.coverage, tongue)


def _connection(
    options: Options, settings: Settings, site: str, configured: SiteSettings
) -> tuple[Report, SiteToCheck | None]:
    from adapter.config import DEFAULT_FILE
    from adapter.jobs import feed_types
    from adapter.jobs.check import Finding, Group, SiteCheck, SiteToCheck, Status, check_here, check_reach, check_site
    from adapter.jobs.connecting import site_address

    now, file = datetime.now(UTC), options.config or DEFAULT_FILE
    here = list(check_here(configured, settings_file=file, store=settings.store.path, now=now))
    try:
        address = site_address(site, configured)
    except ConfigurationError as error:
        wrong = Finding(Group.HERE, "settings-wrong", Status.FAILED, {"problem": str(error)}, error.exit_code)
        return Report(site, configured.base_url, SiteCheck((wrong, *here))), None
    subject = SiteToCheck(configured, address, tuple(feed_types(settings)[site]))
    found = check_site(subject, way=check_reach(address, now=now))
    return Report(site, address.root, SiteCheck((*here, *found.findings), found.types)), subject


@contextmanager
def _records(
    options: Options, settings: Settings, site: str, *, subject: SiteToCheck | None, report: Report | None, most: int
) -> Iterator[tuple[Opened | None, int | None]]:
    """The site's records: those of the store, else a sample; None where there are none. And how many a sample holds."""
    from adapter.jobs.check import sampled_store

    if report is None:
        with opened(options) as room:
            room.sites(site)
            yield room, None
        return
    if settings.store.path.is_dir():
        with opened(options) as room:
            if site in room.store.lake.sites():
                yield room, None
                return
    readable = report.found.readable
    if subject is None or not readable or not most:
        yield None, None
        return
    folder = settings.store.path / "tmp"
    beside = folder if folder.is_dir() else None
    with sampled_store(subject, site=site, types=readable, most=most, folder=beside) as (store, counts):
        yield Opened(settings, store), sum(counts.values())


def _coverage(room: Opened, site: str, trial: str | None, *, overlay: Path | None, sampled: bool) -> Coverage:
    from adapter.screening.coverage import read_coverage

    found = read_coverage(room.store, room.trial(trial), room.site(site, overlay))
    if not sampled:
        return found
    # What is not in a sample may be there all the same.
    whole = (replace(datum, gaps=tuple(gap for gap in datum.gaps if gap.kind != "no-data")) for datum in found.data)
    return replace(found, data=tuple(whole))


def _sentence(datum: Datum, gap: Gap, tongue: Words) -> str:
    named = tongue.listing(gap.named, limit=_NAMED)
    return tongue.of("gaps", gap.kind, label=datum.label[tongue.lang], results=gap.results, named=named)


def _to_json(found: Coverage, tongue: Words) -> dict[str, Any]:
    by_criterion: dict[str, list[str]] = {}
    for datum in found.data:
        for criterion in datum.criteria:
            by_criterion.setdefault(criterion, []).append(datum.what)
    return {
        "site": found.site,
        "trial": found.trial,
        "complete": found.is_whole,
        "criteria": [{"id": identity, "data": by_criterion[identity]} for identity in sorted(by_criterion, key=_order)],
        "data": [
            {
                "what": datum.what,
                "kind": datum.kind,
                "label": datum.label[tongue.lang],
                "criteria": list(datum.criteria),
                "results": datum.stored.results,
                "persons": datum.stored.persons,
                "last": datum.stored.last,
                "gaps": [
                    {
                        "kind": gap.kind,
                        "results": gap.results,
                        "named": list(gap.named),
                        "sentence": _sentence(datum, gap, tongue),
                    }
                    for gap in datum.gaps
                ],
            }
            for datum in found.data
        ],
        "unmapped": {
            "codes": len(found.unmapped.codes),
            "results": found.unmapped.results,
            "units": len(found.unmapped.units),
        },
    }


def _order(identity: str) -> tuple[bool, str]:
    # Inclusions before exclusions, as the protocol has them.
    return identity.startswith("E"), identity


def _print(found: Coverage, tongue: Words) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    whole = sum(1 for datum in found.data if not datum.gaps)
    counts = {"complete": whole, "data": len(found.data)}
    out.print(Text(tongue.of("coverage", "title", site=found.site, trial=found.trial, **counts), style="bold"))
    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(tongue.listing_of("coverage_columns")):
        table.add_column(heading, justify="right" if place in (2, 3) else "left")
    for datum in found.data:
        names = [tongue.of("gap_names", gap.kind, results=gap.results) for gap in datum.gaps]
        table.add_row(
            Text(datum.label[tongue.lang]),
            " ".join(datum.criteria),
            str(datum.stored.persons),
            str(datum.stored.results),
            datum.stored.last or "",
            Text(", ".join(names)),
        )
    out.print(table)
    sentences = dict.fromkeys(_sentence(datum, gap, tongue) for datum in found.data for gap in datum.gaps)
    if sentences:
        out.print(Text(tongue.of("coverage", "to-ask"), style="bold"))
    for sentence in sentences:
        out.print(Text(f"- {sentence}"))
    if found.unmapped.codes or found.unmapped.units:
        left = {"codes": len(found.unmapped.codes), "units": len(found.unmapped.units)}
        out.print(Text(tongue.of("coverage", "rest", site=found.site, **left)))
