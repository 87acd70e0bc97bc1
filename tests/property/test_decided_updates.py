"""In: any two entities of one key, and what a hospital adds. Out: proof that an update says ours, keeps theirs, and is done once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapter.fhir import FhirVersion, Json
from adapter.fhir.compare import decode_resource, digest_of, encode_resource, is_same
from adapter.store import Counterpart
from adapter.sync.deciding import Agreed, Name, Send, There, View, decide
from adapter.sync.rendering import Rendered, read_entity, render, with_resolved
from mappings.entities import CandidateList, Entity, Infusion, LabResult, Study, Subject, entity_key, kind_of
from tests.support.entity_candidates import candidate_lists
from tests.support.entity_infusion import infusions
from tests.support.entity_laboratory import lab_results
from tests.support.entity_study import studies
from tests.support.entity_subject import subjects
from tests.support.push_site import lab

#: Shrinking a whole study takes minutes.
QUICK = [Phase.explicit, Phase.reuse, Phase.generate]
WARD = {"url": "https://hospital.example/ward", "valueString": "B2"}
KEY: dict[type[Any], tuple[str, ...]] = {
    Study: ("id", "identifiers"),
    Subject: ("number", "patient"),
    LabResult: ("id", "patient"),
    Infusion: ("id", "patient"),
    CandidateList: ("study", "site"),
}


def _rendered(entity: Entity, version: FhirVersion) -> dict[Name, Rendered]:
    return {one.name: one for one in render(entity, version=version, trial=None)}


def _at_server(
    rendered: dict[Name, Rendered], ids: dict[Name, str], version: str, *, foreign: bool
) -> dict[Name, There]:
    """The resources as a server gives them back, with what a hospital added."""
    urls = {one.full_url: f"{name[0]}/{ids[name]}" for name, one in rendered.items()}
    there = {}
    for name, one in rendered.items():
        body: Json = {**with_resolved(one.body, urls), "id": ids[name], "meta": {"versionId": version}}
        if foreign:
            body["extension"] = [WARD, *body.get("extension", [])]
            body["language"] = "fr"
        there[name] = There(ids[name], version, decode_resource(encode_resource(body)))
    return there


def _view(entity: Entity, version: FhirVersion, agreed: dict[Name, There], sent: dict[Name, Rendered]) -> View:
    rendered = _rendered(entity, version)
    urls = {one.full_url: f"{name[0]}/{agreed[name].id}" for name, one in rendered.items() if name in agreed}
    known = {
        name: Counterpart(
            "icm",
            *name,
            kind_of(entity),
            entity_key(entity),
            at.id,
            at.version,
            sent[name].digest,
            encode_resource(at.resource),
        )
        for name, at in agreed.items()
    }
    return View(
        kind=kind_of(entity),
        entity=entity,
        version=version,
        rendered=list(rendered.values()),
        bodies={name: with_resolved(one.body, urls) for name, one in rendered.items()},
        known=known,
        now=dict(agreed),
        found={},
    )


def _after(view: View, send: Send) -> dict[Name, There]:
    """What stands at the server once the writes were carried out, and then the deletions."""
    there = dict(send.there)
    new = {one.full_url: f"{one.type}/new-{at}" for at, one in enumerate(view.rendered) if one.name not in there}
    for write in (*send.writes, *send.then):
        if write.body is None:
            del there[write.name]
        else:
            id_ = write.there.id if write.there else new[view_url(view, write.name)].partition("/")[2]
            body = decode_resource(encode_resource(with_resolved(write.body, new)))
            there[write.name] = There(id_, "2", {**body, "id": id_})
    return there


def view_url(view: View, name: Name) -> str:
    return next(one.full_url for one in view.rendered if one.name == name)


@pytest.mark.parametrize("kind", [Study, Subject, LabResult, Infusion, CandidateList])
@given(data=st.data(), version=st.sampled_from(FhirVersion), foreign=st.booleans())
@settings(
    max_examples=25, report_multiple_bugs=False, phases=QUICK, deadline=None, suppress_health_check=list(HealthCheck)
)
def test_update_reads_back_as_ours_keeps_what_is_theirs_and_is_done_once(
    kind: type[Any], data: st.DataObject, version: FhirVersion, foreign: bool
) -> None:
    strategies: dict[Any, Any] = {
        Study: lambda: studies().filter(lambda one: any(known.system for known in one.identifiers)),
        Subject: subjects,
        LabResult: lab_results,
        Infusion: infusions,
        CandidateList: candidate_lists,
    }
    strategy = strategies[kind]()
    before = data.draw(strategy)
    drawn = data.draw(strategy)
    after = msgspec.structs.replace(drawn, **{name: getattr(before, name) for name in KEY[kind]})
    old = _rendered(before, version)
    ids = {name: f"r{at}" for at, name in enumerate(old)}
    agreed = _at_server(old, ids, "1", foreign=foreign)

    view = _view(after, version, agreed, old)
    decision = decide(view)

    assert isinstance(decision, Send | Agreed)
    there = _after(view, decision) if isinstance(decision, Send) else dict(decision.there)
    urls = {f"{name[0]}/{at.id}": view_url(view, name) for name, at in there.items()}
    ordered = [(one.full_url, with_resolved(there[one.name].resource, urls)) for one in view.rendered]
    assert read_entity(view.kind, ordered) == after
    for name, at in there.items():
        if foreign and name in agreed:
            assert WARD in at.resource["extension"] and at.resource["language"] == "fr"
    again = decide(_view(after, version, there, _rendered(after, version)))
    assert isinstance(again, Agreed)
    assert all(is_same(again.there[name].resource, at.resource) for name, at in there.items())


def test_digest_of_what_is_rendered_is_that_of_its_body() -> None:
    (one,) = render(lab(1), version=FhirVersion.R4, trial=None)
    assert one.digest == digest_of(one.body)
