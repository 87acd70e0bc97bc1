"""In: the store and settings of a running service. Out: clients known by their tokens, their exports, groups and packages, in one place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from starlette.requests import Request

from adapter.config import Settings
from adapter.criteria import Trial
from adapter.datasets.provider import Exports, PublishedPackage, Stage, package, packages
from adapter.observe import logger
from adapter.service.fhir.pacing import Looks, Rate
from adapter.service.fhir.refusals import FhirRefused
from adapter.service.fhir.tokens import SponsorClient, TokenOffice
from adapter.store import Store

__all__ = ["FhirRoom", "fhir_room", "open_fhir_room"]

#: AuditRow.subject.
_LONGEST_SUBJECT = 255


class FhirRoom:
    """What the routes of the provider need.

    Args:
        store: open.
        settings: all of them.
        trial: of whose subjects.
        exports: at work; None where no client is configured, so that nobody asks for any.
    """

    def __init__(self, store: Store, settings: Settings, trial: Trial, *, exports: Exports | None) -> None:
        self.store = store
        self.settings = settings
        self.trial = trial
        self.office = TokenOffice(settings, store=store)
        self.looks = Looks()
        self.rate = Rate(settings.sponsor.requests_per_minute)
        self._exports = exports

    @property
    def exports(self) -> Exports:
        """The exports.

        Raises:
            FhirRefused: nobody may have any.
        """
        if self._exports is None:
            raise FhirRefused(401)
        return self._exports

    def client(self, request: Request) -> SponsorClient:
        """Who calls.

        Raises:
            FhirRefused: nobody that is known (401), or somebody who asks too often (429).
        """
        told = request.headers.getlist("authorization")
        found = self.office.client(told[0] if len(told) == 1 else None)
        if found is None:
            raise FhirRefused(401)
        wait = self.rate.wait(found.name)
        if wait:
            raise FhirRefused(429, headers={"Retry-After": str(wait)})
        return found

    def sites(self, client: SponsorClient) -> list[str]:
        """The sites of whose subjects a client may have data."""
        known = sorted({*self.settings.sites, *self.store.lake.sites()})
        return [site for site in known if not client.sites or site in client.sites]

    def note(self, client: SponsorClient, action: str, *, sites: Collection[str], detail: str) -> None:
        """A line in the audit trail: which data left the site; ids only."""
        subject = ""
        for site in sorted(sites):
            if len(subject) + len(site) + 1 > _LONGEST_SUBJECT:
                self.store.audit(f"sponsor:{client.name}"[:128], action, subject=subject, detail=detail)
                subject = ""
            subject = f"{subject} {site}".strip()
        self.store.audit(f"sponsor:{client.name}"[:128], action, subject=subject, detail=detail)

    # Packages -------------------------------------------------------------------------------------------------------

    def packages(self, client: SponsorClient) -> list[PublishedPackage]:
        """The packages that a client may have."""
        if not client.packages:
            raise FhirRefused(403)
        return [one for one in packages(self.store) if one.may_be_had(client.sites)]

    def package(self, client: SponsorClient, package_id: str) -> PublishedPackage:
        """A package.

        Raises:
            FhirRefused: there is none of this id for this client.
        """
        if not client.packages:
            raise FhirRefused(403)
        found = package(self.store, package_id)
        if found is None or not found.may_be_had(client.sites):
            raise FhirRefused(404)
        return found


@contextmanager
def open_fhir_room(store: Store, settings: Settings, trial: Trial, *, stage: Stage | None = None) -> Iterator[FhirRoom]:
    """The room, with a thread that makes exports for as long as it is open; none where no client is configured.

    Args:
        store: open for longer than the room.
        settings: all of them.
        trial: of whose subjects.
        stage: makes a pseudonymised feed; None for that of the product.

    Raises:
        ConfigurationError: a client has no keys.
    """
    if not settings.sponsor.clients:
        yield FhirRoom(store, settings, trial, exports=None)
        return
    with Exports(store, settings, trial, stage=stage) as exports:
        logger("provider").info("clients", clients=len(settings.sponsor.clients))
        yield FhirRoom(store, settings, trial, exports=exports)


def fhir_room(request: Request) -> FhirRoom:
    """The room of the running service."""
    room: FhirRoom = request.app.state.fhir
    return room
