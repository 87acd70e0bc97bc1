"""In: a ward and stores of it. Out: `reluth push` as processes of their own, and a gate before the server that kills or stops them."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from tests.support.push_hapi import SITE

__all__ = ["Gate", "Moment", "PushProcess", "gate_before", "start_push", "write_settings"]

#: unsent: the server never gets the transaction; flying: it has just got it; unheard: it has answered, and nobody heard it;
#: half-heard: half of the answer was heard.
Moment = Literal["unsent", "flying", "unheard", "half-heard"]

_SECONDS: Final = 240
#: Is ready, begins when it is told to, and may kill itself, as kill -9 would, at the n-th call of one function of the outbox.
_PROGRAM: Final = """
import os, signal, sys
from adapter.cli import main
from adapter.store.outbox import Outbox
import adapter.client, adapter.sync

name, nth, at = sys.argv[1], int(sys.argv[2]), 0

def deadly(real):
    def call(*arguments, **more):
        global at
        at += 1
        if at == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **more)
    return call

if name:
    setattr(Outbox, name, deadly(getattr(Outbox, name)))
print("ready", file=sys.stderr, flush=True)
sys.stdin.readline()
sys.exit(main(sys.argv[3:]))
"""


@dataclass
class PushProcess:
    """One `reluth push`, waiting to begin."""

    process: subprocess.Popen[bytes]

    def begin(self) -> None:
        """It was ready, and now pushes."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.send_signal(signal.SIGKILL)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Exit code, closing object (empty where it was killed) and what it said, once it has ended."""
        out, err = self.process.communicate(timeout=_SECONDS)
        return self.process.returncode, json.loads(out) if out else {}, err.decode()


@contextmanager
def start_push(folder: Path, store: str, *more: str, dies: tuple[str, int] = ("", 0)) -> Iterator[PushProcess]:
    """A push that waits to begin; killed at the end of the block if it still runs.

    Args:
        folder: with the settings (`write_settings`).
        store: name of its folder in there.
        more: arguments of `reluth push`.
        dies: name of a function of the outbox and at which of its calls the process kills itself.
    """
    command = [
        "--config",
        str(folder / "adapter.toml"),
        "--store",
        str(folder / store),
        "push",
        "--site",
        SITE,
        "--json",
    ]
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, dies[0], str(dies[1]), *command, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == b"ready\n"
            yield PushProcess(process)
        finally:
            process.kill()


def write_settings(folder: Path, base_url: str) -> None:
    """The settings of a machine."""
    text = f'[sites.{SITE}]\nbase_url = "{base_url}"\n'
    (folder / "adapter.toml").write_text(text, encoding="utf-8")


class Gate:
    """What stands between pushes and a server, and does something at one of the transactions.

    Attributes:
        url: base URL as the pushes see it.
        arrived: how many transactions came.
        passed: how many of them were let through.
        kills: which transaction, counted from 1, and when; the push that ``victim`` is.
        holds: no transaction passes until it is set.
    """

    def __init__(self, base_url: str, server: ThreadingHTTPServer) -> None:
        self.behind = urlsplit(base_url)
        self.url = f"http://127.0.0.1:{server.server_address[1]}{self.behind.path}"
        self.arrived = 0
        self.passed = 0
        self.kills: tuple[int, Moment] | None = None
        self.victim: PushProcess | None = None
        self.holds = threading.Event()
        self.holds.set()
        self._counting = threading.Lock()

    def count(self) -> Moment | None:
        """One more transaction; what is to happen at it."""
        with self._counting:
            self.arrived += 1
        self.holds.wait(_SECONDS)
        with self._counting:
            self.passed += 1
            return self.kills[1] if self.kills is not None and self.kills[0] == self.passed else None

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask the server behind; links in its answers lead back here."""
        connection = http.client.HTTPConnection(self.behind.hostname or "", self.behind.port, timeout=_SECONDS)
        try:
            connection.request(method, path, body=body or None, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def kill(self) -> None:
        """End the victim, and wait until it is gone."""
        assert self.victim is not None
        self.victim.kill()
        self.victim.process.wait(_SECONDS)


@contextmanager
def gate_before(base_url: str) -> Iterator[Gate]:
    """A gate on loopback."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        gate = server.gate = Gate(base_url, server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield gate
        finally:
            gate.holds.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    gate: Gate


class _Handler(BaseHTTPRequestHandler):
    """Hands one request on; a transaction is a POST to the base itself."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._hand_on(b"")

    def do_POST(self) -> None:
        self._hand_on(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Nothing."""

    def _hand_on(self, body: bytes) -> None:
        assert isinstance(self.server, _Server)
        gate = self.server.gate
        is_transaction = self.command == "POST" and self.path.rstrip("/") == gate.behind.path
        moment = gate.count() if is_transaction else None
        if moment == "unsent":
            gate.kill()
            self.close_connection = True
            return
        if moment == "flying":
            # The server begins while the push dies.
            sending = threading.Thread(target=gate.forward, args=(self.command, self.path, self._headers(), body))
            sending.start()
            gate.kill()
            sending.join()
            self.close_connection = True
            return
        status, headers, answer = gate.forward(self.command, self.path, self._headers(), body)
        if moment == "unheard":
            gate.kill()
            self.close_connection = True
            return
        self.send_response(status)
        for name in ("Content-Type", "ETag", "Date", "Retry-After"):
            if name in headers:
                self.send_header(name, headers[name])
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2] if moment == "half-heard" else answer)
        if moment == "half-heard":
            self.wfile.flush()
            gate.kill()
            self.close_connection = True

    def _headers(self) -> dict[str, str]:
        return {
            name: value for name, value in self.headers.items() if name.lower() not in ("connection", "accept-encoding")
        }
