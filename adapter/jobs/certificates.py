"""In: sites of the settings, and what their pulls saw. Out: until when each certificate holds that a site hangs on.

The server's is told by the last pull that saw it: nobody is asked for it once more. Our own lie in files here.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from adapter.client.certificates import SHORT_DAYS, days_left, end_of_authorities, end_of_chain
from adapter.config import MutualTlsSettings, Settings
from adapter.store import Store

__all__ = ["Certificate", "CertificateKind", "certificates_of"]

CertificateKind = Literal["authorities", "client", "server"]
_PULL: Final = "pull"
#: So many of the last pulls are looked at: one that failed or was killed saw no certificate, or left no word of it.
_NEAR: Final = 5


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a site, and when it ends.

    Attributes:
        kind: ``server`` its server's; ``client`` ours for mutual TLS, or the first to end of those that lead to its authority;
            ``authorities`` the last to end of ``ca_file``.
        ends_at: aware.
    """

    site: str
    kind: CertificateKind
    ends_at: datetime

    def days(self, now: datetime) -> int:
        """Whole days that are left, negative once it has ended."""
        return days_left(self.ends_at, now=now)

    def is_short(self, now: datetime) -> bool:
        """So few days are left that a new one has to be asked for now."""
        return self.days(now) < SHORT_DAYS


def certificates_of(store: Store, settings: Settings, *, sites: Collection[str] | None = None) -> list[Certificate]:
    """The certificates of sites that have a server, by site and kind; what cannot be read, or was never seen, is not among them.

    Args:
        store: open.
        settings: all of them.
        sites: only these; None for all of the settings.
    """
    names = sorted(settings.sites if sites is None else set(sites) & settings.sites.keys())
    return [one for name in names for one in _of(store, settings, name)]


def _of(store: Store, settings: Settings, site: str) -> Iterator[Certificate]:
    configured = settings.sites[site]
    if configured.base_url is None:
        return
    if configured.ca_file is not None and (end := end_of_authorities(configured.ca_file)) is not None:
        yield Certificate(site, "authorities", end)
    own = configured.auth
    if isinstance(own, MutualTlsSettings) and (end := end_of_chain(own.certificate_file)) is not None:
        yield Certificate(site, "client", end)
    if configured.base_url.lower().startswith("https:") and (end := _seen(store, site)) is not None:
        yield Certificate(site, "server", end)


def _seen(store: Store, site: str) -> datetime | None:
    runs = store.runs(_PULL, site=site, limit=_NEAR)
    whole = store.last_whole_run(_PULL, site=site)
    for run in (*runs, *(() if whole is None else (whole,))):
        told = {} if run.summary is None else json.loads(run.summary)
        if until := told.get("certificate_until"):
            return datetime.fromisoformat(until)
    return None
