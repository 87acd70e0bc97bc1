"""In: attestations of a patient. Out: they are in the lake like what is pulled, decide at once, are corrected and taken back; nothing of them is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapter.documents import load_site, load_trial
from adapter.errors import BusyError
from adapter.fhir import summarise
from adapter.jobs.attesting import Attested, attest
from adapter.screening.attesting import Signature, SignedForm, Statement, attestation_of
from adapter.store import Origin, Store
from adapter.store.own import is_own
from adapter.store.stored_versions import stored_versions, versions_about
from tests.support.patient_desk import ON, PATIENT, SITE, TRIAL, ward

_AT = datetime(2025, 6, 1, 11, 30, 0, 250_000, tzinfo=ZoneInfo("Europe/Paris"))
_ANNA = Signature("anna", "Anna Martin", _AT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with ward(tmp_path) as found, found.store() as opened:
        yield opened


def sign(store: Store, *statements: Statement, withdrawn: tuple[str, ...] = (), by: Signature = _ANNA) -> Attested:
    form = SignedForm(by, statements, withdrawn)
    return attest(store, load_site(SITE), PATIENT, trial=load_trial(TRIAL), form=form, today=ON)


def truth(store: Store, criterion: str) -> str:
    kept = store.verdict_of(SITE, PATIENT, trial=TRIAL, stage="registration")
    assert kept is not None
    return next(str(one["truth"]) for one in json.loads(kept.content)["criteria"] if one["id"] == criterion)


def later(minutes: int, account: str = "anna") -> Signature:
    return replace(_ANNA, account=account, at=_AT.replace(minute=30 + minutes))


def said(link: str, truth: bool) -> Statement:
    return Statement(link, f"sentence of {link}", truth)


def versions(store: Store, made: Attested) -> list[dict[str, Any]]:
    assert made.reference is not None
    type_, _, id_ = made.reference.partition("/")
    return [json.loads(one.raw) for one in stored_versions(store.lake, SITE, type_, id_)]


def responses(store: Store) -> int:
    return len(versions_about(store.lake, SITE, "QuestionnaireResponse", [PATIENT]))


def test_attestation_decides_at_once_and_a_correction_decides_anew(store: Store) -> None:
    truths = [truth(store, "I08")]
    sign(store, said("I08", True))
    truths.append(truth(store, "I08"))
    sign(store, said("I08", False), by=later(1))
    truths.append(truth(store, "I08"))

    assert truths == ["U", "T", "F"]


def test_what_is_withdrawn_is_open_again_and_no_earlier_answer_comes_back(store: Store) -> None:
    sign(store, said("I08", True))
    sign(store, said("I08", False), by=later(1))
    made = sign(store, withdrawn=("I08",), by=later(2))

    assert truth(store, "I08") == "U"
    assert made.reference is None
    assert len(made.withdrawn) == 2


def test_signature_is_one_resource_that_says_who_when_and_what(store: Store) -> None:
    made = sign(store, said("I08", True), replace(said("I06.a", True), since=ON))
    (resource,) = versions(store, made)

    person = {
        "type": "Practitioner",
        "identifier": {"system": "urn:reluth:account", "value": "anna"},
        "display": "Anna Martin",
    }
    assert resource == {
        "resourceType": "QuestionnaireResponse",
        "id": resource["id"],
        "meta": {"versionId": "1", "lastUpdated": "2025-06-01T09:30:00.250Z"},
        "questionnaire": f"urn:reluth:attestation:{TRIAL}|{load_trial(TRIAL).version}",
        "status": "completed",
        "subject": {"reference": PATIENT},
        "authored": "2025-06-01T11:30:00.250000+02:00",
        "author": person,
        "source": person,
        "item": [
            {"linkId": "I08", "text": "sentence of I08", "answer": [{"valueBoolean": True}]},
            {
                "linkId": "I06.a",
                "text": "sentence of I06.a",
                "answer": [{"valueBoolean": True}, {"valueDate": "2025-06-01"}],
            },
        ],
    }
    assert is_own(resource["id"])


def test_origin_and_run_tell_that_it_was_attested_here(store: Store) -> None:
    made = sign(store, said("I08", True))
    withdrawn = sign(store, withdrawn=("I08",), by=later(1, "bruno"))
    assert made.reference is not None
    kept = stored_versions(store.lake, SITE, *made.reference.split("/"))
    runs = store.runs("attest", site=SITE)

    assert [(one.source, one.run) for one in kept] == [
        ("attested here by anna", made.run),
        ("withdrawn here by bruno", withdrawn.run),
    ]
    assert [(run.state, run.complete, json.loads(run.summary or "")) for run in runs] == [
        ("committed", True, {"attested": 0, "withdrawn": 1}),
        ("committed", True, {"attested": 1, "withdrawn": 0}),
    ]


def test_withdrawal_of_one_answer_leaves_the_others_and_every_version(store: Store) -> None:
    made = sign(store, said("I08", True), said("I15", True))
    sign(store, withdrawn=("I08",), by=later(1))
    one, two = versions(store, made)

    assert (truth(store, "I08"), truth(store, "I15")) == ("U", "T")
    assert [item["linkId"] for item in one["item"]] == ["I08", "I15"]
    assert [item["linkId"] for item in two["item"]] == ["I15"]
    assert (two["status"], two["meta"]["versionId"], two["authored"]) == ("completed", "2", one["authored"])


def test_withdrawal_of_the_last_answer_is_entered_in_error_and_keeps_what_it_said(store: Store) -> None:
    made = sign(store, said("I08", True))
    sign(store, withdrawn=("I08",), by=later(1))
    one, two = versions(store, made)

    assert (two["status"], two["item"]) == ("entered-in-error", one["item"])


def test_other_trials_attestations_are_neither_read_nor_withdrawn(store: Store) -> None:
    by = replace(_ANNA, at=_AT.astimezone(UTC))
    other = attestation_of(PATIENT, load_trial("start-net"), [said("I08", True)], by)
    raw = json.dumps(other).encode()
    with store.begin_run(SITE, "attest") as run:
        writer = store.lake.writer(run)
        writer.add(summarise(raw), raw, Origin("attested here by anna"))
        writer.commit()
    made = sign(store, said("I15", True), withdrawn=("I08",), by=later(1))

    assert (truth(store, "I08"), truth(store, "I15"), made.withdrawn) == ("U", "T", ())
    assert len(stored_versions(store.lake, SITE, "QuestionnaireResponse", other["id"])) == 1


def test_attestation_at_a_busy_site_keeps_nothing(store: Store) -> None:
    with store.begin_run(SITE, "pull"), pytest.raises(BusyError):
        sign(store, said("I08", True))

    assert store.lake.live_ids(SITE, "QuestionnaireResponse") == set()


def test_attestation_that_says_nothing_is_a_defect_of_the_caller(store: Store) -> None:
    with pytest.raises(ValueError, match="nothing is attested"):
        sign(store)


def test_attestation_and_its_line_of_the_trail_are_there_both_or_neither(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("broken off")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "audit", broken)
        with pytest.raises(OSError, match="broken off"):
            sign(store, said("I08", True))

    assert (responses(store), store.audit_trail()) == (0, [])
    # Whatever becomes of the screening, what is kept is in the trail.
    monkeypatch.setattr("adapter.jobs.attesting.screen", broken)
    with pytest.raises(OSError, match="broken off"):
        sign(store, said("I08", True))
    assert [one.detail for one in store.audit_trail()] == [f"{TRIAL} I08=yes"]
    assert responses(store) == 1
