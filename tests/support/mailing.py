"""In: where a mail server runs. Out: settings of digests that go there; a moment at which they are due."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from adapter.config import Settings
from tests.support.screened import SITE

__all__ = ["DUE", "SERVICE", "digest_of", "mail_settings"]

#: A Monday, 7:31 in France.
DUE: Final = datetime(2025, 6, 2, 5, 31, tzinfo=UTC)
SERVICE: Final = "https://desk.example.org/reluth"


def digest_of(*to: str, **more: Any) -> dict[str, Any]:
    """One digest for some addresses, without roles unless they are given."""
    return {"site": SITE, "to": list(to), "roles": [], **more}


def mail_settings(folder: Path, *digests: dict[str, Any], port: int = 25, **mail: Any) -> Settings:
    """Settings of a store in a folder; the mail server is one on loopback without TLS unless told otherwise."""
    told = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "ReLUTH <reluth@example.org>", **mail}
    return Settings.model_validate(
        {
            "store": {"path": folder / "var"},
            "service": {"public_url": SERVICE},
            "mail": {**told, "digests": list(digests)},
            "sites": {SITE: {}},
        }
    )
