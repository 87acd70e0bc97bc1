"""In: a search, by GET or by POST. Out: its pages, each link onward checked; or its matches, where it must be whole.

A page's next link is followed as given, to allowed hosts only, and never twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from adapter.client.address import without_query
from adapter.client.errors import Issue, LoopingPages, Refused, UnusableAnswer
from adapter.client.found import Head, Identifier, batches, head_of, identifier_search
from adapter.client.history import HistoryPage, parse_history
from adapter.client.retry import Failed
from adapter.client.search import SearchPage, Searchset, next_url, parse_searchset, utc_instant
from adapter.client.transport import Body, Transport
from adapter.errors import RemoteError

__all__ = ["Question", "Searching", "where_of"]

_FORM = "application/x-www-form-urlencoded"
#: Servers and proxies commonly take addresses of 4,000 characters; some logs and gateways only half of it.
LONGEST_QUERY = 2_000
# 50 ids of 64 characters, or 10 identifiers, keep an address below the 4,000 characters that servers commonly take.
_BATCH_IN_URL = 10
#: Pages in a row that came before to the letter, or that hold nothing, though each has a next link that is new.
MOST_AGAIN = 100
MOST_EMPTY = 10_000
# Few resources share a business identifier: one page holds a batch's.
_COUNT = 200
# XML may begin with a byte order mark.
_BLANK = b"\xef\xbb\xbf \t\r\n"
# How a server says that it has no search by POST.
_NO_POST_SEARCH = frozenset({404, 405, 501})


class _Linked(Protocol):
    @property
    def next_link(self) -> str | None: ...


T = TypeVar("T", bound=_Linked)


@dataclass(frozen=True, slots=True)
class Question:
    """A search as it is asked: ``form`` goes into the body of a POST, None asks by GET.

    ``strict`` refuses an answer that leaves out a parameter that the server does not know (R4 search.html#errors).
    """

    resource_type: str
    url: str
    form: str | None = None
    strict: bool = False

    @property
    def where(self) -> str:
        """What may stand in messages."""
        return without_query(self.url, method="GET" if self.form is None else "POST")


@dataclass(frozen=True, slots=True)
class _Step:
    """One answer of several that follow each other; ``refused``: its link onward leads where nobody may go."""

    url: str
    onward: str | None
    refused: RemoteError | None


@dataclass(frozen=True, slots=True)
class _Read:
    """One searchset, and the server's time as its header says it."""

    found: Searchset
    date: str | None

    @property
    def next_link(self) -> str | None:
        return self.found.next_link


class _Rounds:
    """Sees a search that goes on for ever, though no address comes twice: the server counts on and sends what it sent before.

    Pages without an entry are passed over for long: where others hide what they hold from us, many may follow each other.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._known: set[int] = set()
        self._again = 0
        self._empty = 0

    def see(self, entries: tuple[Hashable, ...]) -> None:
        """One page more.

        Raises:
            LoopingPages: so many in a row brought nothing that had not come before.
        """
        self._empty = 0 if entries else self._empty + 1
        if entries:
            page = hash(entries)
            self._again = self._again + 1 if page in self._known else 0
            self._known.add(page)
        if self._again >= MOST_AGAIN or self._empty >= MOST_EMPTY:
            raise LoopingPages(self._where)


class Searching:
    """Searches on one server.

    Args:
        transport: to it.
        root: its base URL, without a slash at its end.
    """

    def __init__(self, transport: Transport, root: str) -> None:
        self._transport = transport
        self._root = root
        # Types that this server was seen not to search by POST.
        self._no_post_search: set[str] = set()

    def question(
        self, resource_type: str, params: Iterable[tuple[str, str]], *, post: bool = False, strict: bool = False
    ) -> Question:
        """A search for resources of a type; a long one, or one that is to be, goes by POST."""
        # Bare commas: some servers look for them before they decode.
        query = urlencode(list(params), safe=",")
        url = f"{self._root}/{resource_type}"
        if post or len(query) > LONGEST_QUERY:
            return Question(resource_type, f"{url}/_search", query, strict)
        return Question(resource_type, f"{url}?{query}" if query else url, None, strict)

    def pages(self, question: Question) -> Iterator[SearchPage]:
        """The pages of a search; what is asked by POST is asked for once, further pages are fetched by GET.

        A page whose next link must not be followed comes still, without it, and then the error.
        """

        def read(answer: httpx.Response) -> _Read:
            return _read_searchset(answer, question.resource_type)

        rounds = _Rounds(question.where)
        for number, (step, answered) in enumerate(self._steps(question, read), start=1):
            found = answered.found
            rounds.see(found.entries)
            yield SearchPage(
                url=without_query(step.url).removeprefix("GET "),
                number=number,
                entries=found.entries,
                issues=found.issues,
                transaction_time=found.last_updated or utc_instant(answered.date),
                total=found.total,
                next=step.onward,
            )
            if step.refused is not None:
                raise step.refused

    def onward(self, resource_type: str, url: str) -> Iterator[SearchPage]:
        """The pages of a search from one of its next links on.

        Raises:
            ForeignHost: it leads to a host that is not allowed; at once, with nothing sent.
        """
        self._transport.check(url, told_by=self._root)
        return self.pages(Question(resource_type, url))

    def history(self, resource_type: str, params: Iterable[tuple[str, str]]) -> Iterator[HistoryPage]:
        """The pages of a type's history.

        Raises:
            UnusableAnswer: it says that something is missing.
        """

        def read(answer: httpx.Response) -> HistoryPage:
            return _read_history(answer, resource_type)

        question = Question(resource_type, f"{self._root}/{resource_type}/_history?{urlencode(list(params))}")
        rounds = _Rounds(question.where)
        for step, page in self._steps(question, read):
            _refuse_losses(page.issues, question.where)
            rounds.see(page.entries)
            yield page
            if step.refused is not None:
                raise step.refused

    def matches(self, question: Question) -> Iterator[tuple[Head, bytes]]:
        """Each resource of the type on all pages of a search, which must say of itself that it is whole."""
        for page in self.pages(question):
            # What is missing here would be taken for absent, and created a second time.
            _refuse_losses(page.issues, question.where)
            for entry in page.entries:
                head = head_of(entry.raw)
                if head is None or not head.id:
                    raise UnusableAnswer(question.where, "an entry is no resource with an id")
                if head.resource_type == question.resource_type:
                    yield head, entry.raw

    def identified(
        self, resource_type: str, batch: Sequence[Identifier], *, may_be_in_url: bool
    ) -> Iterator[tuple[Head, bytes]]:
        """Matches of a search for identifiers: by POST, else by GET where that is allowed."""
        url = f"{self._root}/{resource_type}"
        # Seen once is no leave: identifiers that must not stand in addresses are asked for by POST, or not at all.
        if not (may_be_in_url and resource_type in self._no_post_search):
            form = identifier_search(batch, count=_COUNT)
            try:
                yield from self.matches(Question(resource_type, f"{url}/_search", form, strict=True))
                return
            except Refused as refusal:
                if not may_be_in_url or refusal.status not in _NO_POST_SEARCH:
                    raise
                self._no_post_search.add(resource_type)
        for part in batches(batch, _BATCH_IN_URL):
            yield from self.matches(Question(resource_type, f"{url}?{identifier_search(part, count=_COUNT)}"))

    def _steps(self, question: Question, read: Callable[[httpx.Response], T]) -> Iterator[tuple[_Step, T]]:
        seen: set[str] = set()
        url = question.url
        while True:
            if question.form is not None and not seen:
                prefer = "handling=strict" if question.strict else None
                body = Body(question.form.encode(), _FORM, prefer=prefer)
                answered = self._transport.post(url, body, read, repeatable=True)
            else:
                answered = self._transport.get(url, read)
            seen.add(url)
            step = self._step(answered, url, seen)
            yield step, answered
            if step.onward is None:
                return
            url = step.onward

    def _step(self, answered: T, url: str, seen: set[str]) -> _Step:
        if answered.next_link is None:
            return _Step(url, None, None)
        try:
            return _Step(url, self._checked(answered.next_link, url, seen), None)
        except RemoteError as error:
            return _Step(url, None, error)

    def _checked(self, link: str, url: str, seen: set[str]) -> str:
        try:
            onward = next_url(link, page=url, root=self._root)
            urlsplit(onward)
        except ValueError:
            raise UnusableAnswer(without_query(url), "the next link is no address") from None
        self._transport.check(onward, told_by=url)
        if onward in seen:
            raise LoopingPages(without_query(url))
        return onward


def where_of(answer: httpx.Response) -> str:
    """Method, host and path of the request that was answered."""
    return without_query(str(answer.request.url), method=answer.request.method)


def _refuse_losses(issues: Iterable[Issue], where: str) -> None:
    told = ", ".join(str(issue) for issue in issues if issue.is_loss)
    if told:
        raise UnusableAnswer(where, f"says that matches may be missing ({told})")


def _read_searchset(answer: httpx.Response, resource_type: str) -> _Read:
    found = _parsed(answer, lambda body: parse_searchset(body, resource_type=resource_type))
    return _Read(found, answer.headers.get("Date"))


def _read_history(answer: httpx.Response, resource_type: str) -> HistoryPage:
    return _parsed(answer, lambda body: parse_history(body, resource_type=resource_type))


B = TypeVar("B")


def _parsed(answer: httpx.Response, parse: Callable[[bytes], B]) -> B:
    try:
        return parse(answer.content)
    except msgspec.DecodeError:
        if "html" in answer.headers.get("Content-Type", ""):
            # A login page or a proxy's notice: asking again brings the same.
            raise UnusableAnswer(where_of(answer), "a web page instead of a Bundle") from None
        if answer.content.lstrip(_BLANK).startswith(b"<"):
            # It was asked for JSON, and has none, or an XML gateway stands before it.
            raise UnusableAnswer(where_of(answer), "XML instead of JSON") from None
        # Cut off, most likely: a connection closed early looks like the end where no length was announced.
        raise Failed("answered with what is not whole JSON") from None
    except ValueError as error:
        raise UnusableAnswer(where_of(answer), str(error)) from None
