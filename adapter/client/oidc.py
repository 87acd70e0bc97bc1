"""In: a hospital's OpenID provider, as configured. Out: its metadata and keys, tokens for a code, what it says of a person.

OpenID Connect Discovery 1.0 and Core 1.0, authorization code flow with PKCE (RFC 7636, S256). What is asked is made by Authlib,
and goes out through `_Line` alone: no redirect is followed, answers are bounded in size and time, and an address that the
provider names has to be https, or on this machine where the provider is there too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import httpx
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.client import OAuth2Client

from adapter.client.address import SiteAddress, opened_client, parsed_url, tls_context, without_query
from adapter.client.errors import Refused, Unavailable, UnusableAnswer
from adapter.client.oidc_metadata import ProviderMetadata, checked_metadata, is_safe_address
from adapter.client.retry import lasting_trouble
from adapter.errors import ConfigurationError, RemoteError

__all__ = ["OidcClient", "OidcProvider", "ProviderTokens"]

_WELL_KNOWN: Final = "/.well-known/openid-configuration"
#: Seconds to connect, between two parts of an answer, and for all of it: a person waits for it.
_WAIT: Final = 10.0
_WHOLE_WAIT: Final = 20.0
#: Metadata, keys and tokens are some KiB.
_MOST_BYTES: Final = 1 << 20
_METADATA_SECONDS: Final = 3600.0
_KEYS_SECONDS: Final = 600.0
#: So long a provider that did not answer is not asked again: whoever comes to the door would make us wait for it.
_FAILURE_SECONDS: Final = 5.0
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_OK = 200
#: RFC 6749 5.2; other words of a provider are not repeated.
_WORDS: Final = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    }
)
_ADVICE: Final = {
    "invalid_client": "are oidc.client_id and oidc.client_secret those that are registered there?",
    "unauthorized_client": "is the authorization code flow allowed for this client there?",
}


@dataclass(frozen=True, slots=True)
class OidcClient:
    """Who we are to a provider.

    Args:
        issuer: the provider's identifier, https unless on this machine.
        client_id: as registered there.
        client_secret: None for a public client, which has PKCE alone.
        scopes: to ask for; ``openid`` is among them.
        ca_file: PEM file of the authorities to trust, None for those of the system.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    ca_file: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be a provider.

        Raises:
            ConfigurationError: not https and not this machine; a query, fragment or password in it; no scope ``openid``.
        """
        url = parsed_url(self.issuer)
        if url is None or url.query or url.fragment or url.userinfo or not is_safe_address(self.issuer, local=True):
            raise ConfigurationError("oidc.issuer", "an https URL without query, fragment and password is wanted")
        if "openid" not in self.scopes:
            raise ConfigurationError("oidc.scopes", "openid is wanted among them")


class _Refusal(msgspec.Struct):
    error: object = None


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What a code was exchanged for: never logged, never kept."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


class OidcProvider:
    """A provider, for any number of threads.

    Args:
        client: who we are there.
        via: the httpx transport, where it is not the network.
        clock: seconds that only go forward.

    Raises:
        ConfigurationError: ``ca_file`` cannot be read.
    """

    def __init__(
        self,
        client: OidcClient,
        *,
        via: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        tls = None if client.ca_file is None else tls_context(client.ca_file)
        self._line = _Line(SiteAddress(base_url=client.issuer, tls=tls, timeout=_WAIT), via=via, clock=clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._metadata: tuple[float, ProviderMetadata] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None
        self._failure: tuple[float, RemoteError] | None = None

    def metadata(self) -> ProviderMetadata:
        """Its metadata, asked for once an hour.

        Raises:
            UnusableAnswer: they are of another issuer, lack an endpoint, or name one that is not to be trusted.
            RemoteError: it does not answer.
        """
        with self._lock:
            kept = self._metadata
            if kept is not None and self._clock() < kept[0]:
                return kept[1]
            if self._failure is not None and self._clock() < self._failure[0]:
                raise self._failure[1]
            url = f"{self.client.issuer.rstrip('/')}{_WELL_KNOWN}"
            try:
                found = checked_metadata(
                    self._line.get_object(url), issuer=self.client.issuer, where=without_query(url)
                )
            except RemoteError as error:
                self._failure = (self._clock() + _FAILURE_SECONDS, error)
                raise
            self._metadata = (self._clock() + _METADATA_SECONDS, found)
            return found

    def keys(self, *, fresh: bool = False) -> Mapping[str, Any]:
        """Its public keys as a JWKS (RFC 7517), asked for once in ten minutes.

        Args:
            fresh: ask now: a token names a key that is not among those known.

        Raises:
            RemoteError: it does not answer, or not with an object.
        """
        url = self.metadata().jwks_uri
        with self._lock:
            kept = self._keys
            if kept is None or fresh or self._clock() >= kept[0]:
                kept = self._keys = (self._clock() + _KEYS_SECONDS, self._line.get_object(url))
            return kept[1]

    def authorization_url(self, *, redirect_uri: str, state: str, nonce: str, code_verifier: str) -> str:
        """Where a browser is sent to sign in.

        Args:
            redirect_uri: where it comes back to, as registered.
            state: comes back with it.
            nonce: comes back in the ID token.
            code_verifier: of PKCE; only its hash is sent.

        Raises:
            RemoteError: as `metadata`.
        """
        known = self.metadata()
        url, _ = self._asking(known, redirect_uri).create_authorization_url(
            known.authorization_endpoint, state=state, nonce=nonce, code_verifier=code_verifier
        )
        return str(url)

    def redeem(self, code: str, *, redirect_uri: str, code_verifier: str) -> ProviderTokens:
        """The tokens for a code.

        Raises:
            Refused: it does not take the code, or does not know us.
            RemoteError: it does not answer, or not with an ID token and an access token.
        """
        known = self.metadata()
        where = without_query(known.token_endpoint, method="POST")
        try:
            told = self._asking(known, redirect_uri).fetch_token(
                known.token_endpoint, code=code, code_verifier=code_verifier, grant_type="authorization_code"
            )
        except (AuthlibBaseError, ValueError, RecursionError):
            # Their texts may quote the answer.
            raise UnusableAnswer(where, "answered with what is no token") from None
        id_token, access_token = told.get("id_token"), told.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise UnusableAnswer(where, "answered without an ID token, or without an access token")
        return ProviderTokens(id_token, access_token)

    def userinfo(self, access_token: str) -> Mapping[str, Any]:
        """What the provider says of the person of a token; nothing where it has no such endpoint.

        Raises:
            RemoteError: it does not answer, or not with an object.
        """
        url = self.metadata().userinfo_endpoint
        return {} if url is None else self._line.get_object(url, authorization=f"Bearer {access_token}")

    def end_session_url(self, *, return_to: str) -> str | None:
        """Where a browser is sent to end its session at the provider (RP-Initiated Logout 1.0), None where nowhere.

        Args:
            return_to: where it comes back to, as registered. Who signs out is not told: no ID token is kept.

        Raises:
            RemoteError: as `metadata`.
        """
        url = self.metadata().end_session_endpoint
        if url is None:
            return None
        asked = urlencode({"client_id": self.client.client_id, "post_logout_redirect_uri": return_to})
        return f"{url}{'&' if '?' in url else '?'}{asked}"

    def _asking(self, known: ProviderMetadata, redirect_uri: str) -> OAuth2Client:
        asking = OAuth2Client(
            self._line,
            client_id=self.client.client_id,
            client_secret=self.client.client_secret,
            scope=" ".join(self.client.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=_auth_method(self.client, known),
        )
        asking.register_client_auth_method(("client_secret_basic", _basic))
        asking.register_compliance_hook("access_token_response", _granted)
        return asking


class _Line:
    """The way out: what Authlib takes for its session, and the only thing here that sends.

    Args:
        address: of the issuer: authorities, time limits and proxy are the same for all it names.
        via: the httpx transport, where it is not the network.
        clock: seconds that only go forward.
    """

    def __init__(self, address: SiteAddress, *, via: httpx.BaseTransport | None, clock: Callable[[], float]) -> None:
        self._address = address
        self._via = via
        self._clock = clock

    def get_object(self, url: str, *, authorization: str | None = None) -> dict[str, Any]:
        """GET a JSON object."""
        shown = {} if authorization is None else {"Authorization": authorization}
        answer = self._sent("GET", url, headers={"Accept": "application/json", **shown})
        where = without_query(url)
        if answer.status_code != _OK:
            raise Refused(where, answer.status_code)
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise UnusableAnswer(where, "answered with what is no JSON object") from None

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> httpx.Response:
        """As Authlib posts a form; ``auth`` adds who we are."""
        url, shown, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._sent("POST", url, headers=shown, content=str(body).encode())

    def _sent(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        where = without_query(url, method=method)
        pieces: list[bytes] = []
        size, until = 0, self._clock() + _WHOLE_WAIT
        try:
            with (
                opened_client(self._address, via=self._via) as connection,
                connection.stream(method, url, content=content, headers=headers) as answer,
            ):
                for piece in answer.iter_bytes():
                    size += len(piece)
                    if size > _MOST_BYTES:
                        raise UnusableAnswer(where, f"an answer of more than {_MOST_BYTES >> 10} KiB")
                    if self._clock() > until:
                        raise Unavailable(where, "the answer does not end", attempts=1)
                    pieces.append(piece)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The class alone: texts of httpx may quote an address with its query.
            trouble = lasting_trouble(error) or type(error).__name__
            raise Unavailable(where, f"no answer ({trouble})", attempts=1) from None
        if answer.status_code in _REDIRECTS:
            raise UnusableAnswer(where, f"answered {answer.status_code}: a redirect is not followed")
        if answer.status_code in _SERVER_ERRORS:
            raise Unavailable(where, f"answered {answer.status_code}", attempts=1)
        return httpx.Response(answer.status_code, content=b"".join(pieces), request=answer.request)


def _auth_method(client: OidcClient, known: ProviderMetadata) -> str:
    if client.client_secret is None:
        return "none"
    # Core 9 and Discovery 3: client_secret_basic where nothing is said.
    only_post = "client_secret_post" in known.auth_methods and "client_secret_basic" not in known.auth_methods
    return "client_secret_post" if only_post else "client_secret_basic"


def _basic(client: Any, _method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
    # RFC 6749 2.3.1: both are form-encoded first, which Authlib leaves out.
    pair = httpx.BasicAuth(quote_plus(client.client_id), quote_plus(client.client_secret))
    shown = next(pair.auth_flow(httpx.Request("POST", uri))).headers["Authorization"]
    return uri, headers | {"Authorization": shown}, body


def _granted(answer: httpx.Response) -> httpx.Response:
    """The answer of the token endpoint, unless it is a refusal (RFC 6749 5.2)."""
    if answer.status_code == _OK:
        return answer
    try:
        word = msgspec.json.decode(answer.content, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        word = None
    told = word if isinstance(word, str) and word in _WORDS else "no error of RFC 6749 is named"
    advice = f"{told}; {_ADVICE[told]}" if told in _ADVICE else told
    raise Refused(without_query(str(answer.request.url), method="POST"), answer.status_code, advice=advice)
