"""In: the address of a file at a site. Out: its bytes as they arrive, from an allowed host or not at all.

With requests, which is twice as fast as httpx where much is read. The rules are those of `transport`: every address is checked
before it is asked, a token goes to no host that is not allowed, and what is not trusted by the site's settings is not trusted.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import httpx
import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from adapter.client.address import SiteAddress, origin_of, tls_context, without_query
from adapter.client.errors import ForeignHost, UnusableAnswer
from adapter.client.retry import Failed, lasting_trouble
from adapter.client.transport import require_allowed

__all__ = ["Answer", "Fetcher"]

_PIECE: Final = 2**18
_HEAD: Final = 2**16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 5
_UNAUTHORIZED: Final = 401
#: Nothing that is tried again: the address or a header is none.
_UNSENDABLE: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)


class Answer:
    """The answer to a GET, its body yet to be read.

    Attributes:
        status: HTTP status.
        headers: names in any case.
        is_chunked: its end is marked (RFC 9112 7.1), so that a cut is seen without a length.
    """

    def __init__(self, answer: requests.Response) -> None:
        self._raw = answer.raw
        self.status = answer.status_code
        self.headers: Mapping[str, str] = answer.headers
        self.is_chunked = bool(getattr(self._raw, "chunked", False))

    @property
    def length(self) -> int | None:
        """Content-Length, where it holds."""
        text = self.headers.get("Content-Length", "").strip()
        return int(text) if text.isascii() and text.isdigit() and not self.is_chunked else None

    def pieces(self) -> Iterator[bytes]:
        """The body as it was sent, nothing unpacked.

        Raises:
            Failed: the connection broke, or the body is shorter than announced.
        """
        try:
            yield from self._raw.stream(_PIECE, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Failed(f"the connection broke within the file ({type(error).__name__})") from None

    def head(self) -> bytes:
        """The beginning of the body, unpacked: of an answer that tells of an error."""
        try:
            content: bytes = self._raw.read(_HEAD, decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError):
            return b""
        return content


class Fetcher:
    """GETs at one site, from any number of threads.

    Args:
        address: the site.
    """

    def __init__(self, address: SiteAddress) -> None:
        self._address = address
        self._allowed = address.allowed()
        # The trust of httpx, so that both ways out believe the same.
        self._tls = address.tls or httpx.create_ssl_context(trust_env=not address.is_local)
        # Never the one with our certificate.
        self._proxy_tls = address.proxy_tls or tls_context()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            sessions, self._sessions = self._sessions, []
        for session in sessions:
            session.close()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, with_token: bool) -> Iterator[Answer]:
        """The answer to a GET, redirects followed within the allow-list.

        Args:
            url: absolute.
            headers: beside those of every request.
            with_token: show who we are; a presigned address wants no token, and some servers refuse one.

        Raises:
            ForeignHost: the URL, or a redirect from it, leads to a host that is not allowed; nothing was sent there.
            Failed: no answer, which another attempt may mend.
            UnusableAnswer: no answer, and another attempt would bring none either; too many redirects.
            RemoteError: no token to be had.
        """
        answer = self._follow(url, headers, with_token=with_token)
        try:
            yield Answer(answer)
        finally:
            # Whatever was not read of it goes with its connection.
            answer.close()

    def _follow(self, url: str, headers: Mapping[str, str], *, with_token: bool) -> requests.Response:
        auth = self._address.auth if with_token else None
        # A redirect to another of the site's hosts mostly carries a signature, beside which a token is refused: that host
        # sees one only when it asks.
        shown = {origin_of(url), origin_of(self._address.base_url)}
        renewed = False
        told_by = self._address.base_url
        redirects = 0
        while redirects <= _MOST_REDIRECTS:
            origin = origin_of(url)
            value = auth.authorization() if auth is not None and origin in shown else None
            answer = self._send(url, headers if value is None else {**headers, "Authorization": value}, told_by)
            if answer.status_code == _UNAUTHORIZED and auth is not None:
                if value is None:
                    shown.add(origin)
                    answer.close()
                    continue
                if not renewed and auth.renew(value):
                    renewed = True
                    answer.close()
                    continue
            target = answer.headers.get("Location")
            if answer.status_code not in _REDIRECTS or not target:
                return answer
            answer.close()
            told_by, url = url, _joined(url, target)
            redirects += 1
        raise UnusableAnswer(without_query(url), f"redirects more than {_MOST_REDIRECTS} times")

    def _send(self, url: str, headers: Mapping[str, str], told_by: str) -> requests.Response:
        where = without_query(told_by)
        require_allowed(url, self._allowed, where=where)
        session = self._session()
        try:
            prepared = session.prepare_request(requests.Request("GET", url, headers=dict(headers)))
            # It is written anew by requests and read by urllib3: what leaves must lead where the check said.
            _require_same_origin(prepared.url or "", url, where=where)
            return session.send(
                prepared,
                stream=True,
                allow_redirects=False,
                timeout=(self._address.timeout, self._address.timeout),
                proxies=self._proxies(url),
            )
        except _UNSENDABLE as error:
            raise UnusableAnswer(without_query(url), f"no answer ({type(error).__name__})") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The class alone: the texts quote the address with its query.
            trouble = lasting_trouble(error)
            if trouble is not None:
                raise UnusableAnswer(without_query(url), f"no answer ({trouble})") from None
            raise Failed(f"no answer ({type(error).__name__})") from None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # With it, a .netrc would put its password in the place of our token.
            session.trust_env = False
            session.headers.clear()
            session.headers.update(
                {
                    "User-Agent": "reluth-fhir-adapter",
                    "Accept": "application/fhir+ndjson",
                    "Accept-Encoding": "gzip",
                }
            )
            adapter = _Adapter(self._tls, self._proxy_tls)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _proxies(self, url: str) -> dict[str, str]:
        if self._address.proxy is not None:
            return {"http": self._address.proxy, "https": self._address.proxy}
        # A proxy of the hospital's network is used for all but this machine.
        return {} if self._address.is_local else dict(get_environ_proxies(url, no_proxy=None))


class _Adapter(HTTPAdapter):
    """Connections that trust what one TLS context trusts, and show its certificate; of a proxy what another one trusts."""

    def __init__(self, context: ssl.SSLContext, of_proxy: ssl.SSLContext) -> None:
        self._context = context
        self._of_proxy = of_proxy
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Pools with the context."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Pools behind a proxy with the context."""
        return super().proxy_manager_for(proxy, ssl_context=self._context, proxy_ssl_context=self._of_proxy, **options)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        """Leave the context as it is: requests would add the public authorities to those of the hospital."""
        conn.cert_reqs = "CERT_REQUIRED"


def _joined(url: str, target: str) -> str:
    try:
        return str(httpx.URL(url).join(target))
    except (httpx.InvalidURL, ValueError):
        raise UnusableAnswer(without_query(url), "redirects to an address that is none") from None


def _require_same_origin(sent: str, checked: str, *, where: str) -> None:
    try:
        parsed = urllib3.util.parse_url(sent)
        origin = origin_of(f"{parsed.scheme}://{parsed.netloc}")
    except urllib3.exceptions.LocationParseError:
        origin = "an unreadable address"
    if origin != origin_of(checked):
        raise ForeignHost(where, origin)
