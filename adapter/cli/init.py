"""In: answers, as options or at a terminal. Out: adapter.toml with a site more, its keys, and what to do next. Nothing is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from adapter.cli.asking import Asking, Question
from adapter.cli.keys import algorithm_of, jwks_of_site, registration
from adapter.cli.options import Options
from adapter.cli.output import data, note
from adapter.cli.settings_file import add_site, section_of
from adapter.errors import ConfigurationError, ReluthError, UsageError

if TYPE_CHECKING:
    from adapter.client import SiteAddress
    from adapter.config import Settings

__all__ = ["init"]

T = TypeVar("T")

# A bare key of TOML, which is a folder of the store too.
_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_AUTHS = ("smart-backend", "mtls", "basic", "bearer", "none")
_SCOPES = ["system/*.rs"]


@dataclass(frozen=True, slots=True)
class _Given:
    """Answers that came as options; None where one did not."""

    site: str | None
    base_url: str | None
    auth: str | None
    identifier_system: str | None
    site_code: str | None
    client_id: str | None
    private_key: str | None
    algorithm: str | None
    certificate: str | None
    username: str | None
    secret_file: str | None
    ca_file: str | None


@dataclass(slots=True)
class _Work:
    """What one `init` has in hand.

    Attributes:
        file: the settings file.
        made: files made on the way, taken away again where it fails.
    """

    file: Path
    asking: Asking
    given: _Given
    made: list[Path] = field(default_factory=list)

    def beside(self, text: str) -> Path:
        """A file as answered: beside the settings file, unless its path is absolute."""
        return self.file.absolute().parent / Path(text).expanduser()


def init(
    ctx: typer.Context,
    *,
    site: Annotated[str | None, typer.Option(help="Name of the site, e.g. icm.")] = None,
    base_url: Annotated[str | None, typer.Option(help="FHIR base URL of the hospital's server.")] = None,
    auth: Annotated[str | None, typer.Option(help=f"How we show who we are: {', '.join(_AUTHS)}.")] = None,
    identifier_system: Annotated[
        str | None, typer.Option(help="System of the hospital's own patient number (IPP); empty for none.")
    ] = None,
    site_code: Annotated[
        str | None, typer.Option(help="Number of the site in the trial, e.g. 05; empty for none.")
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(help="smart-backend: as the server's administrator names us.")
    ] = None,
    private_key: Annotated[
        str | None, typer.Option(metavar="FILE", help="smart-backend: made where it is not there; mtls: must be there.")
    ] = None,
    algorithm: Annotated[str | None, typer.Option(help="smart-backend: of a key to make, ES384 or RS384.")] = None,
    certificate: Annotated[str | None, typer.Option(metavar="FILE", help="mtls: our certificate, PEM.")] = None,
    username: Annotated[str | None, typer.Option(help="basic: the name.")] = None,
    secret_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="basic, bearer: the file that holds the password or token.")
    ] = None,
    ca_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Authorities to trust instead of the system's, PEM.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the defaults.")] = False,
) -> None:
    """Add a hospital to adapter.toml, make its keys, and say what to do next; asks for what is not given.

    Files are looked for, and made, beside adapter.toml. What stands in it is kept; a site that is there is not changed.
    """
    from adapter.config import DEFAULT_FILE

    options: Options = ctx.obj
    given = _Given(
        site, base_url, auth, identifier_system, site_code, client_id, private_key, algorithm, certificate, username,
        secret_file, ca_file,
    )  # fmt: skip
    work = _Work(options.config or DEFAULT_FILE, Asking(yes), given)
    try:
        name, jwks, settings = _add(work)
    except BaseException:
        # A key that nothing names is of no use, and would be in the way of the next try.
        for file in work.made:
            file.unlink(missing_ok=True)
        raise
    _tell(options, work, name, jwks=jwks, settings=settings)


def _add(work: _Work) -> tuple[str, dict[str, Any] | None, Settings]:
    """Ask, make what is missing, write."""
    from adapter.jobs.connecting import site_address

    name, address = _site_and_address(work)
    auth = work.asking.answer(_auth_question(address), work.given.auth)
    credentials = _CREDENTIALS[auth](work, name)
    section: dict[str, Any] = {"base_url": address.base_url}
    if work.given.ca_file is not None:
        section["ca_file"] = work.asking.answer(Question("--ca-file", "", check=_is_file(work)), work.given.ca_file)
    for key, question, answer in (
        ("identifier_system", _identifier_system(), work.given.identifier_system),
        ("site_code", _site_code(), work.given.site_code),
    ):
        if found := work.asking.answer(question, answer):
            section[key] = found
    section["auth"] = {"type": auth, **credentials}
    loaded: list[Settings] = []

    def check(settings: Settings) -> None:
        site_address(name, settings.sites[name])
        loaded.append(settings)

    add_site(work.file, section_of(name, section), check=check)
    (settings,) = loaded
    return name, jwks_of_site(name, settings.sites[name]) if auth == "smart-backend" else None, settings


def _site_and_address(work: _Work) -> tuple[str, SiteAddress]:
    from adapter.client import SiteAddress
    from adapter.config import load_settings

    known = load_settings(work.file).sites if work.file.exists() else {}

    def check_site(text: str) -> None:
        if not _SITE.fullmatch(text):
            raise ValueError("letters, digits, - and _ are wanted, a letter or digit first")
        if text in known:
            raise ValueError(f"is in {work.file.name} already: a site is added here, none is changed")

    def check_url(text: str) -> None:
        address = _checked(lambda: SiteAddress(text))
        if not (address.is_local or address.is_encrypted):
            raise ValueError("https is wanted: patients' data and our credentials go over it")

    name = work.asking.answer(
        Question("--site", "Name of the site (short, e.g. icm)", check=check_site), work.given.site
    )
    question = Question("--base-url", "FHIR base URL of its server", check=check_url)
    return name, SiteAddress(work.asking.answer(question, work.given.base_url))


def _auth_question(address: SiteAddress) -> Question:
    def check(text: str) -> None:
        if text not in _AUTHS:
            raise ValueError(f"one of {', '.join(_AUTHS)} is wanted")
        if text == "none" and not address.is_local:
            raise ValueError("none is for servers on this machine only")
        if text == "mtls" and not address.is_encrypted:
            raise ValueError("a client certificate is shown over https only")

    default = "none" if address.is_local else "smart-backend"
    return Question("--auth", f"How we show who we are ({', '.join(_AUTHS)})", default, check)


def _identifier_system() -> Question:
    return Question(
        "--identifier-system",
        "System of the hospital's own patient number (urn:oid:... or a URL; empty: later)",
        "",
        _word,
    )


def _site_code() -> Question:
    return Question("--site-code", "Number of the site in the trial (e.g. 05; empty: later)", "", _word)


def _smart_backend(work: _Work, site: str) -> dict[str, Any]:
    from adapter.client.keys import load_keys, make_key, write_key

    ask, given = work.asking.answer, work.given
    client = ask(
        Question("--client-id", "client_id, as the server's administrator names us", f"reluth-{site}", _needed),
        given.client_id,
    )
    question = Question("--private-key", "File of our private key (made where it is not there)", f"{site}.pem", _needed)
    named = ask(question, given.private_key)
    file = work.beside(named)
    if file.exists():
        found = load_keys(file, setting="--private-key")
        if given.algorithm is not None and algorithm_of(given.algorithm) not in {key.algorithm for key in found}:
            raise UsageError(f"--algorithm {given.algorithm}: the key in {named} signs by {found[0].algorithm}")
    else:
        wanted = ask(
            Question("--algorithm", "The key signs by ES384 or RS384", "ES384", _is_algorithm), given.algorithm
        )
        write_key(make_key(algorithm_of(wanted)), file)
        work.made.append(file)
    return {"client_id": client, "private_key_file": named, "scopes": _SCOPES}


def _mutual_tls(work: _Work, site: str) -> dict[str, Any]:
    found = {}
    for key, option, text, end, given in (
        ("certificate_file", "--certificate", "File of our certificate (PEM)", "crt", work.given.certificate),
        ("private_key_file", "--private-key", "File of its private key (PEM)", "key", work.given.private_key),
    ):
        found[key] = work.asking.answer(Question(option, text, f"{site}.{end}", _is_file(work)), given)
    return found


def _basic(work: _Work, site: str) -> dict[str, Any]:
    username = work.asking.answer(Question("--username", "User name", check=_needed), work.given.username)
    return {"username": username, "password_file": _secret(work, site, "Password (not shown)")}


def _bearer(work: _Work, site: str) -> dict[str, Any]:
    return {"token_file": _secret(work, site, "Token (not shown)")}


def _none(work: _Work, site: str) -> dict[str, Any]:
    return {}


_CREDENTIALS: dict[str, Callable[[_Work, str], dict[str, Any]]] = {
    "smart-backend": _smart_backend,
    "mtls": _mutual_tls,
    "basic": _basic,
    "bearer": _bearer,
    "none": _none,
}


def _secret(work: _Work, site: str, text: str) -> str:
    """The name of the file with a secret: the one that is given, or one made of what is typed."""
    from adapter.client.keys import write_private

    if work.given.secret_file is not None:
        return work.asking.answer(Question("--secret-file", "", check=_is_file(work)), work.given.secret_file)
    named = f"{site}.secret"
    file = work.beside(named)
    if file.exists():
        raise UsageError(f"{named} is there already: --secret-file {named} takes what is in it")
    write_private(file, f"{work.asking.secret(text, option='--secret-file')}\n".encode())
    work.made.append(file)
    return named


def _word(text: str) -> None:
    if not text.isprintable() or " " in text:
        raise ValueError("one word is wanted")


def _needed(text: str) -> None:
    if not text.strip() or not text.isprintable():
        raise ValueError("an answer on one line is wanted")


def _is_algorithm(text: str) -> None:
    _checked(lambda: algorithm_of(text))


def _is_file(work: _Work) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not os.access(work.beside(text), os.R_OK) or not work.beside(text).is_file():
            raise ValueError(f"no such file beside {work.file.name} that can be read")

    return check


def _checked(make: Callable[[], T]) -> T:
    """What ``make`` gives; its refusal is one of the answer."""
    try:
        return make()
    except ConfigurationError as error:
        raise ValueError(error.problem) from None
    except ReluthError as error:
        raise ValueError(str(error)) from None


def _tell(options: Options, work: _Work, site: str, *, jwks: dict[str, Any] | None, settings: Settings) -> None:
    """What was made, and what comes next; the JWKS alone is data."""
    if options.json:
        data({"site": site, "config": str(work.file), "made": [str(file) for file in work.made], "jwks": jwks})
    elif jwks is not None:
        data(jwks)
    note(options, f"{work.file}: site {site} added.")
    for file in work.made:
        note(options, f"{file}: made, readable by you alone: keep it, and send it to nobody.")
    if jwks is not None:
        for sentence in registration(site, settings.sites[site]):
            note(options, sentence)
    note(options, f"Then see what works: reluth check --site {site}")
