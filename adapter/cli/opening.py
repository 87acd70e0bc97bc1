"""In: the global options. Out: settings, the open store, and the trial's and sites' documents, for one verb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from adapter.cli.options import Options
from adapter.errors import UsageError

if TYPE_CHECKING:
    from adapter.config import Settings
    from adapter.criteria import Stage, Trial
    from adapter.store import Store
    from adapter.terminology import Site

__all__ = ["Opened", "a_day", "opened", "settings_of", "stage_of", "today"]

_PARIS = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a verb works with.

    Attributes:
        settings: of ``adapter.toml``, environment and arguments.
        store: open until the verb ends.
    """

    settings: Settings
    store: Store

    def trial(self, trial_id: str | None = None) -> Trial:
        """A trial's document; without an id the first of the settings."""
        from adapter.documents import load_trial

        return load_trial(trial_id or self.settings.trials[0])

    def site(self, site_id: str, overlay: Path | None = None) -> Site:
        """How a site's records are to be read: by the overlay given, else by the one of the settings."""
        from adapter.documents import load_site

        if overlay is not None and not overlay.is_dir():
            raise UsageError(f"--overlay {overlay}: no such folder")
        configured = self.settings.sites.get(site_id)
        return load_site(site_id, overlay or (configured.overlay if configured is not None else None))

    def sites(self, site_id: str | None = None) -> list[str]:
        """The sites with something in the store, in order; or the one asked for.

        Raises:
            UsageError: the one asked for has nothing in the store.
        """
        known = self.store.lake.sites()
        if site_id is None:
            return known
        if site_id not in known:
            raise UsageError(
                f"--site {site_id}: nothing was pulled from it; the store has {', '.join(known) or 'nothing'}"
            )
        return [site_id]

    def known_site(self, site_id: str | None) -> str | None:
        """The site asked for; a slip of the pen must not read like a site where nothing is to be done.

        Raises:
            UsageError: neither settings nor store know it.
        """
        known = {*self.store.outbox.sites(), *self.store.lake.sites(), *self.settings.sites}
        if site_id is not None and site_id not in known:
            raise UsageError(f"--site {site_id}: is not known; there are {', '.join(sorted(known)) or 'none'}")
        return site_id


def settings_of(options: Options) -> Settings:
    """The settings that hold for this command."""
    from adapter.config import load_settings

    return load_settings(options.config, store=options.store)


@contextmanager
def opened(options: Options, *, make: bool = False) -> Iterator[Opened]:
    """Open the store of the settings.

    Args:
        make: make it where there is none; else that is a usage error: an empty answer would look like no candidates.
    """
    from adapter.store import Store

    settings = settings_of(options)
    if not make and not settings.store.path.is_dir():
        raise UsageError(f"no store at {settings.store.path}: `reluth pull` makes one, `reluth demo` shows how")
    with Store.open(settings.store.path, settings.store.database) as store:
        yield Opened(settings, store)


def today() -> date:
    """The day it is in Paris: where no reference date is given or recorded."""
    return datetime.now(_PARIS).date()


def a_day(text: str | None, *, option: str) -> date | None:
    """A day as YYYY-MM-DD.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: a day as YYYY-MM-DD is wanted") from None


def stage_of(text: str) -> Stage:
    """The stage of the trial that is meant.

    Raises:
        UsageError: there is no such stage.
    """
    from adapter.criteria import Stage

    try:
        return Stage(text)
    except ValueError:
        raise UsageError(f"--stage {text}: it is {' or '.join(Stage)}") from None
