"""In: settings. Out: the real service on loopback as a CDS client calls it, and that client: its keys, its key server, its calls."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import uvicorn

from adapter import service
from adapter.client.keys import SigningKey, make_key, public_jwks
from adapter.config import CdsClientSettings, CdsSettings, ServiceSettings, Settings

__all__ = ["ISSUER", "CdsClient", "KeyServer", "bundle", "cds_service", "key_server", "order"]

ISSUER = "https://ehr.example.org"
Json = dict[str, Any]


@dataclass
class KeyServer:
    """Where a client's public keys are; `answer` takes the place of the JWKS."""

    url: str = ""
    keys: list[SigningKey] = field(default_factory=list)
    answer: tuple[int, bytes, dict[str, str]] | None = None
    asked: int = 0

    def body(self) -> tuple[int, bytes, dict[str, str]]:
        self.asked += 1
        return self.answer or (200, json.dumps(public_jwks(self.keys)).encode(), {})


@contextmanager
def key_server(*keys: SigningKey) -> Iterator[KeyServer]:
    """A key server on loopback."""
    state = KeyServer(keys=list(keys))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = state.body()
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join(5)


@contextmanager
def cds_service(
    settings: Settings, clients: Mapping[str, CdsClientSettings], *, today: Callable[[], date]
) -> Iterator[str]:
    """The service over the store of some settings; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        told = settings.model_copy(
            update={
                "service": ServiceSettings.model_validate({"public_url": base}),
                "cds": CdsSettings(clients=dict(clients)),
            }
        )
        server = uvicorn.Server(
            uvicorn.Config(service.create_app(told, today=today), log_config=None, access_log=False, ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            deadline = time.monotonic() + 20
            while not server.started:
                assert thread.is_alive(), "the service did not start"
                assert time.monotonic() < deadline, "the service did not start in time"
                time.sleep(0.01)
            yield base
        finally:
            server.should_exit = True
            thread.join(20)


@dataclass
class CdsClient:
    """A hospital's system that calls.

    Attributes:
        base: address of the service.
        key: signs.
        fhir_server: its own, None to say none.
    """

    base: str
    key: SigningKey = field(default_factory=lambda: make_key("ES384"))
    fhir_server: str | None = None
    issuer: str = ISSUER

    def token(self, path: str, *, head: Json | None = None, **claims: Any) -> str:
        """A token for a path of the service, with other members where they are given; None leaves one out."""
        moment = int(time.time())
        told = {
            "iss": self.issuer,
            "aud": f"{self.base}{path}",
            "iat": moment,
            "exp": moment + 120,
            "jti": str(uuid.uuid4()),
        } | claims
        kept = {name: value for name, value in told.items() if value is not None}
        headers = {"kid": self.key.key_id, "typ": "JWT"} | (head or {})
        return jwt.encode(kept, self.key.private, algorithm=self.key.algorithm, headers=headers)

    def body(self, patient: str, *, hook: str = "patient-view", **more: Any) -> Json:
        """The body of a call; None leaves a member out."""
        context = {"userId": "Practitioner/7", "patientId": patient} | more.pop("context", {})
        told = {
            "hook": hook,
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self.fhir_server,
            "context": context,
        } | more
        return {name: value for name, value in told.items() if value is not None}

    def send(self, path: str, body: Json | bytes, *, token: str | None = None, **headers: str) -> httpx.Response:
        """POST a body as it is, signed unless a token is given."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        shown = self.token(path) if token is None else token
        sent = {"Authorization": f"Bearer {shown}", "Content-Type": "application/json"} | headers
        return httpx.post(f"{self.base}{path}", content=content, headers=sent, timeout=20, trust_env=False)

    def view(self, patient: str, *, lang: str = "en", **more: Any) -> httpx.Response:
        """Open a record."""
        path = "/cds-services/reluth-patient-view"
        return self.send(path, self.body(patient, **more), **{"Accept-Language": lang})

    def select(self, patient: str, *orders: Json, lang: str = "en", **more: Any) -> httpx.Response:
        """Choose orders."""
        chosen = [f"{one['resourceType']}/{one['id']}" for one in orders]
        context = {"selections": chosen, "draftOrders": bundle(*orders, kind="collection")}
        body = self.body(patient, hook="order-select", context=context, **more)
        return self.send("/cds-services/reluth-order-select", body, **{"Accept-Language": lang})


def bundle(*resources: Json, kind: str = "searchset", **more: Any) -> Json:
    """A Bundle of resources."""
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources], **more}


def order(code: str, *, of: str, system: str = "http://www.whocc.no/atc", kind: str = "MedicationRequest") -> Json:
    """A draft order of a coded product."""
    name = "medicationCodeableConcept" if kind == "MedicationRequest" else "code"
    return {
        "resourceType": kind,
        "id": "draft-1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{of}"},
        name: {"coding": [{"system": system, "code": code}]},
    }
