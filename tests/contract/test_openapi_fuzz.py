"""In: the OpenAPI document. Out: no call that can be made of it brings the service down, and its answers are what it says."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from adapter.service import create_app, openapi_document
from tests.support.screened import screened_store

_TOKEN = "one-time-token-of-the-fuzzer"
_START_SECONDS = 20.0
_EXAMPLES = 25


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: Any, value: Any) -> bytes:
    """Whatever the fuzzer made, as lines."""
    if isinstance(value, bytes):
        return value
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()


schema = schemathesis.openapi.from_dict(openapi_document())


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, requests.Session]]:
    """The address of a running service, and a session in it."""
    with screened_store(Path(tmp_path_factory.mktemp("fuzz"))) as found:
        app = create_app(found, token=_TOKEN, today=lambda: date(2025, 6, 12))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener, requests.Session() as session:
            listener.bind(("127.0.0.1", 0))
            server = uvicorn.Server(
                uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1)
            )
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
            thread.start()
            until = time.monotonic() + _START_SECONDS
            while not server.started and thread.is_alive() and time.monotonic() < until:
                time.sleep(0.02)
            assert server.started
            home = f"http://127.0.0.1:{listener.getsockname()[1]}"
            assert session.get(f"{home}/login", params={"token": _TOKEN}, timeout=10).status_code == 200
            yield home, session
            server.should_exit = True
            thread.join(_START_SECONDS)


@schema.parametrize()
@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_service_answers_every_call_that_its_document_allows(
    case: schemathesis.Case[Any], inside: tuple[str, requests.Session]
) -> None:
    home, session = inside

    answer = case.call(base_url=home, session=session, timeout=30)

    case.validate_response(answer, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])
