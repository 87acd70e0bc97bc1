"""In: who the patient is and what a story decides. Out: that patient's FHIR R4 resources in writing order, ids
given here.

A chart never reads back the JSON that it wrote: each writer tells what it wrote in the story's own words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from adapter.simulate.facts import Diagnosis
from adapter.simulate.kleene import Truth
from adapter.simulate.moments import Style, written, years_on
from adapter.simulate.terms import CATEGORY

if TYPE_CHECKING:
    from adapter.simulate.results import Result

Resource = dict[str, Any]
PRACTITIONERS = 12


class Answered(NamedTuple):
    """One answer of an attestation, before answers of one time, author and standing are gathered in a form."""

    authored: str
    status: str
    author: str
    form: str
    link: str
    answer: bool
    said_of: date | None


@dataclass(slots=True)
class Chart:
    """One person's record under way; `ids` holds the surviving Patient id first, then the ids merged into it.

    `diagnoses`, `attested` and `latest` (the month's deciding result of each quantity) are the story's account of what
    stands there; `recent` says that blood older than the month is a treatment's own and not to be made up.
    """

    rng: Random
    on: date
    key: str
    ids: list[str]
    calm: bool
    gender: str | None = None
    born: tuple[date, date] | None = None
    draw: int = 10
    net: str | None = None
    sole: bool = True
    named: bool = False
    neuroendocrine: bool = False
    near: bool = False
    recent: bool = False
    resources: list[Resource] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    attested: dict[str, Truth] = field(default_factory=dict)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    latest: dict[str, Result] = field(default_factory=dict)
    count: int = 0

    def day(self, before: int) -> date:
        """The day that many days before the reference date."""
        return self.on - timedelta(days=before)

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return self.rng.random() < share

    def subject(self) -> dict[str, str]:
        """A reference to the person: with merged records, results hang on any of the ids."""
        return {"reference": "Patient/" + (self.ids[0] if len(self.ids) == 1 else self.rng.choice(self.ids))}

    def practitioner(self) -> dict[str, str]:
        """A reference to one of the centre's doctors."""
        return {"reference": f"Practitioner/prat-{self.rng.randrange(PRACTITIONERS) + 1:02d}"}

    @property
    def attributed(self) -> bool:
        """Findings belong to the tumour: it is the only malignancy on record, or they name it (clarification 30)."""
        return self.sole or self._names_tumour

    @property
    def _names_tumour(self) -> bool:
        # Decided once for a whole record, from its number alone.
        return self.net is not None and (self.named or int(self.key[1:7]) % 2 == 0)

    def focus(self) -> Resource:
        """The `focus` of a finding of the tumour: written where there is another tumour that it could be of."""
        return {"focus": [{"reference": f"Condition/{self.net}"}]} if not self.sole and self._names_tumour else {}

    def ages(self, day: date) -> tuple[int, ...]:
        """Every age in completed years that the recorded birth date allows on that day."""
        if self.born is None:
            return ()
        oldest, youngest = years_on(day, self.born[0]), years_on(day, self.born[1])
        return tuple(range(youngest, oldest + 1))

    def name(self, tag: str) -> str:
        """A new resource id."""
        self.count += 1
        return f"{self.key}-{tag}-{self.count}"

    def add(self, kind: str, body: Resource, *, day: date, identity: str, version: int = 1) -> str:
        """Put a resource on the chart; the version stands in `meta`."""
        updated = written(min(day, self.on), 1140 + version, "utc")
        self.resources.append(
            {
                "resourceType": kind,
                "id": identity,
                "meta": {"versionId": str(version), "lastUpdated": updated},
                **body,
            }
        )
        return identity

    def observe(self, code: Resource, body: Resource, *, when: When, status: str = "final") -> str:
        """Put an Observation on the chart."""
        identity = when.identity or self.name("obs")
        resource: Resource = {
            "status": status,
            "category": [{"coding": [{"system": CATEGORY, "code": when.category}]}],
            "code": code,
            "subject": self.subject(),
            **when.effective(),
            **body,
        }
        return self.add("Observation", resource, day=when.day, identity=identity, version=when.version)


@dataclass(frozen=True, slots=True)
class When:
    """The time of an Observation and how the feed writes it, with its id and version where these matter."""

    day: date
    minute: int = 540
    style: Style = "paris"
    form: str = "dateTime"
    identity: str | None = None
    version: int = 1
    category: str = "laboratory"

    def effective(self) -> Resource:
        """The `effective[x]` element."""
        if self.form == "period":
            start, end = (written(self.day, minute, self.style) for minute in (self.minute, self.minute + 10))
            return {"effectivePeriod": {"start": start, "end": end}}
        if self.form == "instant":
            return {"effectiveInstant": written(self.day, self.minute, self.style)}
        if self.form == "month":
            return {"effectiveDateTime": self.day.isoformat()[:7]}
        if self.form == "year":
            return {"effectiveDateTime": self.day.isoformat()[:4]}
        return {"effectiveDateTime": written(self.day, self.minute, self.style)}
