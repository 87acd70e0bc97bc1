"""In: a store and a `PushServer`. Out: pushes between them, and the small entities that they speak of."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

import httpx

from adapter.client import BearerAuth, Clock, RetryPolicy, SiteAddress, SiteClient
from adapter.fhir import FhirVersion
from adapter.store import Conflict, OutboxEntry, OutboxState, Store
from adapter.sync.push import Preview, Pusher
from adapter.sync.push_summary import PushSummary
from mappings.entities import (
    AminoAcids,
    Arm,
    ArmKind,
    Batch,
    Coding,
    Entity,
    EventKind,
    Identifier,
    Infusion,
    InfusionStatus,
    LabResult,
    Study,
    StudyIdentifier,
    StudyStatus,
    Subject,
    SubjectEvent,
    entity_key,
    kind_of,
)
from tests.support.push_server import BASE_URL, Json, PushServer

__all__ = ["IPP", "LOINC", "SITE", "Desk", "infusion", "lab", "patient", "study", "subject"]

SITE: Final = "icm"
IPP: Final = "urn:oid:1.2.250.1.71.4.2.7"
LOINC: Final = "http://loinc.org"
LAB: Final = "urn:oid:1.2.250.9.1"
AT: Final = datetime(2025, 6, 2, 9, 30, tzinfo=UTC)

E = TypeVar("E", bound=Entity)


def study(**told: Any) -> Study:
    """A small study."""
    arm = Arm(name="lutathera", label="Lutathera", kind=ArmKind.EXPERIMENTAL, description="Two more cycles")
    known = StudyIdentifier(value="NCT04954820", use="official", system="https://clinicaltrials.gov")
    return Study(
        **{
            "id": "nct04954820",
            "title": "ReLUTH",
            "status": StudyStatus.ACTIVE,
            "identifiers": (known,),
            "arms": (arm,),
            **told,
        }
    )


def subject(number: str = "RELUTH-05-0001", patient: str = "P1", *more: SubjectEvent) -> Subject:
    """A subject in screening."""
    first = SubjectEvent(kind=EventKind.PRE_SCREENED, on="2025-05-01")
    return Subject(
        study="nct04954820",
        site="05",
        number=number,
        patient=Identifier(system=IPP, value=patient),
        events=(first, *(more or (SubjectEvent(kind=EventKind.SCREENING, on="2025-05-02"),))),
    )


def lab(number: int | str = 1, value: str = "12.1", *, patient: str = "P1", **told: Any) -> LabResult:
    """A haemoglobin."""
    return LabResult(
        **{
            "id": Identifier(system=LAB, value=f"L{number}"),
            "patient": Identifier(system=IPP, value=patient),
            "codes": (Coding(system=LOINC, code="718-7", display="Hemoglobin"),),
            "effective": "2025-05-20",
            "value": Decimal(value),
            "unit": "g/dL",
            "low": Decimal("12.0"),
            **told,
        }
    )


def infusion(number: int = 1, *, patient: str = "P1", **told: Any) -> Infusion:
    """An infusion with all that stands beside it."""
    return Infusion(
        **{
            "id": Identifier(system="urn:oid:1.2.250.9.2", value=f"I{number}"),
            "patient": Identifier(system=IPP, value=patient),
            "product": Coding(system="http://www.whocc.no/atc", code="V10XX04"),
            "status": InfusionStatus.COMPLETED,
            "start": "2025-05-22T09:00:00+02:00",
            "end": "2025-05-22T09:30:00+02:00",
            "course": 2,
            "cycle": 1,
            "prescribed": Decimal(7400),
            "administered": Decimal("7385.5"),
            "batch": Batch(number="B77", expires="2025-05-23T12:00:00Z"),
            "amino_acids": AminoAcids(
                product="Lysine-arginine", start="2025-05-22T08:30:00+02:00", volume=Decimal(1000)
            ),
            **told,
        }
    )


def patient(value: str = "P1", *, system: str = IPP, **elements: Any) -> Json:
    """The hospital's Patient."""
    known = [{"system": system, "value": value}]
    return {"resourceType": "Patient", "identifier": known, "name": [{"family": "Dupont"}], **elements}


class Killed(BaseException):
    """Here the process ends."""


class Desk:
    """One machine that pushes to a server.

    Args:
        store: open.
        server: with the Patient ``P1`` unless it has Patients.
        token: bearer token of the client.
        site: its name.
    """

    def __init__(self, store: Store, server: PushServer, *, token: str | None = None, site: str = SITE) -> None:
        self.store = store
        self.server = server
        self.token = token
        self.site = site
        self.base_url = BASE_URL
        self.waits: list[float] = []
        self.trials: Mapping[str, Study] = {}
        if not server.all("Patient"):
            server.put(patient())

    def load(self, *entities: Entity, source: str = "test.csv") -> None:
        """Load entities."""
        self.store.entities.put_all(self.site, entities, source=source, by="nurse")

    def client(self) -> SiteClient:
        """A new client; its waits pass on the server's clock."""
        auth = BearerAuth(self.token) if self.token else None
        clock = Clock(sleep=self._wait, monotonic=lambda: sum(self.waits), now=lambda: AT, jitter=lambda: 0.5)
        address = SiteAddress(self.base_url, auth=auth)
        policy = RetryPolicy(attempts=3)
        return SiteClient(address, policy=policy, clock=clock, via=httpx.MockTransport(self.server))

    def push(self, *, full: bool = False, version: FhirVersion = FhirVersion.R4) -> PushSummary:
        """One push."""
        with self.client() as client:
            return self._pusher(client).push(version=version, full=full)

    def push_and_die(self) -> None:
        """A push that ends as by kill -9 right after its first transaction was sent."""

        def die(seconds: float) -> None:
            raise Killed

        with self.client() as client, contextlib.suppress(Killed):
            pusher = self._pusher(client)
            pusher._pause = die
            pusher.push(version=FhirVersion.R4)

    def preview(self) -> Preview:
        """What a push would do."""
        with self.client() as client:
            return self._pusher(client).preview(version=FhirVersion.R4)

    def running(self) -> AbstractContextManager[object]:
        """Hold the site as another process does."""
        return self.store.begin_run(self.site, "push")

    def entries(self) -> dict[str, OutboxEntry]:
        """The outbox by key; of identifiers the value alone."""
        return {one.key.rpartition("|")[2]: one for one in self.store.outbox.entries(self.site)}

    def entry(self) -> OutboxEntry:
        """The only entry of the outbox."""
        (found,) = self.store.outbox.entries(self.site)
        return found

    def states(self) -> dict[str, tuple[OutboxState, bool]]:
        """State and uncertainty, by key."""
        return {key: (one.state, one.uncertain) for key, one in self.entries().items()}

    def conflict(self) -> Conflict:
        """The only open conflict."""
        (found,) = self.store.outbox.conflicts(site=self.site)
        return found

    def current(self, entity: E) -> E:
        """The current version of an entity of ours."""
        found = self.store.entities.get(self.site, kind_of(entity), entity_key(entity))
        assert found is not None and isinstance(found.entity, type(entity))
        return found.entity

    def _pusher(self, client: SiteClient) -> Pusher:
        return Pusher(
            self.store,
            client,
            site=self.site,
            trials=self.trials,
            software="reluth 0.1.0",
            now=lambda: AT,
            pause=self._wait,
        )

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.server.pass_time(seconds)
