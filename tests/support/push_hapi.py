"""In: a real HAPI, and enrolled subjects whose persons it knows. Out: pushes from stores of one's own, and what stands there afterwards."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from adapter.client import SiteAddress, SiteClient
from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, encode_resource
from adapter.store import Store
from adapter.sync import Pusher
from adapter.sync.push_summary import PushSummary
from adapter.sync.rendering import read_entity, render, with_resolved
from mappings.elements import business_identifiers, full_url
from mappings.entities import Entity, LabResult, Study, entity_key, kind_of
from tests.support.enrolled import Enrolment
from tests.support.hapi_server import unload

__all__ = ["SITE", "TYPES", "Listener", "Machine", "Ward", "references_in", "valued", "ward_of", "with_value"]

SITE: Final = "icm"
#: What a push writes, what refers to others first.
TYPES: Final = (
    "Provenance",
    "AdverseEvent",
    "MedicationAdministration",
    "Procedure",
    "MedicationRequest",
    "Observation",
    "List",
    "ResearchSubject",
    "ResearchStudy",
    "Group",
)
_HEADERS: Final = {"Content-Type": "application/fhir+json"}


class Ward:
    """A hospital's HAPI with the persons of an enrolment.

    Args:
        base_url: of the HAPI.
        enrolment: its Patients are put there.
        folder: for stores.
        version: of FHIR that the HAPI speaks.
    """

    def __init__(
        self, base_url: str, enrolment: Enrolment, folder: Path, *, version: FhirVersion = FhirVersion.R4
    ) -> None:
        self.base_url = base_url
        self.enrolment = enrolment
        self.version = version
        self._folder = folder
        self._http = httpx.Client(base_url=base_url, timeout=120, headers=_HEADERS, trust_env=False)
        self._open = ExitStack()
        # HAPI's clock is ours; what other tests wrote before is not looked at.
        self._since = (datetime.now(UTC) - timedelta(milliseconds=1)).isoformat()
        #: Version of each Patient as the hospital wrote it, by ``Patient/id``.
        self.persons = {f"Patient/{patient['id']}": self.put(patient) for patient in enrolment.patients}

    def close(self) -> None:
        """Close all stores, and take away what was written."""
        self._open.close()
        held = self.held((*TYPES, "Patient"))
        by_type: dict[str, list[str]] = {}
        # `unload` goes from the last to the first.
        for reference in reversed(held):
            type_, _, id_ = reference.partition("/")
            by_type.setdefault(type_, []).append(id_)
        unload(self.base_url, by_type)
        self._http.close()

    def machine(self, name: str = "store", *entities: Entity) -> Machine:
        """One machine of ours, with these entities or all."""
        store = self._open.enter_context(Store.open(self._folder / name))
        machine = Machine(store, self)
        machine.load(*(entities or self.enrolment.entities))
        return machine

    # The hospital's side ------------------------------------------------------------------------------------------

    def put(self, resource: Json) -> str:
        """The hospital writes a resource under its id; the new version."""
        answer = self._http.put(f"/{resource['resourceType']}/{resource['id']}", content=encode_resource(resource))
        assert answer.is_success, answer.text[:2000]
        return str(decode_resource(answer.content)["meta"]["versionId"])

    def post(self, resource: Json) -> str:
        """The hospital creates a resource; its ``Type/id``."""
        answer = self._http.post(f"/{resource['resourceType']}", content=encode_resource(resource))
        assert answer.status_code == httpx.codes.CREATED, answer.text[:2000]
        return f"{resource['resourceType']}/{decode_resource(answer.content)['id']}"

    def delete(self, reference: str) -> None:
        """The hospital takes a resource away."""
        answer = self._http.delete(f"/{reference}")
        assert answer.is_success, answer.text[:2000]

    def read(self, reference: str) -> Json:
        """A resource as it stands there."""
        answer = self._http.get(f"/{reference}")
        assert answer.is_success, answer.text[:2000]
        return decode_resource(answer.content)

    def held(self, types: Iterable[str] = TYPES) -> dict[str, Json]:
        """What was written since the beginning and stands there now, by ``Type/id``."""
        found: dict[str, Json] = {}
        for type_ in types:
            url = f"{self.base_url}/{type_}?_lastUpdated=ge{self._since.replace('+00:00', 'Z')}&_count=500"
            while url:
                answer = self._http.get(url)
                assert answer.status_code == httpx.codes.OK, answer.text[:2000]
                bundle = decode_resource(answer.content)
                for entry in bundle.get("entry", []):
                    found[f"{type_}/{entry['resource']['id']}"] = entry["resource"]
                url = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), "")
        return found

    def versions(self) -> dict[str, str]:
        """Version of all that stands there, Provenances included."""
        return {reference: resource["meta"]["versionId"] for reference, resource in self.held().items()}

    def counts(self) -> Counter[str]:
        """How many of each type stand there."""
        return Counter(reference.partition("/")[0] for reference in self.held())

    def standing(self, entity: Entity) -> list[Json]:
        """What stands there under the identifiers of an entity, the main one first."""
        held = self.held(type_ for type_ in TYPES if type_ != "Provenance")
        return [
            resource
            for one in render(entity, version=self.version, trial=self.enrolment.study)
            for resource in held.values()
            if resource["resourceType"] == one.type and one.identifier in business_identifiers(resource)
        ]

    def entities(self) -> list[Entity]:
        """What stands there, read as entities, in the order of the enrolment; each resource told once."""
        held = self.held(type_ for type_ in TYPES if type_ != "Provenance")
        by_name: dict[tuple[str, str, str], list[tuple[str, Json]]] = {}
        for reference, resource in held.items():
            known = business_identifiers(resource)[0]
            by_name.setdefault((resource["resourceType"], known.system, known.value), []).append((reference, resource))
        found: list[Entity] = []
        for entity in self.enrolment.entities:
            mine = [by_name.pop(one.name) for one in render(entity, version=self.version, trial=self.enrolment.study)]
            assert all(len(same) == 1 for same in mine), "one resource under one identifier"
            urls = {same[0][0]: full_url(business_identifiers(same[0][1])[0]) for same in mine}
            resources = [(urls[reference], with_resolved(resource, urls)) for ((reference, resource),) in mine]
            found.append(read_entity(kind_of(entity), resources))
        assert not by_name, "nothing stands there but what the entities tell"
        return found

    def expected(self, entities: Sequence[Entity] | None = None) -> Counter[str]:
        """How many resources of each type the entities are."""
        return Counter(
            one.type
            for entity in entities or self.enrolment.entities
            for one in render(entity, version=self.version, trial=self.enrolment.study)
        )


class Machine:
    """One store of ours that pushes to a ward."""

    def __init__(self, store: Store, ward: Ward) -> None:
        self.store = store
        self.ward = ward
        self.trials: dict[str, Study] = {ward.enrolment.study.id: ward.enrolment.study}

    def load(self, *entities: Entity) -> None:
        """Load entities."""
        self.store.entities.put_all(SITE, entities, source="test.csv", by="nurse")

    def push(self, *, full: bool = False, via: httpx.BaseTransport | None = None) -> PushSummary:
        """One push."""
        with SiteClient(SiteAddress(self.ward.base_url), via=via) as client:
            return self._pusher(client).push(version=self.ward.version, full=full)

    def states(self) -> Counter[str]:
        """How many entries of the outbox are in each state; an uncertain one is another state."""
        return Counter(
            f"{entry.state}{' uncertain' if entry.uncertain else ''}" for entry in self.store.outbox.entries(SITE)
        )

    def current(self, entity: Entity) -> Entity:
        """The current version of an entity."""
        found = self.store.entities.get(SITE, kind_of(entity), entity_key(entity))
        assert found is not None
        return found.entity

    def _pusher(self, client: SiteClient) -> Pusher:
        return Pusher(
            self.store, client, site=SITE, trials=self.trials, software="reluth test", now=lambda: datetime.now(UTC)
        )


@contextmanager
def ward_of(
    base_url: str, enrolment: Enrolment, folder: Path, *, version: FhirVersion = FhirVersion.R4
) -> Iterator[Ward]:
    """A ward, of which nothing is left at the server afterwards."""
    ward = Ward(base_url, enrolment, folder, version=version)
    try:
        yield ward
    finally:
        ward.close()


def references_in(content: Any) -> Iterator[Json]:
    """All References within a resource."""
    if isinstance(content, dict):
        if "reference" in content or ("identifier" in content and isinstance(content.get("type"), str)):
            yield content
        for value in content.values():
            yield from references_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from references_in(value)


class Listener(httpx.HTTPTransport):
    """Keeps what the transactions ask for, and lets the hospital do something right before the first."""

    def __init__(self, before: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.before = before
        self.requests: list[Json] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and not request.url.path.endswith("/_search"):
            if self.before is not None:
                self.before()
                self.before = None
            bundle = msgspec.json.decode(request.read())
            self.requests += [entry["request"] for entry in bundle["entry"]]
        return super().handle_request(request)


def with_value(lab: LabResult, value: str) -> LabResult:
    """The result with another number."""
    return msgspec.structs.replace(lab, value=Decimal(value))


def valued(observation: Json, value: str) -> Json:
    """An Observation with another number, as a hospital corrects it."""
    changed = copy.deepcopy(observation)
    changed["valueQuantity"]["value"] = Decimal(value)
    return changed
