"""In: `News` of a site, which digest it is, where the service is. Out: the mail that tells it: plain text, and the same as simple HTML.

Every line is a sentence of ours, a number and a link to a filtered list: no link leads to one person.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Final
from urllib.parse import quote

import msgspec

from adapter.fhir import PARIS
from adapter.jobs.mail.addresses import domain_of
from adapter.jobs.mail.news import News
from adapter.screening import Words, words
from adapter.store.digests import DigestKey

__all__ = ["Letterhead", "Line", "compose", "waiting_lines", "whole_list"]

_WORDS: Final = "words/mail.yaml"
#: Where each line of "what waits" leads, below the service's address.
_WAITING: Final = {
    "fresh": "/?site={site}&marker=new",
    # The list begins with them: two groups.
    "to-review": "/?site={site}",
    "proposals": "/conflicts?site={site}#proposals",
    "expiring": "/?site={site}&order=flips",
    "conflicts": "/conflicts?site={site}",
    "aside": "/conflicts?site={site}",
    "stale": "/runs?site={site}",
    "certificates": "/runs?site={site}",
}
_BIN: Final = "/?site={site}&bin={bin}"
_LIST: Final = "/?site={site}"
_LABEL: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all mails of a service have in common.

    Attributes:
        service: the address that people use, without a slash at its end.
        sender: whom they come from.
    """

    service: str
    sender: Address


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a label with its number, and where it leads."""

    text: str
    link: str


def compose(news: News, key: DigestKey, *, head: Letterhead, to: str, at: datetime) -> EmailMessage:
    """One recipient's mail.

    Args:
        news: what to tell.
        key: which digest of which day it is, in which language; it numbers the message.
        head: who we are.
        to: the recipient's address, and nobody else's.
        at: when it is sent.

    Returns:
        the message; the same digest tried again has the same Message-ID, so that a second copy can be known as one.
    """
    say = words(key.language, _WORDS)
    message = EmailMessage(policy=SMTP)
    message["From"] = head.sender
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _subject(news, say)
    message["Date"] = format_datetime(at.astimezone(PARIS))
    message["Message-ID"] = f"<{_number(key)}@{domain_of(head.sender)}>"
    message["List-Id"] = f"<{_label(news.site)}.{_label(news.study)}.{domain_of(head.sender)}>"
    # RFC 3834 5: nobody's holiday notice answers.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    spoken = [f"Content-Language: {key.language}"]
    message.set_content(_plain(news, say, head), cte="quoted-printable", headers=spoken)
    message.add_alternative(_html(news, say, head), subtype="html", cte="quoted-printable", headers=spoken)
    return message


def waiting_lines(news: News, say: Words, head: Letterhead) -> list[Line]:
    """What waits for the reader; without what is 0, or not for them."""
    counts = {
        "fresh": news.fresh,
        "to-review": None if news.bins is None else news.to_review,
        "proposals": news.proposals,
        "expiring": news.expiring,
        "conflicts": news.conflicts,
        "aside": news.aside,
        "stale": news.stale,
        "certificates": news.certificates,
    }
    return [
        Line(say.of("lines", _wording(name, news), n=number), _link(head, _WAITING[name], news.site))
        for name, number in counts.items()
        if number
    ]


def whole_list(news: News, say: Words, head: Letterhead) -> list[tuple[str, int, str]]:
    """Label, number and link of each group of the worklist, those with nobody in them included."""
    labels = words(say.lang)
    return [
        (labels.of("bins", name), number, _link(head, _BIN, news.site, bin=name))
        for name, number in (news.bins or {}).items()
    ]


def _wording(name: str, news: News) -> str:
    return "fresh-first" if name == "fresh" and news.first else name


def _subject(news: News, say: Words) -> str:
    kind = "nothing" if news.is_empty else "review" if news.to_review else "news"
    return say.of("subjects", kind, study=news.study, site=news.site, n=news.to_review)


def _title(news: News, say: Words) -> str:
    day = words(say.lang).day(news.day)
    return say.of("sentences", "title", study=news.study, site=news.site, day=day)


def _plain(news: News, say: Words, head: Letterhead) -> str:
    def lines() -> Iterator[str]:
        yield _title(news, say)
        yield ""
        waiting = waiting_lines(news, say, head)
        yield say.of("sentences", "waiting" if waiting else "nothing")
        for line in waiting:
            yield f"- {line.text}"
            yield f"  {line.link}"
        yield ""
        listed = whole_list(news, say, head)
        if listed:
            yield say.of("sentences", "list")
            for label, number, _ in listed:
                yield f"- {say.of('lines', 'bin', label=label, n=number)}"
            yield f"  {_link(head, _LIST, news.site)}"
            yield ""
        yield say.of("sentences", "no-data")
        yield say.of("sentences", "automatic")

    return "\n".join(lines()) + "\n"


def _html(news: News, say: Words, head: Letterhead) -> str:
    def parts() -> Iterator[str]:
        title = escape(_title(news, say))
        yield f'<!doctype html>\n<html lang="{say.lang}"><head><meta charset="utf-8"><title>{title}</title></head><body>'
        yield f"<h1>{title}</h1>"
        waiting = waiting_lines(news, say, head)
        if waiting:
            yield f"<h2>{escape(say.of('sentences', 'waiting'))}</h2>"
            yield "<ul>"
            yield from (f"<li>{_anchor(line.text, line.link)}</li>" for line in waiting)
            yield "</ul>"
        else:
            yield f"<p>{escape(say.of('sentences', 'nothing'))}</p>"
        listed = whole_list(news, say, head)
        if listed:
            yield from _table(listed, say)
            yield f"<p>{_anchor(say.of('sentences', 'desk'), _link(head, _LIST, news.site))}</p>"
        yield f"<p>{escape(say.of('sentences', 'no-data'))}<br>{escape(say.of('sentences', 'automatic'))}</p>"
        yield "</body></html>"

    return "\n".join(parts()) + "\n"


def _table(listed: list[tuple[str, int, str]], say: Words) -> Iterator[str]:
    yield f"<table><caption>{escape(say.of('sentences', 'list'))}</caption>"
    heads = (say.of("sentences", "group"), say.of("sentences", "number"))
    yield "<tr>" + "".join(f'<th scope="col">{escape(one)}</th>' for one in heads) + "</tr>"
    for label, number, link in listed:
        yield f'<tr><th scope="row">{_anchor(label, link)}</th><td>{number}</td></tr>'
    yield "</table>"


def _anchor(text: str, link: str) -> str:
    return f'<a href="{escape(link)}">{escape(text)}</a>'


def _link(head: Letterhead, form: str, site: str, **values: str) -> str:
    quoted = {name: quote(value, safe="") for name, value in {"site": site, **values}.items()}
    return head.service + form.format(**quoted)


def _number(key: DigestKey) -> str:
    told = msgspec.json.encode(key)
    return f"digest.{key.day:%Y%m%d}.{hashlib.sha256(told).hexdigest()[:32]}"


def _label(text: str) -> str:
    """A part of a List-Id (RFC 2919): letters, digits and hyphens."""
    return _LABEL.sub("-", text.lower()).strip("-") or "site"
