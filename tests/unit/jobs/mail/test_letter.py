"""Promises of a digest's mail: every sentence in both languages, numbers and links to lists only, one reader, well-formed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from importlib.resources import files
from string import Formatter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from adapter.documents import load_trial
from adapter.jobs.mail import Letterhead, News, compose
from adapter.screening import Bin, words
from adapter.service.door.permissions import ROUTES
from adapter.service.worklist.reading import parse_asked
from adapter.store.digests import DigestKey
from tests.support.mail_server import whole_text

HEAD = Letterhead("https://desk.example.org/reluth", Address("ReLUTH", addr_spec="reluth@example.org"))
AT = datetime(2025, 6, 2, 5, 31, 7, tzinfo=UTC)
DOCUMENT = yaml.safe_load(files("mappings").joinpath("words/mail.yaml").read_text(encoding="utf-8"))
ENTRIES = [(group, code) for group, entries in DOCUMENT.items() for code in entries]
LANGUAGES = ("fr", "en")


def news(**more: Any) -> News:
    """Every number another one."""
    told: dict[str, Any] = {
        "site": "icm",
        "study": "ReLUTH",
        "day": date(2025, 6, 2),
        "bins": {str(name): 100 + number for number, name in enumerate(Bin)},
        "fresh": 11,
        "proposals": 12,
        "expiring": 13,
        "conflicts": 14,
        "aside": 15,
        "stale": 16,
        "certificates": 17,
    }
    return News(**(told | more))


def nothing(**more: Any) -> News:
    return News("icm", "ReLUTH", date(2025, 6, 2), **more)


def letter(told: News, language: str = "fr", *, to: str = "anna@example.org", slot: str = "07:30:00") -> EmailMessage:
    key = DigestKey(site=told.site, recipient="a" * 64, language=language, slot=slot, day=told.day)
    return compose(told, key, head=HEAD, to=to, at=AT)


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


class Seen(HTMLParser):
    """What a browser shows, which addresses it would fetch by itself, and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href" and value]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


# Words


@pytest.mark.parametrize(("group", "code"), ENTRIES)
def test_mail_words_have_both_languages_with_the_same_braces(group: str, code: str) -> None:
    entry = DOCUMENT[group][code]
    braces = {lang: {name for _, name, _, _ in Formatter().parse(entry[lang]) if name} for lang in entry}

    assert set(entry) == set(LANGUAGES)
    assert braces["fr"] == braces["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_mail_words_is_said_by_some_mail(language: str) -> None:
    quiet_bins = {str(name): 0 for name in Bin}
    mails = [letter(one, language) for one in (news(), news(first=True), news(bins=None), nothing(bins=quiet_bins))]
    said = "\n".join("\n".join((str(one["Subject"]), part(one, "plain"), part(one, "html"))) for one in mails)
    unsaid = []
    for group, code in ENTRIES:
        pieces = [piece for piece, *_ in Formatter().parse(DOCUMENT[group][code][language]) if piece.strip(" :")]
        escaped = [piece.replace("'", "&#x27;") for piece in pieces]
        if not all(piece in said or other in said for piece, other in zip(pieces, escaped, strict=True)):
            unsaid.append((group, code))

    assert unsaid == []


# What it says


@pytest.mark.parametrize(
    ("language", "subject", "lines"),
    [
        ("fr", "ReLUTH, icm : {} à examiner", ["Candidats trouvés depuis le dernier message : 11"]),
        ("en", "ReLUTH, icm: {} to look at", ["Candidates found since the last message: 11"]),
    ],
)
def test_mail_tells_in_its_language_what_waits(language: str, subject: str, lines: list[str]) -> None:
    message = letter(news(), language)
    to_review = news().to_review

    assert message["Subject"] == subject.format(to_review)
    assert [line for line in lines if line not in part(message, "plain")] == []
    assert [one["Content-Language"] for one in message.iter_parts()] == [language, language]
    assert f'<html lang="{language}">' in part(message, "html")


def test_mail_to_review_are_those_to_review_and_those_who_are_newly_ready() -> None:
    bins = {"to-review": 2, "new": 3, "waiting": 5, "eligible": 7}

    assert news(bins=bins).to_review == 5


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["plain", "html"])
def test_mail_tells_every_number_in_both_forms(language: str, kind: str) -> None:
    text = part(letter(news(), language), kind)
    shown = " ".join(Seen(text).shown) if kind == "html" else text
    labels = words(language)

    assert all(re.search(rf": {number}\b", shown) for number in range(11, 17))
    assert all(labels.of("bins", name) in shown for name in Bin)
    assert all(re.search(rf"\b{100 + number}\b", shown) for number in range(len(Bin)))


def test_mail_leaves_out_what_is_not_for_its_reader() -> None:
    text = whole_text(letter(news(bins=None, fresh=None, expiring=None), "en").as_bytes())

    assert "To look at" not in text and "whole list" not in text and "Candidates" not in text
    assert "Conflicts with the hospital's server to settle: 14" in text


def test_mail_with_nothing_to_tell_says_so() -> None:
    told = nothing(bins={str(name): 0 for name in Bin}, fresh=0)
    message = letter(told, "en")

    assert told.is_empty
    assert message["Subject"] == "ReLUTH, icm: nothing new"
    assert "Nothing is new" in part(message, "plain")


@pytest.mark.parametrize("name", ["fresh", "proposals", "expiring", "conflicts", "aside", "stale", "certificates"])
def test_news_of_one_kind_is_news(name: str) -> None:
    assert not nothing(**{name: 1}).is_empty
    assert nothing(**{name: 0}).is_empty


# Links


def test_mail_links_lead_to_lists_of_its_site_below_the_service_and_nowhere_else() -> None:
    found = set(Seen(part(letter(news()), "html")).links)
    told = set(re.findall(r"https?://\S+", part(letter(news()), "plain")))

    assert told <= found
    for link in found:
        parts = urlsplit(link)
        assert link.startswith("https://desk.example.org/reluth/")
        assert parts.path.removeprefix("/reluth") in ("/", "/conflicts", "/runs")
        assert "site=icm" in parts.query


def test_mail_links_ask_for_what_the_pages_know() -> None:
    trial = load_trial("nct04954820")
    for link in Seen(part(letter(news()), "html")).links:
        parts = urlsplit(link)
        asked = dict(parse_qsl(parts.query, strict_parsing=True))
        path = parts.path.removeprefix("/reluth")
        assert ("GET", path) in ROUTES
        assert set(asked) <= {"site", "bin", "marker", "order"}
        if path == "/":
            # Raises where a value is none of those there are.
            assert parse_asked(asked, trial, today=date(2025, 6, 2)).site == "icm"


def test_mail_quotes_whatever_a_site_is_called() -> None:
    message = letter(news(site='a&b"<i>\u00e9 x'), "fr")

    assert "site=a%26b%22%3Ci%3E%C3%A9%20x" in part(message, "plain")
    assert "<i>" not in part(message, "html")
    assert message["List-Id"] == "<a-b-i-x.reluth.example.org>"


# Form


def test_mail_fetches_nothing_and_runs_nothing() -> None:
    seen = Seen(part(letter(news()), "html"))

    assert seen.open == []
    assert seen.tags.isdisjoint({"img", "script", "link", "style", "iframe", "form", "object"})
    assert seen.attributes <= {"href", "lang", "charset", "scope"}


def test_mail_is_well_formed_and_says_that_a_program_sent_it() -> None:
    raw = letter(news()).as_bytes()
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)

    assert [found.defects for found in message.walk()] == [[], [], []]
    assert all(header.defects == () for header in message.values())
    assert (message["Auto-Submitted"], message["MIME-Version"]) == ("auto-generated", "1.0")
    assert message["Date"].datetime == AT
    assert message["From"].addresses[0].addr_spec == "reluth@example.org"
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert raw.isascii() and b"\n" not in raw.replace(b"\r\n", b"")


def test_mail_shows_its_reader_and_nobody_else() -> None:
    message = letter(news(), to="anna@example.org")

    assert [one.addr_spec for one in message["To"].addresses] == ["anna@example.org"]
    assert {"Cc", "Bcc", "Reply-To"}.isdisjoint(message.keys())


def test_mail_that_is_tried_again_has_the_number_of_the_first_and_others_have_another() -> None:
    first = str(letter(news())["Message-ID"])

    assert re.fullmatch(r"<digest\.20250602\.[0-9a-f]{32}@example\.org>", first)
    assert str(letter(news(fresh=99))["Message-ID"]) == first
    others = {str(letter(news(), "en")["Message-ID"]), str(letter(news(), slot="16:00:00")["Message-ID"])}
    assert len(others | {first}) == 3


@pytest.mark.parametrize("to", ["anna@example.org\r\nBcc: eve@example.org", "anna@example.org\nX: y"])
def test_mail_takes_no_header_with_an_address(to: str) -> None:
    with pytest.raises(ValueError, match=r"CR|LF|address"):
        letter(news(), to=to)


def test_news_can_hold_nothing_but_numbers_and_the_names_of_site_and_study() -> None:
    kinds = {name: str(kind) for name, kind in News.__annotations__.items()}

    assert kinds.pop("bins") == "Mapping[str, int] | None"
    assert {name: kind for name, kind in kinds.items() if kind not in ("int | None", "bool")} == {
        "site": "str",
        "study": "str",
        "day": "date",
    }
