"""In: a site's settings. Out: where its FHIR server is and how it is reached, for `adapter.client`."""

from __future__ import annotations

import ssl
from dataclasses import replace

from adapter.client import BasicAuth, BearerAuth, RunBudget, SiteAddress, SiteAuth, tls_context
from adapter.client.address import origin_of
from adapter.client.keys import signing_key
from adapter.client.smart import SmartAuth, SmartClient
from adapter.config import (
    BasicSettings,
    BearerSettings,
    MutualTlsSettings,
    NoAuthSettings,
    SiteSettings,
    SmartBackendSettings,
)
from adapter.errors import ConfigurationError

__all__ = ["site_address"]

#: Settings that stand in ``[sites.<name>.auth]``; all others of a connection stand in ``[sites.<name>]``.
_OF_AUTH = frozenset({"private_key_file", "certificate_file", "token_url", "algorithm", "key_id", "scopes", "type"})


def site_address(site_id: str, site: SiteSettings, *, budget: RunBudget | None = None) -> SiteAddress:
    """The address of a site, with what shows its server who we are.

    Nothing is sent. Without credentials, or with credentials over plain http, only a server on this machine is spoken to.

    Args:
        site_id: its name in the settings.
        site: its settings.
        budget: of the whole run, for the requests of tokens.

    Raises:
        ConfigurationError: it has none, a file is missing or open to others, or the connection would not be safe.
    """
    try:
        return _address(site, budget)
    except ConfigurationError as error:
        within = "auth." if error.setting in _OF_AUTH else ""
        raise ConfigurationError(f"sites.{site_id}.{within}{error.setting}", error.problem) from None


def _address(site: SiteSettings, budget: RunBudget | None) -> SiteAddress:

    if site.base_url is None:
        raise ConfigurationError("base_url", "is missing: where is the hospital's FHIR server?")
    address = SiteAddress(site.base_url, hosts=tuple(site.hosts), timeout=site.timeout, proxy=site.proxy)
    _check_is_safe(site, address)
    address = replace(address, tls=_tls(site, address), proxy_tls=_proxy_tls(site, address))
    return replace(address, auth=_auth(site, address, budget))


def _check_is_safe(site: SiteSettings, address: SiteAddress) -> None:

    if isinstance(site.auth, MutualTlsSettings) and not address.is_encrypted:
        raise ConfigurationError("base_url", "a client certificate is shown over https only")
    if address.is_local:
        return
    if isinstance(site.auth, NoAuthSettings):
        raise ConfigurationError(
            "auth", "is none, which is for servers on this machine only: smart-backend, mtls, basic or bearer is wanted"
        )
    if not address.is_encrypted:
        raise ConfigurationError("base_url", "credentials go over https only, but to a server on this machine")


def _tls(site: SiteSettings, address: SiteAddress) -> ssl.SSLContext | None:

    ca_file = None if site.ca_file is None else str(site.ca_file)
    if isinstance(site.auth, MutualTlsSettings):
        return tls_context(ca_file, str(site.auth.certificate_file), str(site.auth.private_key_file))
    # Made here where ca_file is None too: it trusts the system's authorities, where httpx brings a list of its own.
    return tls_context(ca_file) if ca_file is not None or address.is_encrypted else None


def _proxy_tls(site: SiteSettings, address: SiteAddress) -> ssl.SSLContext | None:
    """The same authorities as for the server: a hospital has one list."""
    if not address.is_proxy_encrypted:
        return None
    return tls_context(None if site.ca_file is None else str(site.ca_file))


def _auth(site: SiteSettings, address: SiteAddress, budget: RunBudget | None) -> SiteAuth | None:

    match site.auth:
        case BasicSettings(username=username, password=password):
            return BasicAuth(username, password.get_secret_value())
        case BearerSettings(token=token):
            return BearerAuth(token.get_secret_value())
        case SmartBackendSettings():
            return _smart(site.auth, address, budget)
        case _:
            return None


def _smart(auth: SmartBackendSettings, address: SiteAddress, budget: RunBudget | None) -> SiteAuth:

    token_url = None if auth.token_url is None else str(auth.token_url)
    if token_url is not None and origin_of(token_url) not in address.allowed():
        raise ConfigurationError(
            "token_url", "its host is neither that of base_url, by the same scheme, nor one of hosts"
        )
    key = signing_key(auth.private_key_file, algorithm=auth.algorithm, key_id=auth.key_id)
    return SmartAuth(SmartClient(auth.client_id, key, tuple(auth.scopes), token_url), address=address, budget=budget)
