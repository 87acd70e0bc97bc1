"""In: a trial. Out: a FHIR R5 EvidenceVariable, its characteristics nested as the criteria's trees are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any as Anything

from adapter.criteria.exchange.comparison import UCUM, Compared, simple_comparison
from adapter.criteria.exchange.naming import (
    canonical,
    code_of,
    computable_name,
    defined_in_cql,
    identifiers_of,
    resource_id,
)
from adapter.criteria.exchange.remarks import caveat, criterion_extension, heading, narrative
from adapter.criteria.tree import All, Any, Attested, Node, Not, PartOf, TruthOf, WithAttestation
from adapter.criteria.trial import Criterion, Trial

__all__ = ["evidence_variable"]

_Json = dict[str, Anything]
_WORDS = {
    "latest": {
        "en": "latest result of the {} days before the reference date",
        "fr": "dernier résultat des {} jours avant la date de référence",
    },
    "reference-date": {
        "en": "reference date (registration or randomisation)",
        "fr": "date de référence (enregistrement ou randomisation)",
    },
    "attested": {"en": "attestation by the investigator", "fr": "attestation de l'investigateur"},
    "days": {"en": "days", "fr": "jours"},
}


def evidence_variable(trial: Trial, *, language: str = "en") -> _Json:
    """The criteria as an EvidenceVariable.

    Every criterion and part names its CQL define; where its tree can be said in R5's own words it is, besides (R5
    evidencevariable.html evv-1 lets an expression stand beside another definition). A tree that holds anything that R5 cannot
    say is not said in part: a rule without one of its conditions is another rule.

    Args:
        trial: the trial's documents.
        language: of labels and remarks, ``en`` or ``fr``; the registry's sentences stay as they are.

    Returns:
        the resource, of JSON's own types; numbers are `Decimal`.
    """
    return {
        "resourceType": "EvidenceVariable",
        "id": resource_id(trial),
        "language": language,
        "text": narrative(trial, language),
        "url": canonical(trial, "evidence-variable", versioned=False),
        "identifier": identifiers_of(trial),
        "version": trial.version,
        "name": computable_name(trial),
        "title": heading(trial, language),
        "shortTitle": trial.acronym,
        "status": "draft",
        "description": f"{trial.title}\n\n{caveat(language)}",
        "relatedArtifact": [{"type": "depends-on", "resource": canonical(trial, "library")}],
        "actual": False,
        "characteristic": [_Sentence(trial, criterion, language).characteristic() for criterion in trial.criteria],
    }


class _Sentence:
    """One criterion on its way out; a part is written out where it is met first, and named after that."""

    def __init__(self, trial: Trial, criterion: Criterion, language: str) -> None:
        self._trial, self._criterion, self._language = trial, criterion, language
        self._written: set[str] = set()

    def characteristic(self) -> _Json:
        """The characteristic of the criterion."""
        criterion = self._criterion
        return {
            "id": criterion.id,
            "extension": [criterion_extension(self._trial, criterion, self._language)],
            "linkId": criterion.id,
            "description": f"{criterion.label[self._language]}\n\n{criterion.text}",
            "exclude": criterion.kind == "exclusion",
            **self._defined(criterion.id, criterion.node),
        }

    def _defined(self, identity: str, node: Node) -> _Json:
        return {"definitionExpression": defined_in_cql(self._trial, identity), **(self._said(node) or {})}

    def _said(self, node: Node) -> _Json | None:
        """The definition in R5's own words, None when there are none for all of it."""
        match node:
            case All() | Any():
                return self._combination(node)
            case Attested(since_days=None, not_before=None):
                return self._attested(node)
            case WithAttestation():
                return self._said(node.of)
        compared = simple_comparison(node, self._language)
        return None if compared is None else self._measured(compared)

    def _combination(self, node: All | Any) -> _Json | None:
        before = set(self._written)
        children = [child for child in map(self._child, node.of) if child is not None]
        if len(children) < len(node.of):
            # What was written for it is thrown away.
            self._written = before
            return None
        code = "all-of" if isinstance(node, All) else "any-of"
        return {"definitionByCombination": {"code": code, "characteristic": children}}

    def _child(self, node: Node) -> _Json | None:
        match node:
            case PartOf():
                return self._part(node)
            case TruthOf():
                return {"definitionExpression": defined_in_cql(self._trial, node.criterion)}
            case Not():
                child = self._child(node.of)
                return None if child is None else {**child, "exclude": not child.get("exclude", False)}
            case WithAttestation():
                return self._child(node.of)
        return self._said(node)

    def _part(self, node: PartOf) -> _Json:
        part = next(item for item in self._trial.criterion(node.criterion).parts if item.id == node.part)
        described = {"description": part.label[self._language]}
        if node.criterion != self._criterion.id or node.part in self._written:
            return {**described, "definitionExpression": defined_in_cql(self._trial, node.part)}
        self._written.add(node.part)
        return {"linkId": node.part, **described, **self._defined(node.part, part.node)}

    def _attested(self, node: Attested) -> _Json:
        label = self._trial.wanted_label(node.link, self._language)
        asked = {"coding": [code_of(self._trial, node.link)], "text": label}
        method = {"text": _WORDS["attested"][self._language]}
        return {"definitionByTypeAndValue": {"type": asked, "method": [method], "valueBoolean": True}}

    def _measured(self, compared: Compared) -> _Json:
        found: _Json = {"definitionByTypeAndValue": {"type": compared.trait, **compared.value}}
        if compared.window_days is not None:
            found["timeFromEvent"] = [self._window(compared.window_days)]
        return found

    def _window(self, days: int) -> _Json:
        def end(number: int) -> _Json:
            unit = _WORDS["days"][self._language]
            return {"value": Decimal(number), "unit": unit, "system": UCUM, "code": "d"}

        return {
            "description": _WORDS["latest"][self._language].format(days),
            "eventCodeableConcept": {"text": _WORDS["reference-date"][self._language]},
            "range": {"low": end(-days), "high": end(0)},
        }
