"""In: the sites of the settings. Out: each pulled, screened and pushed, once or for ever; events in the log, parts on stdout."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import Opened, settings_of, today
from adapter.cli.options import Options
from adapter.cli.output import data, line
from adapter.errors import ConfigurationError, ReluthError, UsageError, worst_exit_code

if TYPE_CHECKING:
    from datetime import date

    from adapter.config import Settings
    from adapter.jobs import Part, ScreenSummary, Steps
    from adapter.store import Store
    from adapter.sync import PullSummary, PushSummary

__all__ = ["sync"]

_LATER = 75
_STANDING = {0: "done", 1: "defect", 2: "settings", 3: "document", 4: "refused", 5: "in part", _LATER: "later"}


def sync(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Only this site; else all of the settings.")] = None,
    every: Annotated[
        str | None, typer.Option(metavar="INTERVAL", help="Go on, each site this often: 90s, 15m, 2h, 1d.")
    ] = None,
    no_push: Annotated[bool, typer.Option("--no-push", help="Tell the hospitals nothing.")] = False,
) -> None:
    """Pull, screen and push: once, or with --every until it is stopped."""
    from adapter.jobs import Rounds, Stopped, parse_every, stop_signals
    from adapter.jobs.mail import Postman

    options: Options = ctx.obj
    interval = None if every is None else parse_every(every)
    settings = settings_of(options)
    quiet_hours = {name: settings.sites[name].quiet_hours for name in _sites(settings, site)}
    cycle = partial(_cycle, settings=settings, push=not no_push, options=options, warned=set())
    try:
        with stop_signals():
            if interval is not None:
                Rounds(quiet_hours, cycle, every=interval, between=Postman(settings)).run()
            code = worst_exit_code({cycle(name) for name in quiet_hours})
    except Stopped as stop:
        if interval is not None:
            # Going on until a signal comes is what was asked for.
            raise typer.Exit(0) from None
        if stop.number == signal.SIGINT:
            raise
        # A single cycle that was cut has to be run again.
        raise typer.Exit(_LATER) from None
    raise typer.Exit(code)


def _sites(settings: Settings, site: str | None) -> list[str]:
    if site is not None and site not in settings.sites:
        raise ConfigurationError(
            f"sites.{site}", f"is not in the settings (there: {', '.join(settings.sites) or 'none'})"
        )
    names = [site] if site is not None else list(settings.sites)
    if not names:
        raise UsageError("no site is in the settings: `reluth init` writes one")
    return names


def _cycle(site: str, *, settings: Settings, push: bool, options: Options, warned: set[tuple[str, str, date]]) -> int:
    """One cycle of a site; its exit code. Of ``warned`` (site, what, day) the log has heard."""
    from datetime import UTC, datetime

    from adapter.jobs import Part, cycle_exit_code, run_cycle
    from adapter.observe import logger
    from adapter.store import Store

    try:
        # Opened for each cycle: nothing is held while nothing is done.
        with Store.open(settings.store.path, settings.store.database) as store:
            parts = run_cycle(
                site,
                _steps(Opened(settings, store), push=push),
                quiet_hours=settings.sites[site].quiet_hours,
                now=lambda: datetime.now(UTC),
                tell=partial(_tell, options=options),
            )
            _thin(store, site, settings)
            _purge(store, site, settings)
            _warn(store, site, settings, warned)
    except ReluthError as error:
        logger("jobs").error("no store", site=site, problem=str(error))
        parts = [Part(site, "pull", exit_code=error.exit_code, problem=str(error))]
        _tell(parts[0], options=options)
    return cycle_exit_code(parts)


def _steps(room: Opened, *, push: bool) -> Steps:
    from adapter.jobs import Steps

    return Steps(
        pull=partial(_pull, room),
        screen=partial(_screen, room),
        push=partial(_push, room) if push else lambda _site: None,
    )


def _pull(room: Opened, site: str) -> PullSummary | None:
    from adapter.jobs import LoggedTypes, pull_site

    if room.settings.sites[site].base_url is None:
        return None
    return pull_site(room.store, room.settings, site, progress=LoggedTypes(site))


def _screen(room: Opened, site: str) -> ScreenSummary | None:
    from adapter.jobs import screen_site

    if site not in room.store.lake.sites():
        return None
    trials = [room.trial(name) for name in room.settings.trials]
    return screen_site(room.store, room.site(site), trials, today=today())


def _thin(store: Store, site: str, settings: Settings) -> None:
    """Once a day; what fails here is made good by a later cycle, and nothing of this one failed."""
    from datetime import UTC, datetime

    from adapter.jobs import thin_site
    from adapter.observe import logger

    try:
        removed = thin_site(store, site, days=settings.retention.verdicts_days, now=datetime.now(UTC))
        if removed:
            logger("jobs").info("verdicts thinned", site=site, removed=removed)
    except ReluthError as error:
        logger("jobs").warning("verdicts not thinned", site=site, problem=str(error))


def _purge(store: Store, site: str, settings: Settings) -> None:
    """Likewise."""
    from datetime import UTC, datetime

    from adapter.cli.patients import actor
    from adapter.jobs import purge_site
    from adapter.observe import logger

    try:
        found = purge_site(store, settings, site, now=datetime.now(UTC), by=actor())
        if found is not None and found.persons:
            versions = sum(found.versions.values())
            logger("jobs").info("non-candidates purged", site=site, persons=found.persons, versions=versions)
    except ReluthError as error:
        logger("jobs").warning("non-candidates not purged", site=site, problem=str(error))


def _warn(store: Store, site: str, settings: Settings, warned: set[tuple[str, str, date]]) -> None:
    """Once a day of each certificate that ends soon, and of each site of the store that the settings do not name."""
    from datetime import UTC, datetime

    from adapter.jobs import certificates_of, sites_left
    from adapter.observe import logger

    now = datetime.now(UTC)

    def is_news(of: str, what: str) -> bool:
        told = (of, what, now.date())
        known = told in warned
        warned.add(told)
        return not known

    for one in certificates_of(store, settings, sites=[site]):
        if one.is_short(now) and is_news(site, one.kind):
            until, days = str(one.ends_at.date()), one.days(now)
            logger("jobs").warning("certificate ends soon", site=site, kind=one.kind, until=until, days=days)
    for left in sites_left(store, settings):
        if is_news(left.site, "left"):
            named = {} if left.renamed_to is None else {"renamed_to": left.renamed_to}
            logger("jobs").warning("site not in the settings", site=left.site, server=left.server, **named)


def _push(room: Opened, site: str) -> PushSummary | None:
    """Where there is something to tell, or was: what the hospital changed of it is taken back."""
    from adapter.cli.push import push_site
    from adapter.observe import logger

    configured = room.settings.sites[site]
    if configured.base_url is None or not (configured.push_candidates or room.store.outbox.counts(site)):
        return None
    summary, left = push_site(room, site)
    for sentence in left:
        logger("jobs").warning("left out", site=site, kind="push", problem=sentence)
    return summary


def _tell(part: Part, *, options: Options) -> None:
    """One part, on stdout, as soon as it is done."""
    if options.json:
        data(part.as_object())
    else:
        counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in part.counts().items())
        standing = "-" if part.skipped and not part.exit_code else _STANDING.get(part.exit_code, str(part.exit_code))
        told = part.problem or part.skipped or counts or "nothing new"
        line(f"{part.site:<16} {part.kind:<7} {standing:<9} {told}")
    sys.stdout.flush()
