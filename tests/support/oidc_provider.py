"""In: node, npm and the module in ``oidc/``; people with their groups. Out: a real OpenID provider (oidc-provider) on loopback, and a browser's way through it.

The packages are fetched once, under ``.cache/oidc``; npm checks each against the lock file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx
import pytest

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "RunningProvider", "confirm", "running_provider"]

CLIENT_ID: Final = "reluth"
#: Signs that have to be encoded in HTTP Basic (RFC 6749 2.3.1).
CLIENT_SECRET: Final = "kept: 100% within+tests"
_ROOT = Path(__file__).resolve().parents[2]
_MODULE = Path(__file__).resolve().parent / "oidc"
_CACHE = _ROOT / ".cache" / "oidc"
_FETCH_SECONDS = 300
_START_SECONDS = 60
_FORM = re.compile(r'<form[^>]+action="(?P<action>[^"]+)"')
_MOST_STEPS = 12


@dataclass
class RunningProvider:
    """A provider that runs.

    Args:
        issuer: its address.
        process: node.
    """

    issuer: str
    process: subprocess.Popen[str]

    def change(self, people: Mapping[str, Mapping[str, Any]]) -> None:
        """From now on it knows these people, with these claims."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(people) + "\n")
        self.process.stdin.flush()
        assert _line(self.process) == "CHANGED"


@contextlib.contextmanager
def running_provider(
    *,
    people: Mapping[str, Mapping[str, Any]],
    home: str,
    client: Mapping[str, Any] | None = None,
    brief: bool = False,
) -> Iterator[RunningProvider]:
    """A provider of one's own, ended with the block.

    Skips the test where node or npm are missing, and fails it there when CI=true.

    Args:
        people: claims by name; everybody signs in by their name and any password.
        home: origin of the service, whose addresses are registered.
        client: what is registered of it otherwise than usual; None leaves a member out.
        brief: its ID tokens hold who somebody is, and no more: the rest is at the UserInfo endpoint.
    """
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        _cannot(f"An OpenID provider needs {', '.join(missing)}, which this machine does not have.")
    _packages()
    stated = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{home}/oidc/callback"],
        "post_logout_redirect_uris": [f"{home}/sign-in"],
        **(client or {}),
    }
    registered = {name: value for name, value in stated.items() if value is not None}
    asked = {"modules": str(_CACHE), "clients": [registered], "people": people, "brief": brief}
    command = ["node", str(_MODULE / "provider.mjs"), json.dumps(asked)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            said = _line(process)
            assert said.startswith("PORT "), "the provider did not start"
            yield RunningProvider(f"http://127.0.0.1:{said.removeprefix('PORT ')}", process)
        finally:
            process.kill()


def confirm(browser: httpx.Client, url: str, *, name: str, home: str, aborts: bool = False) -> str:
    """Go through the provider's pages as a person does.

    Args:
        browser: with its cookies; it follows no redirect by itself.
        url: where the service sent it.
        name: who signs in.
        home: origin of the service.
        aborts: goes back at the first page instead.

    Returns:
        the address of the service that the provider sends the browser back to.
    """
    answer = browser.get(url)
    for _ in range(_MOST_STEPS):
        if answer.is_redirect:
            onward = str(answer.url.join(answer.headers["location"]))
            if onward.startswith(f"{home}/"):
                return onward
            answer = browser.get(onward)
            continue
        assert answer.status_code == httpx.codes.OK, answer.text[:2000]
        form = _FORM.search(answer.text)
        assert form is not None, answer.text[:2000]
        if aborts:
            answer = browser.get(f"{form['action']}/abort")
        elif 'value="login"' in answer.text:
            answer = browser.post(form["action"], data={"prompt": "login", "login": name, "password": "any"})
        else:
            answer = browser.post(form["action"], data={"prompt": "consent"})
    raise AssertionError("the provider's pages do not end")


def _packages() -> None:
    """The provider's packages, fetched at the first time and after a change of the lock file."""
    wanted = hashlib.sha256((_MODULE / "package-lock.json").read_bytes()).hexdigest()
    _CACHE.mkdir(parents=True, exist_ok=True)
    made = _CACHE / "lock.sha256"
    with (_CACHE / "busy").open("w") as busy:
        # Test processes that begin at once: the first fetches, the others wait.
        fcntl.flock(busy, fcntl.LOCK_EX)
        if made.exists() and made.read_text() == wanted:
            return
        made.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_MODULE / name, _CACHE / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=_CACHE, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FETCH_SECONDS, check=False
        )
        if done.returncode:
            _cannot(f"npm could not fetch the OpenID provider. {done.stderr[-500:].decode(errors='replace')}")
        made.write_text(wanted)


def _line(process: subprocess.Popen[str]) -> str:
    """The next line that the provider says."""
    assert process.stdout is not None
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        if ready:
            return process.stdout.readline().strip()
        if process.poll() is not None:
            break
    return ""


def _cannot(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
