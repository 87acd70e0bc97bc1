"""In: a package index, once. Out: smart-fetch 1.0.3, somebody else's bulk client, in an environment of its own below .cache.

It skips the test where it cannot be had, and fails it there when CI=true.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapter.client.keys import SigningKey

__all__ = ["VERSION", "private_jwks", "smart_fetch"]

VERSION = "1.0.3"
_HOME = Path(__file__).resolve().parents[2] / ".cache" / "smart-fetch"
_INSTALL_SECONDS = 420
_RUN_SECONDS = 120


def smart_fetch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it; it is installed at the first time."""
    _install()
    command = [str(_HOME / "bin" / "smart-fetch"), *arguments]
    # Colours and widths are for people.
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )


def private_jwks(key: SigningKey, file: Path) -> Path:
    """Write a P-384 key as the JWKS that smart-fetch signs by."""
    assert isinstance(key.private, ec.EllipticCurvePrivateKey)
    secret = key.private.private_numbers().private_value.to_bytes(48, "big")
    jwk: dict[str, Any] = {**key.public_jwk(), "key_ops": ["sign"]}
    jwk["d"] = base64.urlsafe_b64encode(secret).decode().rstrip("=")
    file.touch(mode=0o600)
    file.write_text(json.dumps({"keys": [jwk]}))
    return file


def _install() -> None:
    _HOME.mkdir(parents=True, exist_ok=True)
    made = _HOME / "installed"
    with (_HOME / "busy").open("w") as busy:
        # Test processes that begin at once: the first installs, the others wait.
        fcntl.flock(busy, fcntl.LOCK_EX)
        if made.exists() and made.read_text() == VERSION:
            return
        python = _HOME / "bin" / "python"
        commands = [
            [sys.executable, "-m", "venv", str(_HOME)],
            [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install", f"smart-fetch=={VERSION}"],
        ]
        for command in commands:
            try:
                done = subprocess.run(
                    command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_INSTALL_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                _cannot("smart-fetch could not be installed within seven minutes.")
            if done.returncode:
                _cannot(f"smart-fetch {VERSION} could not be installed: no package index has it here.")
        made.write_text(VERSION)


def _cannot(sentence: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(sentence)
    pytest.skip(sentence)
