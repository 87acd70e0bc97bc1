"""In: a request that has found its route. Out: whether its viewer may take it; one table of all routes (`ROUTES`), deny by default.

What a viewer may see of a route they may take is the desk's affair: rows of other sites are not there for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import compile_path

from adapter.accounts import Permission, Viewer

__all__ = ["OPEN_PREFIXES", "ROUTES", "Open", "authorise", "does_something", "is_open", "methods_at", "viewer_of"]


class Open(StrEnum):
    """Why a route answers without a session."""

    HEALTH = "how the service stands, nothing of a patient"
    DOOR = "the door itself"
    FILES = "style sheets and icon"
    OWN_PROOF = "each call proves itself: a site's secret, or a signed token"


#: Every route of the service, by method and path. A route that is not here is refused to everybody.
ROUTES: Final[Mapping[tuple[str, str], Permission | Open]] = {
    ("GET", "/healthz"): Open.HEALTH,
    ("GET", "/readyz"): Open.HEALTH,
    ("GET", "/metrics"): Open.HEALTH,
    ("GET", "/static/{name}"): Open.FILES,
    ("GET", "/login"): Open.DOOR,
    ("POST", "/notify/{site}"): Open.OWN_PROOF,
    ("PUT", "/notify/{site}"): Open.OWN_PROOF,
    ("POST", "/notify/{site}/{rest:path}"): Open.OWN_PROOF,
    ("PUT", "/notify/{site}/{rest:path}"): Open.OWN_PROOF,
    ("GET", "/sign-in"): Open.DOOR,
    ("POST", "/sign-in"): Open.DOOR,
    ("GET", "/oidc/start"): Open.DOOR,
    ("GET", "/oidc/callback"): Open.DOOR,
    ("POST", "/sign-out"): Permission.SIGNED_IN,
    ("GET", "/account"): Permission.SIGNED_IN,
    ("POST", "/account"): Permission.SIGNED_IN,
    ("GET", "/cds-services"): Open.OWN_PROOF,
    ("POST", "/cds-services/{service}"): Open.OWN_PROOF,
    ("POST", "/cds-services/{service}/feedback"): Open.OWN_PROOF,
    ("GET", "/fhir/metadata"): Open.OWN_PROOF,
    ("GET", "/fhir/.well-known/smart-configuration"): Open.OWN_PROOF,
    ("POST", "/fhir/token"): Open.OWN_PROOF,
    ("GET", "/fhir/Group"): Open.OWN_PROOF,
    ("GET", "/fhir/Group/{group_name}"): Open.OWN_PROOF,
    ("GET", "/fhir/Group/{group_name}/$export"): Open.OWN_PROOF,
    ("POST", "/fhir/Group/{group_name}/$export"): Open.OWN_PROOF,
    ("GET", "/fhir/$export"): Open.OWN_PROOF,
    ("POST", "/fhir/$export"): Open.OWN_PROOF,
    ("GET", "/fhir/jobs/{job}"): Open.OWN_PROOF,
    ("DELETE", "/fhir/jobs/{job}"): Open.OWN_PROOF,
    ("GET", "/fhir/jobs/{job}/files/{name}"): Open.OWN_PROOF,
    ("GET", "/datasets/packages"): Open.OWN_PROOF,
    ("GET", "/datasets/packages/{package_id}"): Open.OWN_PROOF,
    ("GET", "/datasets/packages/{package_id}/{path:path}"): Open.OWN_PROOF,
    ("GET", "/"): Permission.WORKLIST,
    ("POST", "/"): Permission.WORKLIST,
    ("GET", "/worklist.csv"): Permission.WORKLIST,
    ("GET", "/find"): Permission.WORKLIST,
    ("POST", "/find"): Permission.WORKLIST,
    ("POST", "/candidates"): Permission.ADD,
    ("GET", "/patients/{key}"): Permission.WORKLIST,
    ("GET", "/patients/{key}/print"): Permission.WORKLIST,
    ("GET", "/patients/{key}/timeline.svg"): Permission.WORKLIST,
    ("GET", "/patients/{key}/sources/{source}"): Permission.IDENTITY,
    ("GET", "/patients/{key}/attestations"): Permission.ATTEST,
    ("POST", "/patients/{key}/attestations"): Permission.ATTEST,
    ("GET", "/patients/{key}/decisions"): Permission.DECIDE,
    ("POST", "/patients/{key}/decisions"): Permission.DECIDE,
    ("GET", "/funnel"): Permission.FUNNEL,
    ("GET", "/funnel/flow.svg"): Permission.FUNNEL,
    ("GET", "/log"): Permission.LOG,
    ("GET", "/log.csv"): Permission.LOG,
    ("GET", "/runs"): Permission.RUNS,
    ("GET", "/audit"): Permission.AUDIT,
    ("GET", "/audit.csv"): Permission.AUDIT,
    ("GET", "/conflicts"): Permission.CONFLICTS,
    ("GET", "/conflicts/{number}"): Permission.CONFLICTS,
    ("POST", "/conflicts/{number}"): Permission.SETTLE,
    ("GET", "/api/openapi.json"): Permission.SIGNED_IN,
    ("GET", "/api/worklist"): Permission.WORKLIST,
    ("POST", "/api/find"): Permission.WORKLIST,
    ("POST", "/api/candidates"): Permission.ADD,
    ("GET", "/api/patients/{key}"): Permission.WORKLIST,
    ("POST", "/api/patients/{key}/attestations"): Permission.ATTEST,
    ("POST", "/api/patients/{key}/decisions"): Permission.DECIDE,
    ("GET", "/api/funnel"): Permission.FUNNEL,
    ("GET", "/api/log"): Permission.LOG,
    ("GET", "/api/audit"): Permission.AUDIT,
    ("GET", "/api/runs"): Permission.RUNS,
    ("GET", "/api/trials/{trial_id}"): Permission.SIGNED_IN,
    ("GET", "/api/conflicts"): Permission.CONFLICTS,
    ("POST", "/api/conflicts/{number}"): Permission.SETTLE,
    ("GET", "/api/load/{kind}/template"): Permission.LOAD,
    ("POST", "/api/load/{kind}"): Permission.LOAD,
}

#: Below these addresses routes prove themselves, or are the door.
OPEN_PREFIXES: Final = ("/static/", "/notify/", "/cds-services", "/oidc/", "/fhir/", "/datasets/packages")
_OPEN_PATHS: Final = frozenset({"/healthz", "/login", "/metrics", "/readyz", "/sign-in"})
#: The one-time token, and the state that goes to a provider and comes back, hold once.
_DOING_PATHS: Final = frozenset({"/login", "/oidc/start", "/oidc/callback"})
_EXPORT: Final = "/$export"
_FORBIDDEN = 403
_UNAUTHORIZED = 401


def is_open(path: str) -> bool:
    """Whether an address answers without a session."""
    return path in _OPEN_PATHS or path.startswith(OPEN_PREFIXES)


def does_something(path: str) -> bool:
    """Whether a GET of this address uses something up or begins it; any other GET only looks."""
    return path in _DOING_PATHS or path.endswith(_EXPORT)


def methods_at(path: str) -> list[str]:
    """What an address answers to, for the header Allow (RFC 9110 15.5.6)."""
    found = {method for method, known in ROUTES if _pattern(known).match(path)}
    if "GET" in found and not does_something(path):
        found.add("HEAD")
    return sorted(found)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return compile_path(path)[0]


def viewer_of(request: Request) -> Viewer | None:
    """Who asks, as the guard has found them; None at the door."""
    viewer: Viewer | None = request.scope.get("state", {}).get("viewer")
    return viewer


def authorise(request: Request) -> None:
    """FastAPI dependency of the whole app.

    Raises:
        HTTPException: 401 without a session, 403 for a role without the permission, or a route that is not in the table.
    """
    path = request.scope["route"].path
    rule = ROUTES.get((request.method, path))
    if isinstance(rule, Open):
        return
    viewer = viewer_of(request)
    if viewer is None:
        raise HTTPException(_UNAUTHORIZED)
    if rule is None or not viewer.may_anywhere(rule):
        raise HTTPException(_FORBIDDEN)
