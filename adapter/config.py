"""In: adapter.toml, the environment, secret files, arguments. Out: `Settings`, checked, or an error that names the key.

What is said twice: arguments win over the environment (``RELUTH_SITES__ICM__BASE_URL``), that over secret files
(``token_file``), these over ``adapter.toml``. Paths in the file and in the environment are relative to the file's
folder.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from adapter.errors import ConfigurationError

__all__ = [
    "AuthSettings",
    "BasicSettings",
    "BearerSettings",
    "BulkSettings",
    "CdsClientSettings",
    "CdsSettings",
    "DatasetsSettings",
    "DigestSettings",
    "MailSettings",
    "MutualTlsSettings",
    "NoAuthSettings",
    "NotificationSettings",
    "OidcSettings",
    "RetentionSettings",
    "SearchSettings",
    "ServiceSettings",
    "Settings",
    "SiteSettings",
    "SmartBackendSettings",
    "SponsorClientSettings",
    "SponsorSettings",
    "StoreSettings",
    "load_settings",
]

DEFAULT_FILE = Path("adapter.toml")
_PREFIX = "RELUTH_"
#: Read by the command line itself, not a setting.
_OTHER_VARIABLES = frozenset({"RELUTH_CONFIG"})
#: Settings that are paths.
_PATHS = frozenset({"overlay", "ca_file", "private_key_file", "certificate_file", "keys_file", "jwks_file"})
#: Settings whose value may stand in a file of its own, named by the key with ``_file`` after it.
_SECRETS = frozenset({"password", "token", "database", "secret", "client_secret"})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """``[store]``: folder of the lake and of SQLite; url of the state where it is another database."""

    path: Path = Path("var")
    database: str | None = Field(default=None, repr=False)


class RetentionSettings(_Section):
    """``[retention]``: how long raw data of patients without a signal is kept, and each day's verdict of a candidate.

    The verdict of the day of a registration is read when a package is made: a package looks for it four weeks back.
    """

    non_candidates_days: int = Field(default=30, ge=0)
    verdicts_days: int = Field(default=400, ge=60, le=36_500)


class ServiceSettings(_Section):
    """``[service]``: where `reluth serve` listens, under which names it may be called, how long a session holds.

    ``public_url`` is the address that people and other systems use, of the proxy that ends TLS before it; links in mails
    and cards begin with it. A session ends after ``idle_minutes`` without a request, at the latest after ``session_hours``.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    hosts: list[str] = []
    public_url: AnyHttpUrl | None = None
    idle_minutes: int = Field(default=30, ge=1, le=1440)
    session_hours: int = Field(default=12, ge=1, le=24)


class OidcSettings(_Section):
    """``[oidc]``: people sign in at the hospital's OpenID provider.

    ``grants`` gives roles by group, each as ``role@site`` (``role@*`` for every site): whoever is in none may not enter.
    """

    issuer: AnyHttpUrl
    client_id: str
    client_secret: SecretStr | None = None
    scopes: list[str] = ["openid", "profile", "email"]
    groups_claim: str = "groups"
    grants: dict[str, list[str]] = {}
    ca_file: Path | None = None
    only: bool = False


class DigestSettings(_Section):
    """``[[mail.digests]]``: who hears of what is new, and when (Europe/Paris)."""

    site: str
    roles: list[Literal["investigator", "nurse", "data-manager", "it", "sponsor"]] = ["investigator", "nurse"]
    to: list[str] = []
    at: time = time(7, 30)
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = ["mon", "tue", "wed", "thu", "fri"]
    language: Literal["fr", "en"] = "fr"
    when_empty: bool = False


class MailSettings(_Section):
    """``[mail]``: the server that takes our mail; ``security`` none is for a server on this machine only."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: str
    ca_file: Path | None = None
    digests: list[DigestSettings] = []


class CdsClientSettings(_Section):
    """``[cds.clients.<name>]``: a CDS Hooks client whose signed calls are taken (CDS Hooks 2.0, Trusting CDS Clients).

    Its keys are fetched from ``jku``, or read from the JWKS ``keys_file`` where this machine cannot reach it.
    """

    issuer: str
    jku: AnyHttpUrl | None = None
    keys_file: Path | None = None
    ca_file: Path | None = None
    sites: list[str] = []


class CdsSettings(_Section):
    """``[cds]``: CDS Hooks; ``audience`` is the service's address as the client calls it, else below ``public_url``."""

    clients: dict[str, CdsClientSettings] = {}
    audience: str | None = None


class DatasetsSettings(_Section):
    """``[datasets]``: what the sponsor gets; ``shift_dates`` moves all dates of a subject by one constant number of weeks."""

    shift_dates: bool = False


class SponsorClientSettings(_Section):
    """``[sponsor.clients.<name>]``: a client of the sponsor's that may fetch datasets; ``<name>`` is its ``client_id``.

    Its public keys are read from the JWKS ``jwks_file``, or fetched from ``jwks_url``. Empty ``sites`` are all of them.
    """

    jwks_file: Path | None = None
    jwks_url: AnyHttpUrl | None = None
    ca_file: Path | None = None
    scopes: list[str] = ["system/*.rs"]
    sites: list[str] = []
    packages: bool = False


class SponsorSettings(_Section):
    """``[sponsor]``: the Bulk Data provider under ``/fhir``; ``audience`` is its token endpoint's address as clients call it."""

    clients: dict[str, SponsorClientSettings] = {}
    audience: str | None = None
    token_minutes: int = Field(default=5, ge=1, le=60)
    keep_hours: int = Field(default=24, ge=1, le=720)
    requests_per_minute: int = Field(default=600, ge=10)
    exports_at_once: int = Field(default=3, ge=1, le=100)


class NoAuthSettings(_Section):
    """The server asks for nothing."""

    type: Literal["none"] = "none"


class BasicSettings(_Section):
    """HTTP Basic."""

    type: Literal["basic"]
    username: str
    password: SecretStr


class BearerSettings(_Section):
    """A fixed token."""

    type: Literal["bearer"]
    token: SecretStr


class SmartBackendSettings(_Section):
    """SMART Backend Services: a signed assertion for a short token."""

    type: Literal["smart-backend"]
    client_id: str
    private_key_file: Path
    scopes: list[str] = ["system/*.rs"]
    key_id: str | None = None
    algorithm: Literal["ES384", "RS384"] | None = None
    token_url: AnyHttpUrl | None = None


class MutualTlsSettings(_Section):
    """A client certificate."""

    type: Literal["mtls"]
    certificate_file: Path
    private_key_file: Path


AuthSettings = Annotated[
    NoAuthSettings | BasicSettings | BearerSettings | SmartBackendSettings | MutualTlsSettings,
    Field(discriminator="type"),
]


class BulkSettings(_Section):
    """``[sites.<name>.bulk]``: how a bulk export is asked for (``mode = "bulk"``).

    ``level`` is ``group`` where the site has one, else ``patient``.
    """

    level: Literal["system", "patient", "group"] | None = None
    method: Literal["get", "post"] = "get"
    type_filters: list[str] = []
    elements: list[str] = []
    organize_output_by: str | None = None
    partial_manifests: bool = False
    downloads: int = Field(default=4, ge=1, le=16)


class SearchSettings(_Section):
    """``[sites.<name>.search]``: how a server is searched (``mode = "search"``).

    ``plan``: ``type`` asks for all resources of a type, ``patient`` for those of some patients at a time; ``auto`` takes
    the first unless the server refuses it.
    """

    plan: Literal["auto", "type", "patient"] = "auto"
    count: int = Field(default=500, ge=1, le=10_000)
    overlap_minutes: int = Field(default=5, ge=0, le=1440)
    concurrency: int = Field(default=2, ge=1, le=8)
    post: bool = False
    deletions: Literal["auto", "history", "full", "none"] = "auto"


class NotificationSettings(_Section):
    """``[sites.<name>.notifications]``: the hospital's server tells us of changes (FHIR Subscription, rest-hook).

    ``endpoint`` is the address of this service as that server reaches it. ``by_topic`` subscribes by topic in R4 and R4B too;
    ``topics`` names them by resource type, where the server's own cannot be found.
    """

    endpoint: AnyHttpUrl
    secret: SecretStr
    types: list[str] | None = None
    by_topic: bool = False
    topics: dict[str, str] = {}


class SiteSettings(_Section):
    """``[sites.<name>]``: one hospital's server and what is particular to it."""

    base_url: str | None = None
    own_addresses: list[str] = []
    hosts: list[str] = []
    fhir_version: Literal["4.0.1", "4.3.0", "5.0.0"] = "4.0.1"
    mode: Literal["bulk", "search"] = "search"
    group: str | None = None
    types: list[str] | None = None
    identifier_system: str | None = None
    site_code: str | None = None
    push_candidates: bool = False
    auth: AuthSettings = NoAuthSettings()
    ca_file: Path | None = None
    proxy: str | None = None
    timeout: float = Field(default=60.0, gt=0, le=3600)
    retry_budget: float = Field(default=3600.0, ge=0)
    quiet_hours: list[str] = []
    stale_after_hours: float = Field(default=26.0, gt=0)
    bulk: BulkSettings = BulkSettings()
    search: SearchSettings = SearchSettings()
    notifications: NotificationSettings | None = None
    overlay: Path | None = None
    record_url: str | None = None

    @field_validator("record_url")
    @classmethod
    def _names_the_patient(cls, value: str | None) -> str | None:
        if value is not None:
            AnyHttpUrl(value.replace("{id}", "1").replace("{number}", "1"))
            if "{id}" not in value and "{number}" not in value:
                raise ValueError("the address of a patient's record holds {id} or {number}")
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _are_spans_of_a_day(cls, value: list[str]) -> list[str]:
        for span in value:
            try:
                begin, end = map(time.fromisoformat, span.split("-"))
            except ValueError:
                raise ValueError("spans of a day are wanted, e.g. 07:30-18:00 (Europe/Paris)") from None
            if begin == end:
                raise ValueError("a span that begins when it ends says nothing")
        return value

    @field_validator("base_url")
    @classmethod
    def _is_fhir_base(cls, value: str | None) -> str | None:
        return None if value is None else _base_url(value)

    @field_validator("own_addresses")
    @classmethod
    def _are_fhir_bases(cls, value: list[str]) -> list[str]:
        return [_base_url(one) for one in value]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Base URLs under which the site's own resources are named."""
        return (*([] if self.base_url is None else [self.base_url]), *self.own_addresses)


def _base_url(value: str) -> str:
    url = AnyHttpUrl(value)
    if url.query or url.fragment:
        raise ValueError("a FHIR base URL has no query and no fragment")
    return value.rstrip("/")


class Settings(BaseSettings):
    """All settings; made by `load_settings`, or bare for the defaults."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    trials: list[str] = Field(default=["nct04954820"], min_length=1)
    store: StoreSettings = StoreSettings()
    retention: RetentionSettings = RetentionSettings()
    service: ServiceSettings = ServiceSettings()
    oidc: OidcSettings | None = None
    mail: MailSettings | None = None
    cds: CdsSettings = CdsSettings()
    datasets: DatasetsSettings = DatasetsSettings()
    sponsor: SponsorSettings = SponsorSettings()
    sites: dict[str, SiteSettings] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what is given: `load_settings` has brought the sources together, with their paths and keys."""
        return (init_settings,)


def load_settings(path: Path | None = None, *, store: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        path: settings file; None for ``./adapter.toml``, which may be missing.
        store: the store's folder, over all else.

    Raises:
        ConfigurationError: a file is missing or no TOML, a key unknown, a value wrong.
    """
    file = DEFAULT_FILE if path is None else path
    if path is None and not file.is_file():
        written: dict[str, Any] = {}
    else:
        written = _read_toml(file)
    folder = file.absolute().parent
    from_environment = _environment()
    merged = _merge(_with_secrets(written, folder), _with_secrets(from_environment, folder))
    _resolve_paths(merged, folder)
    if store is not None:
        merged.setdefault("store", {})["path"] = store.absolute()
    try:
        return Settings(**merged)
    except ValidationError as error:
        raise _named(error) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(path.name, f"cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where = str(error).rpartition("(")[2].rstrip(")") if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8"
        raise ConfigurationError(path.name, f"is not TOML: {where}") from None


def _environment() -> dict[str, Any]:
    known = set(Settings.model_fields)
    for name in os.environ:
        if not name.upper().startswith(_PREFIX) or name.upper() in _OTHER_VARIABLES:
            continue
        if name[len(_PREFIX) :].lower().split("__")[0] not in known:
            raise ConfigurationError(name, "no such setting")
    try:
        found: dict[str, Any] = EnvSettingsSource(Settings)()
    except SettingsError:
        raise ConfigurationError(f"{_PREFIX}*", "a list or table in the environment is written as JSON") from None
    return found


def _with_secrets(tree: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Put what stands in secret files in the place of their names."""
    filled: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            filled[key] = _with_secrets(value, folder)
        elif not key.endswith("_file") or key.removesuffix("_file") not in _SECRETS:
            filled.setdefault(key, value)
    for key, value in tree.items():
        if key.endswith("_file") and (plain := key.removesuffix("_file")) in _SECRETS:
            try:
                filled[plain] = (folder / str(value)).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise ConfigurationError(key, "the file cannot be read") from None
    return filled


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        standing = merged.get(key)
        merged[key] = _merge(standing, value) if isinstance(standing, dict) and isinstance(value, dict) else value
    return merged


def _resolve_paths(tree: dict[str, Any], folder: Path) -> None:
    store = tree.setdefault("store", {})
    if isinstance(store, dict):
        store["path"] = _beside(store.get("path", "var"), folder)
    sections: list[Any] = [tree.get("oidc"), tree.get("mail"), *_tables(tree.get("cds"), "clients")]
    sections += _tables(tree.get("sponsor"), "clients")
    for site in _tables(tree, "sites"):
        sections += [site, site.get("auth")]
    for section in sections:
        for key in _PATHS & section.keys() if isinstance(section, dict) else ():
            section[key] = _beside(section[key], folder)


def _tables(tree: Any, name: str) -> list[dict[str, Any]]:
    """The tables below a table of tables, as far as they are any: what is wrong is told by the model."""
    found = tree.get(name) if isinstance(tree, dict) else None
    return [table for table in found.values() if isinstance(table, dict)] if isinstance(found, dict) else []


def _beside(value: Any, folder: Path) -> Any:
    return folder / Path(value).expanduser() if isinstance(value, str | Path) else value


def _named(error: ValidationError) -> ConfigurationError:
    """The first thing wrong, by its key as written; the value stays out, it may be a secret."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    # The tag of a union is not a key that anybody wrote.
    tags = {"none", "basic", "bearer", "smart-backend", "mtls"}
    parts = [str(part) for part in first["loc"]]
    key = ".".join(part for at, part in enumerate(parts) if not (part in tags and at and parts[at - 1] == "auth"))
    problem = "no such setting" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return ConfigurationError(key or "settings", problem)
