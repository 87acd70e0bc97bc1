"""In: where a site's FHIR server is, as configured. Out: the same, checked: which hosts requests may go to, and how it is trusted."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from adapter.client.auth import SiteAuth
from adapter.client.keys import private_text
from adapter.errors import ConfigurationError

__all__ = ["SiteAddress", "is_loopback", "opened_client", "origin_of", "parsed_url", "tls_context", "without_query"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NO_SOCKS: Final = "SOCKS proxies need the packages socksio and PySocks, which this product does not bring: an http or https URL is wanted"


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """Where a site's FHIR server is, and how it is reached.

    Args:
        base_url: FHIR base URL, http or https, without query.
        hosts: further ``host`` or ``host:port`` that links may lead to.
        auth: what shows who we are; None where the server asks for nothing.
        tls: None trusts the system's authorities; see `tls_context` for a hospital's own, and for a certificate of ours.
        timeout: seconds to connect, and between two parts of an answer.
        proxy: URL of the proxy to this site; None for that of the environment, and for none on this machine.
        proxy_tls: whom to trust as a proxy that is itself reached by https; None trusts the system's authorities. Apart from
            ``tls``, so that a certificate of ours is shown to the server alone.
    """

    base_url: str
    hosts: tuple[str, ...] = ()
    auth: SiteAuth | None = None
    tls: ssl.SSLContext | None = None
    timeout: float = 60.0
    # It may hold the proxy's password.
    proxy: str | None = field(default=None, repr=False)
    proxy_tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        """Refuse what is not the address of a FHIR server.

        Raises:
            ConfigurationError: no absolute http(s) URL, or one with a query, a fragment or a password in it; or a proxy
                that is no http(s) URL.
        """
        url = parsed_url(self.base_url)
        if url is None or url.scheme not in {"http", "https"} or not url.host:
            raise ConfigurationError("base_url", "an absolute http or https URL is wanted")
        if url.query or url.fragment or url.userinfo or "?" in self.base_url:
            raise ConfigurationError("base_url", "no query, fragment or password may stand in it")
        for host in self.hosts:
            named = parsed_url(f"{url.scheme}://{host}")
            if named is None or not named.host or named.userinfo or set(host) & set("/?#"):
                raise ConfigurationError("hosts", "a host or host:port is wanted, without scheme and path")
        proxy = None if self.proxy is None else parsed_url(self.proxy)
        if proxy is not None and proxy.scheme.startswith("socks"):
            raise ConfigurationError("proxy", _NO_SOCKS)
        if self.proxy is not None and (proxy is None or proxy.scheme not in {"http", "https"} or not proxy.host):
            raise ConfigurationError("proxy", "an http or https URL is wanted")

    @property
    def is_proxy_encrypted(self) -> bool:
        """What the proxy is told, and where to, goes through TLS of its own."""
        return self.proxy is not None and httpx.URL(self.proxy).scheme == "https"

    @property
    def root(self) -> str:
        """The base URL without a slash at its end."""
        return self.base_url.rstrip("/")

    @property
    def is_local(self) -> bool:
        """The server runs on this machine: nobody else hears what is said to it."""
        return is_loopback(httpx.URL(self.base_url).host)

    @property
    def is_encrypted(self) -> bool:
        """What is sent goes through TLS."""
        return httpx.URL(self.base_url).scheme == "https"

    def allowed(self) -> frozenset[str]:
        """The origins that requests may go to: base_url's, and its scheme at each further host."""
        scheme = self.base_url.partition(":")[0].lower()
        return frozenset(origin_of(url) for url in (self.base_url, *(f"{scheme}://{host}" for host in self.hosts)))


def without_query(url: str, *, method: str = "GET") -> str:
    """``GET host/path``: what may stand in messages and logs; a query may hold a patient's id.

    >>> without_query("https://fhir.example.org/r4/Observation?patient=42")
    'GET https://fhir.example.org/r4/Observation'
    """
    parsed = parsed_url(url)
    return f"{method} {origin_of(url)}{parsed.path if parsed else ''}"


def tls_context(
    ca_file: str | None = None, certificate_file: str | None = None, private_key_file: str | None = None
) -> ssl.SSLContext:
    """Whom to trust, and a certificate of ours for a server that asks who we are (mutual TLS).

    Args:
        ca_file: PEM file of the authorities to trust, and no others; None for those of the system.
        certificate_file: PEM file of our certificate, and those that lead to its authority.
        private_key_file: PEM file of its key, without passphrase; readable by its owner only.

    Raises:
        ConfigurationError: a file cannot be read, is open to others, or does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise ConfigurationError("ca_file", "a readable PEM file of certificates is wanted") from None
    if certificate_file is None or private_key_file is None:
        return context
    private_text(Path(private_key_file))
    try:
        # A callable: else OpenSSL would ask for a passphrase at the terminal, and wait.
        context.load_cert_chain(certificate_file, private_key_file, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError("private_key_file", "is not the key of the certificate_file") from None
        raise ConfigurationError(
            "certificate_file", "PEM files of a certificate and of its key, without passphrase, are wanted"
        ) from None
    except OSError as error:
        raise ConfigurationError("certificate_file", f"the file cannot be read ({error.strerror})") from None
    return context


def opened_client(address: SiteAddress, *, via: httpx.BaseTransport | None = None) -> httpx.Client:
    """Connections to a site, made as its address says; without credentials, and redirects are not followed.

    Args:
        address: the site.
        via: the httpx transport, where it is not the network.

    Raises:
        ConfigurationError: the environment names a SOCKS proxy.
    """
    try:
        return httpx.Client(
            verify=address.tls or True,
            timeout=httpx.Timeout(address.timeout),
            headers={"User-Agent": "reluth-fhir-adapter"},
            # Followed by hand: httpx asks the other host first and only then lets one look.
            follow_redirects=False,
            # A proxy of the hospital's network is used for all but this machine.
            trust_env=address.proxy is None and not address.is_local,
            proxy=_proxy(address),
            transport=via,
        )
    except ImportError:
        # Of the environment: one of the settings is refused before.
        raise ConfigurationError("proxy", f"is missing, and that of the environment is SOCKS: {_NO_SOCKS}") from None


def _proxy(address: SiteAddress) -> httpx.Proxy | None:
    if address.proxy is None:
        return None
    # Without a context of its own httpx would trust a list that it brings.
    trusted = (address.proxy_tls or tls_context()) if address.is_proxy_encrypted else None
    return httpx.Proxy(address.proxy, ssl_context=trusted)


def parsed_url(url: str) -> httpx.URL | None:
    """An address as httpx will read it: a check by another parser could let pass what this one sends elsewhere."""
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return None


def origin_of(url: str) -> str:
    """Scheme, host and port, the default port left out; never name and password."""
    parsed = parsed_url(url)
    if parsed is None:
        return "an unreadable address"
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    port = "" if parsed.port in {None, _DEFAULT_PORTS.get(parsed.scheme)} else f":{parsed.port}"
    return f"{parsed.scheme}://{host}{port}"


def is_loopback(host: str) -> bool:
    """A name or number of this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
