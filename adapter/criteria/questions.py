"""In: a trial, a record, a site, a stage, a day. Out: `Question`s: what a person may attest, what waits for it, what was attested and until when it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, timedelta

from adapter.criteria import tree
from adapter.criteria.answer import Answer
from adapter.criteria.answering import answer_criterion, answer_part
from adapter.criteria.attestation import Attestation, Validity, held
from adapter.criteria.scene import Scene
from adapter.criteria.trial import Criterion, Trial
from adapter.criteria.truth import Truth
from adapter.criteria.verdict import Stage
from adapter.fhir import PatientRecord
from adapter.terminology import Site

__all__ = ["Question", "attestable_links", "holds_until", "leaves_of", "nodes_of", "questions_of"]

#: What puts answers together, and asks nothing of its own.
_LOGIC = (
    tree.All,
    tree.Any,
    tree.Cases,
    tree.CrossCheck,
    tree.Fallback,
    tree.Not,
    tree.OnlyRefutes,
    tree.Open,
    tree.PartOf,
    tree.TruthOf,
    tree.WithAttestation,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One sentence that a person may say is so, or is not.

    Attributes:
        link: its linkId: a criterion, a part of one, or an exception inside its sentence.
        criterion: that it belongs to.
        words: the sentence.
        dated: the day of the fact is read too.
        truth: of the criterion or part as things stand; None for an exception.
        asked: the criterion is open, and this would close it or a part of it.
        standing: the attestations that hold now, the latest first; several contradict or may be as late as it.
        until: the last day on which the latest holds; None for good, and where there is none.
    """

    link: str
    criterion: Criterion
    words: Mapping[str, str]
    dated: bool
    truth: Truth | None
    asked: bool
    standing: tuple[Attestation, ...] = ()
    until: date | None = None


def questions_of(trial: Trial, record: PatientRecord, *, site: Site, stage: Stage, on: date) -> tuple[Question, ...]:
    """What persons may attest of somebody, in the order of the criteria.

    Args:
        trial: whose sentences.
        record: all that is known of the person.
        site: how the site's records are read.
        stage: only its criteria.
        on: the day; what was attested later does not count.
    """
    scene = Scene(trial, record.until(on), site, on)
    found: list[Question] = []
    for criterion in trial.criteria:
        if stage in criterion.stages:
            found += _of_criterion(criterion, scene)
    return tuple(found)


def attestable_links(criterion: Criterion) -> dict[str, bool]:
    """The linkIds that count for a criterion, and of each whether the day of the fact is read too.

    Of a criterion that data decide alone (``auto``) only those that its expression names.
    """
    found: dict[str, bool] = {}
    if criterion.automation != "auto":
        if criterion.attestable:
            found[criterion.id] = criterion.attested_not_before is not None
        found |= {part.id: False for part in criterion.parts}
    for node in (criterion.node, *(part.node for part in criterion.parts)):
        for link, dated in _named(node):
            found[link] = found.get(link, False) or dated
    return {link: dated for link, dated in found.items() if link.partition(".")[0] == criterion.id}


def holds_until(given: date, validity: Validity) -> date | None:
    """The last day on which an attestation of a day holds; None for good."""
    return min((day - timedelta(days=1) for day in validity.lapses(given)), default=None)


def nodes_of(node: object) -> Iterator[tree.Node]:
    """A node and all below it, in the order in which they are written."""
    if isinstance(node, tree.Node):
        yield node
    if isinstance(node, tuple):
        for item in node:
            yield from nodes_of(item)
    elif is_dataclass(node) and not isinstance(node, type) and isinstance(node, (tree.Node, tree.Case)):
        for field in fields(node):
            yield from nodes_of(getattr(node, field.name))


def leaves_of(node: object) -> Iterator[tree.Node]:
    """The nodes that ask a record or a person, below those that put answers together."""
    if isinstance(node, tree.Node) and not isinstance(node, _LOGIC):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from leaves_of(item)
    elif isinstance(node, (tree.Node, tree.Case)):
        for field in fields(node):
            yield from leaves_of(getattr(node, field.name))


def _named(top: tree.Node) -> Iterator[tuple[str, bool]]:
    """linkIds that an expression reads, or wants."""
    for node in nodes_of(top):
        match node:
            case tree.Attested():
                yield node.link, node.since_days is not None or node.not_before is not None
            case tree.WithAttestation():
                yield node.link, False
            case tree.CycleCount():
                yield node.attested, False
            case tree.Grade():
                yield node.well_differentiated, False
            case tree.OtherTumour():
                yield node.controlled, False
            case tree.DatedEvent(controlled=str(link)):
                yield link, False
            case tree.CourseToxicity() | tree.UnresolvedToxicity():
                yield node.wanted, False
            case tree.Condition(attestable=True, wanted=str(link)) | tree.Open(attestable=True, wanted=str(link)):
                yield link, False


def _of_criterion(criterion: Criterion, scene: Scene) -> Iterator[Question]:
    whole = answer_criterion(criterion, scene)
    parts = {part.id: answer_part(part, scene) for part in criterion.parts}
    wanted = _wanted(criterion, whole, parts)
    labels = {criterion.id: criterion.label, **{part.id: part.label for part in criterion.parts}}
    for link, dated in attestable_links(criterion).items():
        validity = scene.trial.validity(link)
        holding = held(scene.attestations, link, on=scene.on, validity=validity)
        standing = tuple(item for item in holding if item.truth is not Truth.U)
        answered = whole if link == criterion.id else parts.get(link)
        yield Question(
            link=link,
            criterion=criterion,
            words=labels.get(link) or scene.trial.sentence(link),
            dated=dated,
            truth=None if answered is None else answered.truth,
            asked=link in wanted,
            standing=standing,
            until=holds_until(standing[0].when.earliest, validity) if standing else None,
        )


def _wanted(criterion: Criterion, whole: Answer, parts: Mapping[str, Answer]) -> set[str]:
    """The linkIds that an open criterion waits for."""
    if whole.truth is not Truth.U:
        return set()
    open_parts = [answer for answer in parts.values() if answer.truth is Truth.U]
    found = {item.what for answer in (whole, *open_parts) for item in answer.wanted if item.attestation}
    for name, answer in ((criterion.id, whole), *((name, parts[name]) for name in parts)):
        if answer.truth is Truth.U and answer.attestable and not any(item.attestation for item in answer.wanted):
            found.add(name)
    return found
