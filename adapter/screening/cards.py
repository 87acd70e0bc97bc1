"""In: a verdict (the contract's JSON), the trial, a language. Out: what a card of CDS Hooks says, or that there is none to show.

Criteria are named by their labels only: a card is shown in another system, and holds no value of the record and no name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from adapter.criteria import Outcome, Trial, Truth
from adapter.screening.listed import CLOSED_STATES
from adapter.screening.words import Words, words
from adapter.store.cards import Decided, Override

__all__ = [
    "OVERRIDE_DAYS",
    "CardText",
    "card_text",
    "card_words",
    "is_for_a_card",
    "is_silenced",
    "may_flip",
    "override_reasons",
    "signature_of",
]

CARD_WORDS: Final = "words/cards.yaml"
#: CDS Hooks 2.0, Card Attributes: less than 140 characters.
LONGEST_SUMMARY: Final = 139
#: So long a person who has overridden a card is not shown the same again.
OVERRIDE_DAYS: Final = 30
#: Reasons that no later result mends, the patient's own word above all: they hold until a person decides otherwise at the desk.
_FOR_GOOD: Final = frozenset({"patient-declined", "consent-withdrawn", "deceased"})
#: Reasons of decisions that are none for putting a card away.
_NO_OVERRIDE: Final = frozenset({"criteria-met", "to-contact"})
_SHOWN: Final = 5
_ELLIPSIS: Final = "…"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CardText:
    """What a card says.

    Attributes:
        summary: one line of less than 140 characters.
        detail: Markdown.
        indicator: ``warning`` where something is about to be done that the trial would have a say in; never critical.
    """

    summary: str
    detail: str
    indicator: Literal["info", "warning"]


def card_words(lang: str) -> Words:
    """The words of cards."""
    return words(lang, CARD_WORDS)


def is_for_a_card(verdict: Json, decided: Decided | None) -> bool:
    """Whether a person may be a candidate still: a signal, no failure for good, alive, and nobody has decided for good."""
    if decided is not None and decided.state in CLOSED_STATES:
        return False
    return bool(verdict["candidate"]) and not verdict["permanent"] and verdict["outcome_reason"] is None


def signature_of(verdict: Json) -> str:
    """The same as long as the outcome and the answer to each criterion are."""
    told = [verdict["criteria_version"], verdict["outcome"]]
    told += [f"{item['id']}={item['truth']}" for item in verdict["criteria"]]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def is_silenced(
    overrides: Iterable[Override], decided: Decided | None, *, service: str, signature: str, at: datetime
) -> bool:
    """Whether a card was put away: this one of late, or any for good.

    Args:
        overrides: cards about the person that were overridden.
        decided: the standing decision.
        service: id of the service that is asked.
        signature: of the verdict that it would tell.
        at: now.
    """
    for one in overrides:
        if one.reason in _FOR_GOOD and (decided is None or decided.at < one.at):
            return True
        same = one.service == service and one.signature == signature
        if same and at - one.at < timedelta(days=OVERRIDE_DAYS):
            return True
    return False


def override_reasons(lang: str) -> list[tuple[str, str]]:
    """Why a card may be put away: code and words."""
    say = words(lang)
    return [
        (code, say.of("decision_reasons", code)) for code in say.codes("decision_reasons") if code not in _NO_OVERRIDE
    ]


def may_flip(verdict: Json, *, today: date) -> bool:
    """Whether a kept verdict may be another one by now, nothing new being recorded."""
    days = (verdict["flips_on"], *(item["flips_on"] for item in verdict["criteria"]))
    orders = (item["by"] for item in verdict["to_order"])
    return any(day is not None and day <= str(today) for day in days) or any(day < str(today) for day in orders)


def card_text(
    verdict: Json, trial: Trial, *, lang: str, is_order: bool = False, unseen: Sequence[str] = ()
) -> CardText:
    """What a card says of a verdict.

    Args:
        verdict: the contract's JSON.
        trial: whose.
        lang: ``fr`` or ``en``.
        is_order: the trial's own treatment is being ordered.
        unseen: resource types that could not be looked at; then nothing is called complete.
    """
    card = _Card(verdict, trial, lang, tuple(unseen))
    urgent = is_order and card.outcome is not Outcome.INELIGIBLE
    return CardText(card.summary(), card.detail(), "warning" if urgent else "info")


class _Card:
    """The parts of one card."""

    def __init__(self, verdict: Json, trial: Trial, lang: str, unseen: tuple[str, ...]) -> None:
        self._verdict, self._trial, self._lang, self._unseen = verdict, trial, lang, unseen
        self._say, self._general = card_words(lang), words(lang)
        answers = {item["id"]: trial.criterion(item["id"]).passes(Truth(item["truth"])) for item in verdict["criteria"]}
        self._passed = [name for name, passes in answers.items() if passes is True]
        self._failed = [name for name, passes in answers.items() if passes is False]
        self._open = [name for name, passes in answers.items() if passes is None]
        outcome = Outcome(verdict["outcome"])
        if unseen and outcome in (Outcome.ELIGIBLE, Outcome.READY_FOR_INVESTIGATOR):
            outcome = Outcome.NEEDS_INFORMATION
        self.outcome = outcome

    def summary(self) -> str:
        # Nothing open: what data alone decided is still a person's to confirm.
        to_confirm = self.outcome is Outcome.READY_FOR_INVESTIGATOR and not self._open
        line = "ready-to-confirm" if to_confirm else str(self.outcome)
        said = self._say.of("summaries", line, trial=self._trial.acronym, count=len(self._open), what="{what}")
        if "{what}" not in said:
            return _cut(said, LONGEST_SUMMARY)
        room = LONGEST_SUMMARY - len(said) + len("{what}")
        return _cut(said.replace("{what}", _fitting(self._named(), room)), LONGEST_SUMMARY)

    def _named(self) -> list[str]:
        """What the line names: what fails, else what to get, else what is open."""
        if self.outcome is Outcome.INELIGIBLE:
            return [self._label(name) for name in self._failed]
        orders = [self._trial.wanted_label(str(item["what"]), self._lang) for item in self._verdict["to_order"]]
        return orders or [self._label(name) for name in self._lacking()] or list(self._unseen)

    def _lacking(self) -> list[str]:
        """Open criteria, those that the visit itself settles last."""
        return sorted(self._open, key=lambda name: self._trial.criterion(name).at_screening_visit)

    def detail(self) -> str:
        verdict, say = self._verdict, self._say
        signals = self._general.listing(self._signal(name) for name in verdict["candidate_because"])
        told = [
            say.of("detail", "because", signals=signals),
            say.of(
                "detail",
                "counts",
                stage=self._general.of("stages", verdict["stage"]),
                passed=len(self._passed),
                failed=len(self._failed),
                open=len(self._open),
            ),
        ]
        told += self._list("failing", [self._failing(name) for name in self._failed])
        told += self._list("missing", [self._order(item) for item in verdict["to_order"]])
        if self.outcome is not Outcome.INELIGIBLE:
            ordered = {name for item in verdict["to_order"] for name in item["for"]}
            told += self._list("attest", [self._label(name) for name in self._lacking() if name not in ordered])
        if self._unseen:
            told.append(say.of("detail", "partial", types=self._general.listing(self._unseen)))
        elif verdict["flips_on"]:
            told.append(say.of("detail", "flips", day=self._general.day(verdict["flips_on"])))
        day = self._general.day(verdict["on"])
        told.append(say.of("detail", "reference", day=day, version=verdict["criteria_version"]))
        told.append(say.of("detail", "decides"))
        return "\n\n".join(told)

    def _list(self, title: str, items: list[str]) -> list[str]:
        if not items:
            return []
        shown = [f"- {item}" for item in items[:_SHOWN]]
        if len(items) > _SHOWN:
            shown.append(f"- {self._say.of('detail', 'more', count=len(items) - _SHOWN)}")
        return ["\n".join((self._say.of("detail", title), "", *shown))]

    def _failing(self, name: str) -> str:
        flips = next((item["flips_on"] for item in self._verdict["criteria"] if item["id"] == name), None)
        if flips is None:
            return self._label(name)
        return self._say.of("detail", "failing-until", criterion=self._label(name), day=self._general.day(flips))

    def _order(self, item: Json) -> str:
        what = self._trial.wanted_label(str(item["what"]), self._lang)
        criteria = self._general.listing(item["for"])
        return self._say.of("detail", "order", what=what, day=self._general.day(item["by"]), criteria=criteria)

    def _label(self, name: str) -> str:
        return f"{name} {self._trial.criterion(name).label[self._lang]}"

    def _signal(self, name: str) -> str:
        return self._general.phrase("signal-added") if name == "added" else self._trial.signal_label(name, self._lang)


def _fitting(items: list[str], room: int) -> str:
    """As many of the items as there is room for, the rest counted; of one that is too long its beginning."""
    for count in range(len(items), 0, -1):
        rest = f" +{len(items) - count}" if count < len(items) else ""
        told = ", ".join(items[:count]) + rest
        if len(told) <= room:
            return told
    rest = f" +{len(items) - 1}" if len(items) > 1 else ""
    return _cut(items[0], room - len(rest)) + rest if items else ""


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 0)].rstrip() + _ELLIPSIS
