"""In: requests of the sponsor's clients. Out: pseudonymised data of consented subjects by Bulk Data Access, and published packages."""

from __future__ import annotations

from adapter.service.fhir.packages_api import packages_api
from adapter.service.fhir.refusals import outcome
from adapter.service.fhir.room import FhirRoom, open_fhir_room
from adapter.service.fhir.routes import fhir_api
from adapter.service.fhir.tokens import check_clients

__all__ = ["FhirRoom", "check_clients", "fhir_api", "open_fhir_room", "outcome", "packages_api"]
