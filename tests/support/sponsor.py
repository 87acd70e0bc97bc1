"""In: resources by site. Out: the service as a provider of them, and a client of the sponsor's with its key.

Staging is a double that writes what it is given, so that the provider's promises do not hang on how data are pseudonymised.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from adapter.client.keys import SigningKey, public_jwks
from adapter.config import Settings
from adapter.service import create_app

__all__ = [
    "HOME",
    "Sponsor",
    "StagedDouble",
    "StagingDouble",
    "assertion",
    "provider",
    "sponsor_settings",
    "subject",
    "token_form",
    "with_staging",
]

HOME = "http://127.0.0.1:8000"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Json = dict[str, Any]
_PATIENCE = 20.0


@dataclass(frozen=True)
class StagedDouble:
    """What staging gives, as far as the provider looks at it."""

    files: Mapping[str, Path]


@dataclass
class StagingDouble:
    """Stages what it is given.

    Attributes:
        feeds: resources by site, as a list.
        calls: sites of each call.
        go: is waited for before anything is staged; set at first.
        failure: is raised instead.
    """

    feeds: dict[str, list[Json]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.go.set()

    def __call__(
        self,
        _store: Any,
        _settings: Any,
        _trial: Any,
        folder: Path,
        *,
        sites: Collection[str] | None = None,
        **options: Any,
    ) -> StagedDouble:
        assert sites is not None
        assert options == {"shift_dates": False, "numbers": "number"}
        self.calls.append(sorted(sites))
        self.reached.set()
        assert self.go.wait(_PATIENCE)
        if self.failure is not None:
            raise self.failure
        lines: dict[str, list[str]] = {}
        for site in sites:
            for resource in self.feeds.get(site, []):
                lines.setdefault(resource["resourceType"], []).append(json.dumps(resource, separators=(",", ":")))
        files = {}
        for type_, found in lines.items():
            files[type_] = folder / f"{type_}.ndjson"
            files[type_].write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
        return StagedDouble(files)


def subject(number: str, *, results: int = 2, version: int = 1) -> list[Json]:
    """A subject as the feed holds them: Patient, ResearchSubject and some Observations."""
    usubjid = f"RELUTH-{number}"
    person = {"reference": f"Patient/{usubjid}"}
    found: list[Json] = [
        {"resourceType": "Patient", "id": usubjid, "meta": {"versionId": "1"}, "gender": "female"},
        {
            "resourceType": "ResearchSubject",
            "id": f"k-subject-{number}",
            "meta": {"versionId": "1"},
            "status": "on-study",
            "study": {"reference": "ResearchStudy/reluth"},
            "individual": person,
        },
    ]
    code = {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}
    found += [
        {
            "resourceType": "Observation",
            "id": f"k-result-{number}-{at}",
            "meta": {"versionId": str(version)},
            "status": "final",
            "code": code,
            "subject": person,
            "effectiveDateTime": f"2025-0{at % 9 + 1}-10",
            "valueQuantity": {"value": 10 + at, "unit": "g/dL"},
        }
        for at in range(results)
    ]
    return found


def sponsor_settings(folder: Path, keys: Mapping[str, SigningKey], **clients: Json) -> Settings:
    """Settings of a store in a folder, two sites, and clients with the public parts of their keys.

    Args:
        folder: to write to.
        keys: by client.
        clients: further settings by client.
    """
    told = {}
    for name, key in keys.items():
        file = folder / f"{name}.jwks.json"
        file.write_text(json.dumps(public_jwks([key])))
        told[name] = {"jwks_file": file, **clients.get(name, {})}
    return Settings.model_validate(
        {"store": {"path": folder / "var"}, "sites": {"icm": {}, "chu_nord": {}}, "sponsor": {"clients": told}}
    )


@contextmanager
def with_staging(stage: StagingDouble) -> Iterator[None]:
    """Whatever makes exports within the block stages by the double."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapter.datasets.provider.exports._staging", lambda: stage)
        yield


@contextmanager
def provider(settings: Settings, stage: StagingDouble) -> Iterator[tuple[FastAPI, TestClient]]:
    """The running service, and a program that calls it."""
    with with_staging(stage):
        app = create_app(settings)
        with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
            yield app, client


def assertion(
    key: SigningKey, name: str, *, algorithm: str | None = None, head: Json | None = None, **claims: Any
) -> str:
    """A client's assertion; claims that are None are left out."""
    now = int(time.time())
    usual = {"iss": name, "sub": name, "aud": f"{HOME}/fhir/token", "jti": str(uuid.uuid4()), "exp": now + 240}
    told = {claim: value for claim, value in {**usual, **claims}.items() if value is not None}
    headers = {"kid": key.key_id, **(head or {})}
    return jwt.encode(told, key.private, algorithm=algorithm or key.algorithm, headers=headers)


def token_form(signed: str, scope: str = "system/*.rs", **more: str) -> dict[str, str]:
    """The form of a request of a token."""
    usual = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": _ASSERTION_TYPE,
        "client_assertion": signed,
    }
    return usual | more


@dataclass
class Sponsor:
    """A client of the sponsor's.

    Attributes:
        client: calls the service.
        key: its private key.
        name: its client_id.
        scope: that it asks for.
    """

    client: TestClient
    key: SigningKey
    name: str = "sponsor"
    scope: str = "system/*.rs"
    _token: str = ""

    def token(self) -> str:
        if not self._token:
            form = token_form(assertion(self.key, self.name), self.scope)
            answer = self.client.post("/fhir/token", data=form)
            assert answer.status_code == 200, answer.text
            self._token = answer.json()["access_token"]
        return self._token

    def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token()}", "Accept-Encoding": "identity", **more.pop("headers", {})}
        answer: httpx2.Response = self.client.request(method, path, headers=headers, **more)
        return answer

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.call("GET", path, **more)

    def kick_off(self, path: str = "/fhir/$export", **params: Any) -> str:
        """Path of the status of a new export."""
        answer = self.get(path, params=params, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        location: str = answer.headers["content-location"]
        assert location.startswith(f"{HOME}/fhir/jobs/")
        return location.removeprefix(HOME)

    def ended(self, status: str) -> httpx2.Response:
        """The answer to a look at an export that is not under way any more; how it stands is seen from inside until then."""
        provider = self.client.app.state.fhir.store.provider  # type: ignore[attr-defined]
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            job = provider.job(status.rpartition("/")[2])
            if job is None or job.state not in ("accepted", "running"):
                return self.get(status)
            time.sleep(0.01)
        raise AssertionError("the export does not end")

    def exported(self, path: str = "/fhir/$export", **params: Any) -> Json:
        """The manifest of a new export."""
        answer = self.ended(self.kick_off(path, **params))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def lines(self, manifest: Json, kind: str = "output", *, type_: str | None = None) -> list[Json]:
        """All resources of a manifest's files, as many as it says."""
        found: list[Json] = []
        for file in manifest[kind]:
            if type_ in (None, file["type"]):
                answer = self.get(file["url"].removeprefix(HOME))
                assert answer.status_code == 200, answer.text
                lines = [json.loads(line) for line in answer.text.splitlines()]
                assert len(lines) == file["count"]
                found += lines
        return found

    def ids(self, manifest: Json, kind: str = "output") -> set[str]:
        """``Type/id`` of the resources of a manifest's files."""
        return {f"{one['resourceType']}/{one['id']}" for one in self.lines(manifest, kind)}
