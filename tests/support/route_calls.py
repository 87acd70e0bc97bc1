"""In: a route of the service, a site. Out: the request that takes it for what is planted at that site (`two_sites`)."""

from __future__ import annotations

from typing import Any

import httpx2
from fastapi.testclient import TestClient

from adapter.loading import template
from adapter.service.patient.sources import source_token
from tests.support.people import fields
from tests.support.screened import TRIAL
from tests.support.two_sites import NUMBER, TwoSites

__all__ = ["call", "is_of_one_site"]

#: Routes about one patient, one conflict or one site's file: elsewhere they are not there.
_OF_ONE = ("{key}", "{number}", "/candidates", "/load/{kind}")
_EVERYWHERE = {("GET", "/conflicts/{number}"), ("GET", "/api/load/{kind}/template")}


def is_of_one_site(method: str, path: str) -> bool:
    """Whether the address, or what is sent there, names something of one site."""
    return (method, path) not in _EVERYWHERE and any(part in path for part in _OF_ONE)


def call(two: TwoSites, client: TestClient, route: tuple[str, str], *, site: str) -> httpx2.Response:
    """Take a route as a browser does, or a program with its session."""
    method, path = route
    key = two.keys[site]
    # What proves itself is not found here by anybody, or is there for all.
    address = path.replace(":path", "").format(
        name="style.css",
        job="none",
        group_name="all",
        package_id="none",
        path="dm.xpt",
        key=key,
        number=two.conflicts[site],
        trial_id=TRIAL,
        kind="labs",
        source=source_token(key, f"Observation/hb-planted-{site}", "1"),
    )
    if method in ("GET", "HEAD"):
        return client.request(method, address, params={"site": site} if path.startswith("/api/load") else {})
    if path == "/api/load/{kind}":
        return client.post(
            address, params={"site": site}, content=template("labs"), headers={"Content-Type": "text/csv"}
        )
    told = _told(path, site)
    if path.startswith("/api/"):
        return client.post(address, json=told)
    return client.post(address, data=fields(client, **{name: str(value) for name, value in told.items()}))


def _told(path: str, site: str) -> dict[str, Any]:
    place = path.removeprefix("/api")
    if place.endswith("/decisions"):
        return {"state": "contacted", "reason": "to-contact", "version": 0, "seen": f"by-hand-{site}"}
    if place.endswith("/attestations"):
        return {"signed": True} if path.startswith("/api/") else {}
    if place.startswith("/conflicts/"):
        return {"keep": "ours"}
    if place == "/find":
        return {"number": NUMBER}
    if place == "/candidates":
        return {"site": site, "patient": f"Patient/planted-{site}-2"}
    return {}
