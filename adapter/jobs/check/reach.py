"""In: a site's address. Out: findings about the way to its server: name, port, certificate and the days it has left.

Where a proxy stands between, none of these can be seen from here: the requests themselves then tell what is wrong.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from urllib.request import getproxies, proxy_bypass

from adapter.client import SiteAddress
from adapter.client.address import parsed_url
from adapter.client.certificates import SHORT_DAYS, days_left, end_told
from adapter.jobs.check.findings import Finding, Group, Status

__all__ = ["certificate_finding", "check_reach"]

_PORTS = {"http": 80, "https": 443}
_REFUSED, _LATER = 4, 75
#: OpenSSL's X509_V_ERR_...: what is wrong with a certificate.
_EXPIRED, _NOT_YET, _WRONG_NAMES = 10, 9, frozenset({62, 64})
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})


def check_reach(address: SiteAddress, *, now: datetime, seconds: float = 10.0) -> Iterator[Finding]:
    """The way to a site's server, step by step until one fails.

    Args:
        address: the site.
        now: aware time, for the days that the certificate has left.
        seconds: to wait for each step.
    """
    url = parsed_url(address.base_url)
    if url is None:  # pragma: no cover - SiteAddress refuses it
        return
    host, port = url.host, url.port or _PORTS[url.scheme]
    names: dict[str, str | int] = {"host": host, "port": port}
    if _is_proxied(address, url.scheme, host):
        yield Finding(Group.REACH, "proxied", Status.SKIPPED, names)
        return
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        yield Finding(Group.REACH, "name-unknown", Status.FAILED, names, _LATER)
        return
    try:
        connection = socket.create_connection((host, port), timeout=seconds)
    except OSError as error:
        problem = "timeout" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        yield Finding(Group.REACH, "port-closed", Status.FAILED, {**names, "problem": problem}, _LATER)
        return
    with connection:
        yield Finding(Group.REACH, "port-open", Status.OK, names)
        if url.scheme == "https":
            yield _secured(connection, host, address.tls or ssl.create_default_context(), now)


def _is_proxied(address: SiteAddress, scheme: str, host: str) -> bool:
    if address.proxy is not None:
        return True
    given = getproxies()
    return not address.is_local and bool({scheme, "all"} & given.keys()) and not proxy_bypass(host)


def _secured(connection: socket.socket, host: str, context: ssl.SSLContext, now: datetime) -> Finding:
    try:
        with context.wrap_socket(connection, server_hostname=host) as secured:
            return certificate_finding(secured.getpeercert() or {}, host=host, now=now)
    except ssl.SSLCertVerificationError as error:
        return _untrusted(error, host)
    except (OSError, ValueError) as error:
        problem = getattr(error, "reason", None) or type(error).__name__
        return Finding(Group.REACH, "tls-failed", Status.FAILED, {"host": host, "problem": str(problem)}, _REFUSED)


def certificate_finding(certificate: ssl._PeerCertRetDictType, *, host: str, now: datetime) -> Finding:
    """How long a trusted certificate still holds.

    Args:
        certificate: as `ssl.SSLSocket.getpeercert` gives it.
        host: whose.
        now: aware time.
    """
    until = end_told(certificate)
    if until is None:
        return Finding(Group.REACH, "certificate-untold", Status.NOTE, {"host": host})
    days = days_left(until, now=now)
    values: dict[str, str | int] = {"host": host, "days": days, "until": str(until.date())}
    if days < SHORT_DAYS:
        return Finding(Group.REACH, "certificate-ends", Status.ASK, values)
    return Finding(Group.REACH, "certificate-trusted", Status.OK, values)


def _untrusted(error: ssl.SSLCertVerificationError, host: str) -> Finding:
    code = "certificate-untrusted"
    if error.verify_code in (_EXPIRED, _NOT_YET):
        code = "certificate-expired"
    elif error.verify_code in _WRONG_NAMES:
        code = "certificate-wrong-name"
    elif error.verify_code in _UNKNOWN_AUTHORITY:
        code = "certificate-unknown-authority"
    # OpenSSL's own words hold the host's name at most.
    values = {"host": host, "problem": error.verify_message.split(",")[0]}
    return Finding(Group.REACH, code, Status.FAILED, values, _REFUSED)
