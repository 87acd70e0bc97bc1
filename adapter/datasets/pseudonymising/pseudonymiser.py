"""In: the resources of one subject, raw. Out: the same under keyed names, with nothing but what the allow-list documents name, and a trace.

The trace leads from each resource that leaves to the one, or the ones, at the hospital that it was made of; it stays at the site.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from adapter.criteria import Trial, attestable_links
from adapter.datasets.pseudonymising.codes import KnownCodes
from adapter.datasets.pseudonymising.compiling import Compiled, Tables
from adapter.datasets.pseudonymising.documents import Profile
from adapter.datasets.pseudonymising.normalising import Normaliser, medication_reference
from adapter.datasets.pseudonymising.values import UnitTable
from adapter.datasets.pseudonymising.work import Notes, Work
from adapter.datasets.source import RawResource, read
from adapter.fhir import FhirVersion, Json
from adapter.pseudonyms import keyed_digest, resource_key
from adapter.terminology import Site

__all__ = ["Pseudonymised", "Pseudonymiser", "TraceEntry"]

_VERSION: Final = re.compile(r"[1-9]\d{0,3}", re.ASCII)
#: Types that a person's resources refer to, and that are no person's.
_MEDICATION: Final = "Medication"
#: Types whose status R5 has and R4 has not: what says that it is an error cannot say so in the feed.
_WITHOUT_STATUS: Final = frozenset({"AdverseEvent"})


class TraceEntry(msgspec.Struct, frozen=True, gc=False):
    """One resource at the hospital that a resource of the feed was made of; a resource of the feed may have several.

    Attributes:
        key: of the feed, ``Observation/k3f...``.
        site: as in the settings.
        type: resource type at the hospital; ``Subject`` for a loaded one.
        id: there.
        version: there, as the hospital names it.
        sha256: of its bytes, hexadecimal.
        seq: its place in the lake; None for a loaded subject.
    """

    key: str
    site: str
    type: str
    id: str
    version: str | None
    sha256: str
    seq: int | None = None


@dataclass
class Pseudonymised:
    """What became of one subject's resources."""

    resources: list[Json] = field(default_factory=list)
    trace: list[TraceEntry] = field(default_factory=list)


class Pseudonymiser:
    """Pseudonymises the resources of one site for one trial.

    Args:
        profile: the allow-list documents.
        trial: its documents.
        site: how the site's records are to be read.
        key: the store's secret.
        version: of FHIR at the site.
        notes: where findings go.
    """

    def __init__(
        self, profile: Profile, trial: Trial, site: Site, *, key: bytes, version: FhirVersion, notes: Notes
    ) -> None:
        self._site = site.id
        self._key = key
        self._notes = notes
        self._known = KnownCodes(profile.tables, trial, site)
        self._units = UnitTable(trial.units, frozenset(self._known.units()), site)
        self._version = version
        self._grade = site.adverse_event_grade
        lists = {
            "attestation": frozenset({f"urn:reluth:attestation:{trial.id}"}),
            "attestation-links": _links(trial),
        }
        tables = Tables(self._known, self._units, lists)
        self._compiled: Mapping[str, Compiled] = {
            name: Compiled(rules, tables, is_r5=version is FhirVersion.R5) for name, rules in profile.types.items()
        }
        self._medications: dict[str, RawResource] = {}
        self._normaliser = self._normaliser_with({})

    def with_medications(self, medications: Mapping[str, tuple[RawResource, Json]]) -> None:
        """Tell the shared Medications that the site's resources refer to."""
        self._medications = {reference: row for reference, (row, _) in medications.items()}
        self._normaliser = self._normaliser_with(
            {reference: body.get("code") for reference, (_, body) in medications.items()}
        )

    def _normaliser_with(self, medications: Mapping[str, Any]) -> Normaliser:
        return Normaliser(self._version, self._known, self._units, grade=self._grade, medications=medications)

    @property
    def reasons(self) -> frozenset[str]:
        """Codes that the reason of an event may be, besides ids of criteria."""
        return self._known.tables.reasons

    def key_of(self, reference: str) -> str:
        """The id in the feed of a resource of this site."""
        return resource_key(self._key, self._site, reference)

    def medication(self, row: RawResource, body: Json, work: Work) -> Pseudonymised:
        """One shared Medication."""
        found = Pseudonymised()
        resource = self._one(row, body, work)
        if resource is not None:
            found.resources.append(resource)
            found.trace.append(self.trace_of(f"{_MEDICATION}/{resource['id']}", row))
        return found

    def subject(self, listed: Iterable[RawResource], work: Work, *, known: Mapping[str, str]) -> Pseudonymised:
        """The resources of one subject, but for Patient and ResearchSubject, which are made anew.

        Args:
            listed: raw, of any type that there is a document for.
            work: the subject.
            known: resources of the feed made elsewhere that these may refer to: hospital's reference to the feed's.
        """
        found = Pseudonymised()
        there = dict(known)
        for row in listed:
            body = read(row)
            if body is None:
                self._notes.add("resource-not-read", row.type, "")
                continue
            before = len(work.pending)
            resource = self._one(row, body, work)
            if resource is None:
                del work.pending[before:]
                continue
            key = f"{row.type}/{resource['id']}"
            there[row.reference] = key
            found.resources.append(resource)
            found.trace.append(self.trace_of(key, row))
            told = medication_reference(body)
            if told is not None and told in self._medications:
                found.trace.append(self.trace_of(key, self._medications[told]))
        self._settle(found.resources, work, there)
        return found

    def patient(self, body: Json, work: Work) -> Json:
        """The Patient: sex and death; the caller adds who it is."""
        made = self._compiled["Patient"].pseudonymise(body, work, identity=work.usubjid, version=None)
        return made if made is not None else {"resourceType": "Patient", "id": work.usubjid}

    def trace_of(self, key: str, row: RawResource) -> TraceEntry:
        """The entry of a resource that one of the feed was made of."""
        return TraceEntry(key, self._site, row.type, row.id, row.version, row.sha256.hex(), row.seq)

    def version_of(self, row: RawResource, work: Work) -> str | None:
        """What the version is called: a small number stays, anything else could be anybody's."""
        if row.version is None:
            return None
        if _VERSION.fullmatch(row.version) and not work.identifies(row.version):
            return row.version
        return keyed_digest(self._key, "version", self._site, row.reference, row.version).hex()[:16]

    def _one(self, row: RawResource, body: Json, work: Work) -> Json | None:
        if row.type in _WITHOUT_STATUS and body.get("status") == "entered-in-error":
            self._notes.add("entered-in-error", row.type, "")
            return None
        compiled = self._compiled[row.type]
        shaped = self._normaliser.normalise(body, work)
        if work.cut is not None:
            after = compiled.when_after(shaped, work)
            if after:
                self._notes.add("after-withdrawal" if work.strict else "after-cut", row.type, "")
                return None
            if after is None and work.strict and compiled.rules.dates:
                # Nothing says that it was before the withdrawal.
                self._notes.add("undated-left-out", row.type, "")
                return None
        return compiled.pseudonymise(
            shaped, work, identity=self.key_of(row.reference), version=self.version_of(row, work)
        )

    def _settle(self, resources: list[Json], work: Work, there: Mapping[str, str]) -> None:
        """Put references right where their target is in the feed, and take out the others."""
        dropped = False
        for one in work.pending:
            target = there.get(one.target)
            if target is not None:
                one.holder[one.element] = target
            else:
                dropped = True
                self._notes.add("reference-dropped", *one.place)
        work.pending.clear()
        if dropped:
            for resource in resources:
                for name in [name for name, value in resource.items() if isinstance(value, dict | list)]:
                    kept = _without_dropped(resource[name])
                    if kept is None:
                        del resource[name]
                    else:
                        resource[name] = kept


def _links(trial: Trial) -> frozenset[str]:
    """Every sentence that a person may attest."""
    found = {link for criterion in trial.criteria for link in attestable_links(criterion)}
    return frozenset(found | trial.attestation_words.keys())


def _without_dropped(node: Any) -> Any:
    """The same without references to nothing, and without what holds nothing else."""
    if isinstance(node, dict):
        if node.get("reference") == "":
            return None
        kept = {
            name: pruned if isinstance(value, dict | list) else value
            for name, value in node.items()
            if not isinstance(value, dict | list) or (pruned := _without_dropped(value)) is not None
        }
        return None if not kept or kept.keys() == {"url"} else kept
    if isinstance(node, list):
        listed = [
            pruned if isinstance(value, dict | list) else value
            for value in node
            if not isinstance(value, dict | list) or (pruned := _without_dropped(value)) is not None
        ]
        return listed or None
    return node
