"""In: a site's settings. Out: where its FHIR server is and how it is reached, for `adapter.client`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError

if TYPE_CHECKING:
    from adapter.client import SiteAddress
    from adapter.config import SiteSettings

__all__ = ["site_address"]


def site_address(site_id: str, site: SiteSettings) -> SiteAddress:
    """The address of a site.

    Raises:
        ConfigurationError: it has none, or is to be reached in a way that this release does not know.
    """
    from adapter.client import BasicAuth, BearerAuth, SiteAddress, tls_context
    from adapter.config import BasicSettings, BearerSettings, NoAuthSettings

    if site.base_url is None:
        raise ConfigurationError(f"sites.{site_id}.base_url", "is missing: where is the hospital's FHIR server?")
    auth: BasicAuth | BearerAuth | None = None
    match site.auth:
        case NoAuthSettings():
            pass
        case BasicSettings(username=username, password=password):
            auth = BasicAuth(username, password.get_secret_value())
        case BearerSettings(token=token):
            auth = BearerAuth(token.get_secret_value())
        case other:
            raise ConfigurationError(
                f"sites.{site_id}.auth.type", f"{other.type} is not in this release yet: none, basic or bearer"
            )
    tls = None if site.ca_file is None else tls_context(str(site.ca_file))
    return SiteAddress(site.base_url, hosts=tuple(site.hosts), auth=auth, tls=tls)
