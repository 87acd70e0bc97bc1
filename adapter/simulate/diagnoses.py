"""In: a diagnosis. Out: its Condition, and its place in the chart's own account."""

from __future__ import annotations

from datetime import date
from typing import Any

from adapter.simulate.chart import Chart
from adapter.simulate.facts import Diagnosis
from adapter.simulate.terms import CLINICAL, CONDITION_CATEGORY, ICD10, VERIFICATION, concept


def diagnose(chart: Chart, diagnosis: Diagnosis, *, text: str | None = None, stay: bool = False) -> str:
    """Write a Condition.

    Args:
        chart: the record that it joins; it remembers the diagnosis.
        diagnosis: code, standing, dates.
        text: the clinician's words beside the code.
        stay: coded for a stay (PMSI).

    Returns:
        its id.
    """
    chart.diagnoses.append(diagnosis)
    body: dict[str, Any] = {"verificationStatus": concept(VERIFICATION, diagnosis.verification)}
    # R4 con-5: no clinical status on what was entered in error.
    if diagnosis.verification != "entered-in-error":
        body["clinicalStatus"] = concept(CLINICAL, diagnosis.clinical)
    if stay:
        body["category"] = [concept(CONDITION_CATEGORY, "encounter-diagnosis")]
    body["code"] = concept(ICD10, diagnosis.code, text=text)
    body["subject"] = chart.subject()
    if diagnosis.onset is not None:
        body["onsetDateTime"] = diagnosis.onset.text()
    if diagnosis.abatement is not None:
        body["abatementDateTime"] = diagnosis.abatement.text()
    if diagnosis.recorded is not None:
        body["recordedDate"] = diagnosis.recorded.isoformat()
    day: date = diagnosis.newest() or chart.on
    return chart.add("Condition", body, day=day, identity=chart.name("cond"))
