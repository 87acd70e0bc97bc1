"""In: the address of this service and a secret, as configured for a site. Out: where its server is to tell of changes, checked.

The secret goes over that way with every notification: https, or this machine itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

from adapter.client.address import is_loopback, parsed_url
from adapter.errors import ConfigurationError

__all__ = ["Hook", "notification_hook"]

# RFC 6750 2.1; shorter ones can be guessed.
_SECRET = re.compile(r"[A-Za-z0-9\-._~+/]{16,256}=*")


@dataclass(frozen=True, slots=True)
class Hook:
    """Where we want to be told; made by `notification_hook`.

    Args:
        endpoint: address of this service for one site, without a slash at its end.
        secret: what a notification must show.
    """

    endpoint: str
    secret: str = field(repr=False)

    @property
    def authorization(self) -> str:
        """Value of the Authorization header of a notification."""
        return f"Bearer {self.secret}"


def notification_hook(site: str, *, endpoint: str, secret: str) -> Hook:
    """The hook of a site.

    Args:
        site: name in the settings.
        endpoint: address of this service as the hospital's server reaches it.
        secret: shared with that server.

    Raises:
        ConfigurationError: not https and not this machine; a query, fragment or password in it; a secret that is
            short or that no header can carry.
    """
    key = f"sites.{site}.notifications"
    url = parsed_url(endpoint)
    if url is None or url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError(f"{key}.endpoint", "an absolute https URL is wanted")
    if url.query or url.fragment or url.userinfo:
        raise ConfigurationError(f"{key}.endpoint", "no query, fragment or password may stand in it")
    if url.scheme != "https" and not is_loopback(url.host):
        raise ConfigurationError(f"{key}.endpoint", "https is wanted: the secret goes over this way")
    if not _SECRET.fullmatch(secret):
        raise ConfigurationError(f"{key}.secret", "at least 16 letters, digits and -._~+/ are wanted, without blanks")
    return Hook(f"{endpoint.rstrip('/')}/notify/{quote(site, safe='')}", secret)
