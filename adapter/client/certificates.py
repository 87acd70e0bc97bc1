"""In: a connection's certificate, or a PEM file. Out: until when it holds.

One that ends unseen stops every pull on that day, and a hospital's authority takes weeks for a new one.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from cryptography import x509

__all__ = ["SHORT_DAYS", "days_left", "end_of_authorities", "end_of_chain", "end_of_peer", "end_told"]

#: With fewer days left a new certificate has to be asked for: authorities of hospitals take weeks.
SHORT_DAYS: Final = 30
_DAY: Final = 86_400


def end_told(certificate: Mapping[str, object]) -> datetime | None:
    """Of a server's certificate, as `ssl.SSLSocket.getpeercert` gives it; None where it does not tell.

    >>> end_told({"notAfter": "Nov 24 12:00:00 2027 GMT"})
    datetime.datetime(2027, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)
    """
    written = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(written), UTC) if isinstance(written, str) else None


def end_of_peer(answer: httpx.Response) -> datetime | None:
    """Of the server that gives an answer, while it is read; None without TLS."""
    stream = answer.extensions.get("network_stream")
    # Through a proxy too: what is told is the innermost layer, that with the server.
    secured = None if stream is None else stream.get_extra_info("ssl_object")
    return None if secured is None else end_told(secured.getpeercert() or {})


def end_of_chain(file: Path) -> datetime | None:
    """Of a certificate of ours with those that lead to its authority: the first day on which one of them ends.

    None for a file that cannot be read: whatever needs it says so.
    """
    return min(_ends(file), default=None)


def end_of_authorities(file: Path) -> datetime | None:
    """Of a list of authorities: from when on it trusts nobody; one of several that has ended does no harm."""
    return max(_ends(file), default=None)


def days_left(end: datetime, *, now: datetime) -> int:
    """Whole days, negative once it has ended."""
    return int((end - now).total_seconds() // _DAY)


def _ends(file: Path) -> list[datetime]:
    try:
        return [one.not_valid_after_utc for one in x509.load_pem_x509_certificates(file.read_bytes())]
    except (OSError, ValueError):
        return []
