"""In: what a hospital's server knows and how it misbehaves. Out: the server on loopback: SMART configuration, tokens, one resource.

It verifies an assertion as SMART App Launch 2.x asks: signature against the registered JWKS, iss, sub, aud, exp, iat, and
each jti once. Every request is kept in `log`.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs

import jwt

__all__ = ["Answer", "SmartServer", "serving"]

_OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_MOST_AHEAD: Final = 300


@dataclass(frozen=True)
class Answer:
    """What is answered instead of what would be; a str body is sent as it is."""

    status: int
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class SmartServer:
    """The server's state; `serving` gives it a socket.

    Attributes:
        jwks: registered public keys.
        client_id: registered.
        grants: scopes that it states; None states none.
        lifetime: seconds that a token lasts; None does not say so.
        ahead: seconds that its clock is ahead of the true one.
        leeway: seconds that it forgives other clocks.
        well_known: members of the SMART configuration besides the token endpoint; None has no such document.
        states_uris: the CapabilityStatement names the token endpoint.
        token_endpoint: that it states; None states its own.
        answers: to the next token requests.
        slow: seconds that a token takes.
    """

    jwks: dict[str, Any]
    client_id: str = "reluth"
    grants: str | None = "system/*.rs"
    lifetime: object = 300
    ahead: float = 0.0
    leeway: float = 10.0
    well_known: dict[str, Any] | None = field(default_factory=dict)
    states_uris: bool = False
    token_endpoint: str | None = None
    answers: deque[Answer] = field(default_factory=deque)
    slow: float = 0.0
    url: str = ""
    log: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)
    asked_scopes: list[str] = field(default_factory=list)
    _tokens: dict[str, float] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        return f"{self.url}/fhir"

    @property
    def own_token_url(self) -> str:
        return f"{self.url}/auth/token"

    @property
    def token_requests(self) -> int:
        return sum(1 for method, path, _ in self.log if (method, path) == ("POST", "/auth/token"))

    def now(self) -> float:
        return time.time() + self.ahead

    def revoke(self) -> None:
        """No token given so far holds any more."""
        with self._lock:
            self._tokens.clear()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._lock:
            self.log.append((method, path, headers))
        if (method, path) == ("POST", "/auth/token"):
            time.sleep(self.slow)
            with self._lock:
                return self.answers.popleft() if self.answers else self._token(body)
        if path == "/fhir/.well-known/smart-configuration":
            return Answer(404) if self.well_known is None else Answer(200, self._configuration() | self.well_known)
        if path == "/fhir/metadata":
            return Answer(200, self._statement())
        token = headers.get("authorization", "").removeprefix("Bearer ")
        with self._lock:
            if self._tokens.get(token, 0) <= time.time():
                return Answer(401)
        return Answer(200, {"resourceType": "Basic", "id": path.rpartition("/")[2]})

    def _configuration(self) -> dict[str, Any]:
        return {"token_endpoint": self.token_endpoint or self.own_token_url}

    def _statement(self) -> dict[str, Any]:
        token = {"url": "token", "valueUri": self.token_endpoint or self.own_token_url}
        uris = {"url": _OAUTH_URIS, "extension": [{"url": "authorize", "valueUri": "urn:none"}, token]}
        security = {"extension": [uris] if self.states_uris else []}
        rest = [{"mode": "server", "security": security}]
        return {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "rest": rest}

    def _token(self, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return Answer(400, {"error": "unsupported_grant_type"})
        if form.get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            return Answer(400, {"error": "invalid_request"})
        problem = self._problem(form.get("client_assertion", ""))
        if problem:
            return Answer(401, {"error": "invalid_client", "error_description": f"of Dupont: {problem}"})
        self.asked_scopes.append(form.get("scope", ""))
        value = f"t-{uuid.uuid4()}"
        lasts = float(self.lifetime) if isinstance(self.lifetime, int | float | str) else 300.0
        self._tokens[value] = time.time() + lasts
        given: dict[str, Any] = {"access_token": value, "token_type": "bearer"}
        if self.lifetime is not None:
            given["expires_in"] = self.lifetime
        if self.grants is not None:
            given["scope"] = self.grants
        return Answer(200, given)

    def _problem(self, assertion: str) -> str:
        """Why an assertion is not taken; empty where it is."""
        try:
            header = jwt.get_unverified_header(assertion)
            key = next(jwk for jwk in self.jwks["keys"] if jwk["kid"] == header.get("kid"))
            # The times are looked at below: by this server's clock.
            claims = jwt.decode(
                assertion,
                jwt.PyJWK(key).key,
                algorithms=["ES384", "RS384"],
                audience=self.own_token_url,
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["iss", "sub", "aud", "exp", "jti"],
                },
            )
        except (jwt.PyJWTError, StopIteration) as error:
            return type(error).__name__
        self.headers.append(header)
        self.claims.append(claims)
        if not claims["iss"] == claims["sub"] == self.client_id:
            return "another client"
        now = self.now()
        if not now - self.leeway < claims["exp"] <= now + _MOST_AHEAD + self.leeway:
            return "exp"
        if claims.get("iat", now) > now + self.leeway:
            return "iat"
        if claims["jti"] in self._seen:
            return "jti seen before"
        self._seen.add(claims["jti"])
        return ""


@contextmanager
def serving(server: SmartServer, *, tls: ssl.SSLContext | None = None) -> Iterator[SmartServer]:
    """Serve it on a free port of loopback, until the block ends.

    Args:
        server: whose ``url`` is set.
        tls: of the server, which is then reached by https and as ``localhost``.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            given = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(self.command, self.path, given, body)
            content = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
            self.send_response_only(answer.status)
            for name, value in {"Date": formatdate(server.now(), usegmt=True), **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: Any, client_address: Any) -> None:
            # The handshake is made here, in the connection's own thread: one that fails stops nobody else.
            if tls is not None:
                request = tls.wrap_socket(request, server_side=True)
            try:
                super().finish_request(request, client_address)
            finally:
                request.close()

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away, or is refused by TLS, is what is tested."""

    with Quiet(("127.0.0.1", 0), Handler) as listening:
        port = listening.server_address[1]
        server.url = f"http://127.0.0.1:{port}" if tls is None else f"https://localhost:{port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
