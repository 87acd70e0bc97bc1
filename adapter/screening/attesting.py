"""In: what a person attests of a patient, and who. Out: the QuestionnaireResponse that says so (R4), as the criteria read it; and its withdrawal.

One signature is one QuestionnaireResponse. What is attested anew is another one, and the latest holds; what is withdrawn is taken
out of all that we hold. One of which nothing is left is entered in error, and keeps what it said. One of which something is
left stays completed: an amended one would not count (clarifications.md 32).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from adapter.criteria import Trial
from adapter.fhir import Json
from adapter.store.own import own_id

__all__ = ["ACCOUNT_SYSTEM", "QUESTIONNAIRE", "Signature", "SignedForm", "Statement", "attestation_of", "without_links"]

#: With the trial's id: the canonical of what was asked. Its version is that of the criteria document.
QUESTIONNAIRE: Final = "urn:reluth:attestation:"
#: Of the name under which a person signs in here.
ACCOUNT_SYSTEM: Final = "urn:reluth:account"


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence that is true, or is not; ``since`` is the day of the fact, where one is told."""

    link: str
    text: str
    truth: bool
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """Who attests, and when.

    Attributes:
        account: the name under which they signed in.
        name: as pages show it.
        at: with its zone.
    """

    account: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SignedForm:
    """What one person says at once: what is so or is not, and the linkIds of what they do not answer any more."""

    by: Signature
    statements: tuple[Statement, ...] = ()
    withdrawn: tuple[str, ...] = ()


def attestation_of(patient: str, trial: Trial, statements: Sequence[Statement], by: Signature) -> Json:
    """The QuestionnaireResponse of one signature.

    Args:
        patient: ``Patient/id``.
        trial: whose sentences.
        statements: at least one; each linkId once.
        by: who signs.
    """
    return {
        "resourceType": "QuestionnaireResponse",
        "id": own_id(),
        "meta": _meta(1, by.at),
        "questionnaire": f"{QUESTIONNAIRE}{trial.id}|{trial.version}",
        "status": "completed",
        "subject": {"reference": patient},
        # To the microsecond: two of one instant that contradict each other are a conflict (clarifications.md 32).
        "authored": by.at.isoformat(timespec="microseconds"),
        "author": _person(by),
        "source": _person(by),
        "item": [_item(one) for one in statements],
    }


def without_links(resource: Mapping[str, Any], links: Collection[str], *, at: datetime) -> Json | None:
    """The next version of a QuestionnaireResponse of ours, which says nothing of some sentences any more.

    Args:
        resource: its latest version.
        links: what is withdrawn.
        at: when.

    Returns:
        None where it says nothing of them now.
    """
    items = [item for item in resource["item"] if item["linkId"] not in links]
    if resource["status"] != "completed" or len(items) == len(resource["item"]):
        return None
    changed = {**resource, "meta": _meta(int(resource["meta"]["versionId"]) + 1, at)}
    return {**changed, "item": items} if items else {**changed, "status": "entered-in-error"}


def _meta(version: int, at: datetime) -> Json:
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"versionId": str(version), "lastUpdated": moment}


def _person(by: Signature) -> Json:
    # A logical reference (R4 references.html#logical): no server has a Practitioner of this account.
    return {
        "type": "Practitioner",
        "identifier": {"system": ACCOUNT_SYSTEM, "value": by.account},
        "display": by.name,
    }


def _item(statement: Statement) -> Json:
    answers: list[Json] = [{"valueBoolean": statement.truth}]
    if statement.since is not None:
        answers.append({"valueDate": statement.since.isoformat()})
    return {"linkId": statement.link, "text": statement.text, "answer": answers}
