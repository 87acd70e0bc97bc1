"""In: a configured site, or a file to make. Out: the public JWKS on stdout, and on stderr what to do with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter.cli.opening import settings_of
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from adapter.client.keys import Algorithm, SigningKey
    from adapter.config import Settings, SiteSettings, SmartBackendSettings

__all__ = ["algorithm_of", "jwks_of_site", "keys", "registration"]


def keys(
    ctx: typer.Context,
    site: Annotated[str | None, typer.Option(help="Whose public keys; needed where several sites have some.")] = None,
    make: Annotated[Path | None, typer.Option(metavar="FILE", help="Make a private key in a new file, 0600.")] = None,
    algorithm: Annotated[str, typer.Option(help="Of the key to make: ES384 or RS384.")] = "ES384",
) -> None:
    """Print the public keys (JWKS) that a FHIR server's administrator registers for us, or make a key pair.

    What is printed holds no secret. The private key stays in its file, and is sent to nobody.
    """
    options: Options = ctx.obj
    if make is not None:
        if site is not None:
            raise UsageError(
                "keys --make FILE makes a key for no site yet; without it, --site S prints those of a site"
            )
        data(_made(make, algorithm_of(algorithm), options))
        return
    settings = settings_of(options)
    chosen = _chosen(settings, site)
    data(jwks_of_site(chosen, settings.sites[chosen]))
    for sentence in registration(chosen, settings.sites[chosen]):
        note(options, sentence)


def algorithm_of(text: str) -> Algorithm:
    """What a key signs by.

    Raises:
        UsageError: it is none of the two of SMART.
    """
    match text.upper():
        case "ES384":
            return "ES384"
        case "RS384":
            return "RS384"
        case _:
            raise UsageError(f"--algorithm {text}: it is ES384 or RS384")


def jwks_of_site(site_id: str, site: SiteSettings) -> dict[str, Any]:
    """The public JWKS of a site: all keys of its file, that is the old and the new one while they are changed over.

    Raises:
        ConfigurationError: the site has no key, or its file is not as it should be.
    """
    from adapter.client.keys import load_keys, public_jwks, signing_key

    auth = _smart(site_id, site)
    try:
        signing = signing_key(auth.private_key_file, algorithm=auth.algorithm, key_id=auth.key_id)
        found: tuple[SigningKey, ...] = load_keys(auth.private_key_file)
    except ConfigurationError as error:
        raise ConfigurationError(f"sites.{site_id}.auth.{error.setting}", error.problem) from None
    # One key alone goes by the name of the settings, whatever its file says.
    return public_jwks((signing,) if len(found) == 1 else found)


def registration(site_id: str, site: SiteSettings) -> tuple[str, ...]:
    """What to tell the server's administrator, and to do with the answer."""
    auth = _smart(site_id, site)
    scopes = " ".join(auth.scopes)
    method = "grant client_credentials, authentication private_key_jwt"
    client = f"sites.{site_id}.auth.client_id"
    return (
        f"Send this JWKS to the administrator of {site.base_url}. It holds no secret.",
        f"Ask for a SMART Backend Services client ({method}) with these keys and the scopes {scopes}.",
        f'{client} is "{auth.client_id}": where you are given another, put it there.',
    )


def _made(file: Path, algorithm: Algorithm, options: Options) -> dict[str, Any]:
    from adapter.client.keys import make_key, public_jwks, write_key

    key = make_key(algorithm)
    write_key(key, file)
    note(options, f"{file}: a new private key for {algorithm}, readable by you alone: keep it, and send it to nobody.")
    note(
        options,
        "Name it as private_key_file in a site's auth. Its public part (above, on stdout) is for the administrator.",
    )
    return public_jwks([key])


def _chosen(settings: Settings, asked: str | None) -> str:
    from adapter.config import SmartBackendSettings

    having = [name for name, site in settings.sites.items() if isinstance(site.auth, SmartBackendSettings)]
    if asked is not None:
        if asked not in settings.sites:
            raise UsageError(
                f"--site {asked}: no such site in the settings; there are {', '.join(settings.sites) or 'none'}"
            )
        return asked
    if len(having) != 1:
        raise UsageError(
            f"--site S: whose keys? Those with some: {', '.join(having) or 'none; `reluth init` adds a site'}"
        )
    return having[0]


def _smart(site_id: str, site: SiteSettings) -> SmartBackendSettings:
    from adapter.config import SmartBackendSettings

    if not isinstance(site.auth, SmartBackendSettings):
        raise ConfigurationError(f"sites.{site_id}.auth", f"is {site.auth.type}, which has no keys; smart-backend has")
    return site.auth
