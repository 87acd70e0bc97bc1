"""In: the nodes that ask for a Condition or Procedure by its code. Out: CQL definitions of the records that match, and how each stands."""

from __future__ import annotations

from adapter.criteria.exchange.cql_measures import Definitions, quoted
from adapter.criteria.tree import Coded, Condition
from adapter.criteria.truth import Truth
from adapter.terminology import ICD10, ICDO3, ValueSet

__all__ = ["coded", "condition"]


def _member(value_set: ValueSet) -> str:
    """Whether the coding ``C`` is in the value set; dots and case of ICD-10 do not count, the longer code is in the shorter's."""
    code = "ReplaceMatches(Upper(C.code.value), '[.+ ]', '')" if value_set.system == ICD10 else "C.code.value"
    tests = []
    if value_set.codes:
        tests.append(f"{code} in {{ {', '.join(quoted(item) for item in sorted(value_set.codes))} }}")
    tests += [f"StartsWith({code}, {quoted(prefix)})" for prefix in value_set.prefixes]
    tests += [
        f"(Substring({code}, 0, 3) >= {quoted(low)} and Substring({code}, 0, 3) <= {quoted(high)})"
        for low, high in value_set.ranges
    ]
    return f'("Standard"(C.system.value) = {quoted(value_set.system)} and ({" or ".join(tests)}))'


#: Whether a Condition had surely not begun by the reference date: by its onset, else by its recordedDate.
_LATER = (
    '(if K.onset is null then "Day"(K.recordedDate.value) > "ReferenceDate"\n'
    '        else Coalesce("Day"((K.onset as FHIR.dateTime).value), "Day"((K.onset as FHIR.Period).start.value)) > "ReferenceDate")'
)
_VERIFIED = "K.verificationStatus.coding V return all V.code.value"


def _on_record(value_set: ValueSet, into: Definitions) -> str:
    """The Conditions of a value set, neither refuted nor an error, and not surely later than the reference date."""
    return into.add(
        f"conditions of {value_set.id}",
        f"[Condition] K\n"
        f"    where exists (K.code.coding C where {_member(value_set)} return all C)\n"
        f"      and not exists (({_VERIFIED}) V where V in {{ 'refuted', 'entered-in-error' }} return all V)\n"
        f"      and {_LATER} is not true\n    return all K",
    )


def condition(node: Condition, into: Definitions) -> str | None:
    """One that is sure proves; none refutes only where the node says so: what a site declares complete is not in the record."""
    listed = _on_record(node.value_set, into)
    cases = [
        f"when K.verificationStatus is not null and not exists (({_VERIFIED}) V where V = 'confirmed' return all V) then 'open'",
        (
            'when (K.onset as FHIR.dateTime) is not null and ("Day"((K.onset as FHIR.dateTime).value) <= "ReferenceDate") is null'
            " then 'open'"
        ),
    ]
    name = f"standing of {node.value_set.id}"
    if node.clinical:
        status = "First(K.clinicalStatus.coding V return all V.code.value)"
        allowed = ", ".join(quoted(item) for item in sorted(node.clinical))
        cases += [f"when {status} is null then 'open'", f"when not ({status} in {{ {allowed} }}) then 'past'"]
        name += f", {' '.join(sorted(node.clinical))}"
    if node.current_days is not None:
        cases += _current(node.current_days)
        name += f", {node.current_days} days"
    standing = into.add(name, f"{listed} K\n    return all (case " + "\n      ".join([*cases, "else 'sure' end)"]))
    absent = {Truth.T: "true", Truth.F: "false", Truth.U: "null"}[node.absent]
    return f"(case when 'sure' in {standing} then true when 'open' in {standing} then null else {absent} end)"


def _current(days: int) -> list[str]:
    ended = 'Coalesce("Day"((K.abatement as FHIR.dateTime).value), "Day"((K.abatement as FHIR.Period).end.value))'
    begun = 'Coalesce("Day"((K.onset as FHIR.dateTime).value), "Day"((K.onset as FHIR.Period).start.value))'
    over = "First(K.clinicalStatus.coding V return all V.code.value) in { 'inactive', 'remission', 'resolved' }"
    return [
        f"when {ended} is not null and ({ended} <= \"ReferenceDate\") is null then 'open'",
        f"when {ended} <= \"ReferenceDate\" then 'past'",
        f"when {ended} is null and {over} then 'past'",
        f"when ({begun} >= \"ReferenceDate\" - {days} days) is not true then 'open'",
    ]


def coded(node: Coded, into: Definitions) -> str | None:
    """A confirmed Condition, or a completed Procedure up to the reference date, has the code; absence is open."""
    if node.value_set.system == ICDO3:
        return None
    listed = _on_record(node.value_set, into)
    performed = 'Coalesce("Day"((P.performed as FHIR.dateTime).value), "Day"((P.performed as FHIR.Period).start.value))'
    procedures = into.add(
        f"procedures of {node.value_set.id}",
        f"[Procedure] P\n"
        f"    where P.status.value = 'completed' and exists (P.code.coding C where {_member(node.value_set)} return all C)\n"
        f'      and ({performed} > "ReferenceDate") is not true\n    return all P',
    )
    confirmed = f"(K.verificationStatus is null or exists (({_VERIFIED}) V where V = 'confirmed' return all V))"
    return f"(if exists ({listed} K where {confirmed} return all K) or exists {procedures} then true else null)"
