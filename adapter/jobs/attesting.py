"""In: what a person attests of a patient, or withdraws. Out: it in the site's lake, by a run of kind ``attest``, and the patient screened again.

The site is held until the new verdicts are kept: nobody sees the attestation beside the verdict from before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import date, datetime
from typing import Any, Final

import msgspec

from adapter.criteria import Stage, Trial
from adapter.errors import UsageError
from adapter.fhir import summarise
from adapter.fhir.compare import decode_resource, encode_resource
from adapter.screening import Asked, screen
from adapter.screening.attesting import QUESTIONNAIRE, SignedForm, attestation_of, without_links
from adapter.store import LakeWriter, Origin, Store
from adapter.store.own import is_own
from adapter.store.stored_versions import versions_about
from adapter.terminology import Site

__all__ = ["ATTESTED", "WITHDRAWN", "Attested", "StaleAttestationError", "attest"]

#: Where a version of ours came from; behind it stands who did it.
ATTESTED: Final = "attested here by "
WITHDRAWN: Final = "withdrawn here by "
_TYPE: Final = "QuestionnaireResponse"
_KIND: Final = "attest"


class Attested(msgspec.Struct, frozen=True):
    """What a signature left in the lake.

    Attributes:
        reference: of the new QuestionnaireResponse; None where something was only withdrawn.
        withdrawn: the earlier ones that were changed.
    """

    site: str
    run: str
    reference: str | None
    withdrawn: tuple[str, ...]


class StaleAttestationError(UsageError):
    """Somebody else attested or withdrew the same meanwhile: read again, then sign."""

    def __init__(self, site: str, patient: str) -> None:
        super().__init__(f"{site} {patient}: attested meanwhile by another person; read it again first")


def attest(
    store: Store,
    site: Site,
    patient: str,
    *,
    trial: Trial,
    form: SignedForm,
    today: date,
    is_as_seen: Callable[[], bool] = lambda: True,
) -> Attested:
    """Keep what a person attests, and screen the patient with it.

    Args:
        store: open.
        site: how its records are read.
        patient: ``Patient/id`` of the surviving record.
        trial: whose sentences.
        form: what is attested and withdrawn, and by whom.
        today: the reference date of the screening.
        is_as_seen: asked while the site is held: whether the sentences still stand as the person saw them.

    Raises:
        StaleAttestationError: they do not; nothing was kept.
        BusyError: another run works on this site; nothing was kept.
        ValueError: nothing is said.
    """
    if not form.statements and not form.withdrawn:
        raise ValueError("nothing is attested and nothing withdrawn")
    with store.begin_run(site.id, _KIND) as run:
        if not is_as_seen():
            raise StaleAttestationError(site.id, patient)
        changed = _withdrawals(store, site.id, patient, trial=trial, links=form.withdrawn, at=form.by.at)
        writer = store.lake.writer(run)
        for resource in changed:
            _add(writer, resource, WITHDRAWN + form.by.account)
        made = attestation_of(patient, trial, form.statements, form.by) if form.statements else None
        if made is not None:
            _add(writer, made, ATTESTED + form.by.account)
        told = json.dumps({"attested": len(form.statements), "withdrawn": len(changed)})
        with store.together():
            writer.commit(told=lambda _: told)
            _audit(store, site.id, patient, trial=trial, form=form)
        found = Attested(
            site=site.id,
            run=run.name,
            reference=None if made is None else f"{_TYPE}/{made['id']}",
            withdrawn=tuple(f"{_TYPE}/{one['id']}" for one in changed),
        )
        _screen(store, trial, site, patient, today=today)
        return found


def _audit(store: Store, site: str, patient: str, *, trial: Trial, form: SignedForm) -> None:
    said = [f"{one.link}={'yes' if one.truth else 'no'}" for one in form.statements]
    detail = " ".join([trial.id, *said, *(f"{link}=withdrawn" for link in form.withdrawn)])
    store.audit(form.by.account, "attest", subject=f"{site}/{patient}", detail=detail)


def _add(writer: LakeWriter, resource: dict[str, Any], source: str) -> None:
    raw = encode_resource(resource)
    writer.add(summarise(raw), raw, Origin(source))


def _withdrawals(
    store: Store, site: str, patient: str, *, trial: Trial, links: Collection[str], at: datetime
) -> list[dict[str, Any]]:
    """New versions of all of ours that speak of the links: were only the latest taken back, the one before it would hold again."""
    if not links:
        return []
    people = [patient, *(old for old, new in store.lake.merges(site).items() if new == patient)]
    latest: dict[str, dict[str, Any]] = {}
    for version in versions_about(store.lake, site, _TYPE, people):
        if is_own(version.id):
            latest[version.id] = decode_resource(version.raw)
    asked = f"{QUESTIONNAIRE}{trial.id}"
    mine = [one for one in latest.values() if str(one.get("questionnaire", "")).partition("|")[0] == asked]
    return [made for one in mine if (made := without_links(one, links, at=at)) is not None]


def _screen(store: Store, trial: Trial, site: Site, patient: str, *, today: date) -> None:
    for stage in Stage:
        if not any(stage in criterion.stages for criterion in trial.criteria):
            continue
        if stage is Stage.REGISTRATION or store.verdict_of(site.id, patient, trial=trial.id, stage=stage) is not None:
            for _ in screen(store, trial, site, Asked(today=today, stage=stage, patients=[patient])):
                pass
