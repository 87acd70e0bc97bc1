"""Promise of a pull: what was attested here survives, whatever the hospital says it has; nothing else is spared."""

from __future__ import annotations

import json

import pytest

from adapter.fhir import summarise
from adapter.store import Origin, Store
from adapter.store.own import own_id
from adapter.sync import pull
from adapter.sync.sources import Gone, Mode
from tests.support.told_source import Server
from tests.unit.store.making import patient

SITE = "icm"
P = patient("p", version=1)


def response(identity: str) -> bytes:
    """A QuestionnaireResponse of the patient."""
    return json.dumps(
        {
            "resourceType": "QuestionnaireResponse",
            "id": identity,
            "meta": {"versionId": "1"},
            "status": "completed",
            "subject": {"reference": "Patient/p"},
        }
    ).encode()


def there(store: Store) -> set[str]:
    """The QuestionnaireResponses that are current."""
    return {f"QuestionnaireResponse/{one}" for one in store.lake.live_ids(SITE, "QuestionnaireResponse")}


def store_own(store: Store) -> str:
    """Attest something here; the reference of what it became."""
    identity = own_id()
    raw = response(identity)
    with store.begin_run(SITE, "attest") as run:
        writer = store.lake.writer(run)
        writer.add(summarise(raw), raw, Origin("attested here by anna"))
        writer.commit()
    return f"QuestionnaireResponse/{identity}"


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("mode", ["search", "bulk"])
def test_full_pull_spares_what_was_attested_here_and_buries_what_the_hospital_lost(
    store: Store, asks: bool, mode: Mode
) -> None:
    theirs = response("theirs")
    pull(store, Server({"Patient": [P], "QuestionnaireResponse": [theirs]}), site=SITE)
    mine = store_own(store)
    server = Server({"Patient": [P], "QuestionnaireResponse": []}, asks=asks, mode=mode)
    summary = pull(store, server, site=SITE, full=True)

    assert there(store) == {mine}
    assert summary.types["QuestionnaireResponse"].deleted == 1
    assert mine.partition("/")[2] not in str(server.asked)


def test_full_pull_of_nothing_but_ours_asks_and_buries_nothing(store: Store) -> None:
    pull(store, Server({"Patient": [P]}), site=SITE)
    mine = [store_own(store) for _ in range(30)]
    server = Server({"Patient": [P], "QuestionnaireResponse": []})
    summary = pull(store, server, site=SITE, full=True)

    assert there(store) == set(mine)
    assert (summary.complete, server.asked) == (True, [])


def test_hospital_that_says_ours_is_gone_is_not_believed(store: Store) -> None:
    pull(store, Server({"Patient": [P]}), site=SITE)
    mine = store_own(store)
    said = [Gone("QuestionnaireResponse", mine.partition("/")[2])]
    pull(store, Server({"Patient": [P]}, said_gone=said, asks=False), site=SITE)

    assert there(store) == {mine}


def test_ordinary_resource_is_still_buried_where_the_hospital_says_so(store: Store) -> None:
    pull(store, Server({"Patient": [P], "QuestionnaireResponse": [response("theirs")]}), site=SITE)
    pull(store, Server({"Patient": [P]}, said_gone=[Gone("QuestionnaireResponse", "theirs")], asks=False), site=SITE)

    assert there(store) == set()
