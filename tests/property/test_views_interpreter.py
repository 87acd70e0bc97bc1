"""A compiled view gives what a slow interpreter of the same tree gives, row by row and in order."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter.datasets.engines.duckdb import run
from adapter.terminology import Node
from adapter.views import parse_view
from tests.support.view_interpreter import rows

# Few words, so that conditions hold now and then; some that a careless quoting would trip over.
_WORDS = ["a", "a", "b", "b", "it's", 'q"u\\o', "é"]

# Of each type: elements that hold one text, lists of texts, single and repeated parts.
_TEXTS: dict[str, list[str]] = {
    "Patient": ["id", "gender"],
    "HumanName": ["use", "family"],
    "ContactPoint": ["system", "value"],
    "PatientContact": ["gender"],
    "CodeableConcept": ["text"],
    "Coding": ["code", "system"],
}
_LISTS = {"HumanName": ["given"]}
_PARTS = {
    "Patient": {"maritalStatus": "CodeableConcept"},
    "PatientContact": {"name": "HumanName"},
}
_REPEATED = {
    "Patient": {"name": "HumanName", "telecom": "ContactPoint", "contact": "PatientContact"},
    "PatientContact": {"telecom": "ContactPoint", "relationship": "CodeableConcept"},
    "CodeableConcept": {"coding": "Coding"},
}


def _resource(kind: str, chance: random.Random) -> dict[str, Any]:
    def texts() -> list[Any]:
        return [chance.choice([*_WORDS, None]) for _ in range(chance.randint(1, 3))]

    found: dict[str, Any] = {name: chance.choice(_WORDS) for name in _TEXTS[kind] if name != "id"}
    found |= {name: texts() for name in _LISTS.get(kind, ())}
    found |= {name: _resource(part, chance) for name, part in _PARTS.get(kind, {}).items()}
    found |= {
        name: [_resource(part, chance) for _ in range(chance.randint(1, 3))]
        for name, part in _REPEATED.get(kind, {}).items()
    }
    if kind == "Patient":
        found |= {"active": chance.random() < 0.5, "multipleBirthInteger": chance.randint(-2, 3)}
    # Three of four are there: with what is mostly missing, most rows would be empty on both sides.
    return {name: value for name, value in found.items() if chance.random() < 0.75}


def _patients(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [{"resourceType": "Patient", "id": f"p{number}", **_resource("Patient", chance)} for number in range(6)]


_EACH = st.sampled_from(["forEach", "forEachOrNull"])


@st.composite
def _condition(draw: st.DrawFn, kind: str, depth: int = 2) -> str:
    ways = ["compare", "exists", "empty", "literal"]
    if depth:
        ways += ["and", "or", "not", "xor", "implies"]
    if kind == "Patient":
        ways += ["active", "birth"]
    way = draw(st.sampled_from(ways))
    if way == "literal":
        return draw(st.sampled_from(["true", "false"]))
    if way == "active":
        return draw(st.sampled_from(["active", "active = true", "active.not()", "active = false"]))
    if way == "birth":
        sign = draw(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]))
        return f"multipleBirth.ofType(integer) {sign} {draw(st.integers(0, 2))}"
    if way == "compare":
        path, many = draw(_path(kind, depth=max(depth - 1, 0)))
        sign = draw(st.sampled_from(["=", "!="] if many else ["=", "!=", "<", ">="]))
        return f"{path} {sign} {_quoted(draw(st.sampled_from(_WORDS)))}"
    if way in ("exists", "empty"):
        path, _ = draw(_path(kind, depth=max(depth - 1, 0)))
        return f"{path}.{way}()"
    if way == "not":
        return f"({draw(_condition(kind, depth - 1))}).not()"
    return f"({draw(_condition(kind, depth - 1))}) {way} ({draw(_condition(kind, depth - 1))})"


@st.composite
def _steps(draw: st.DrawFn, kind: str, depth: int) -> tuple[str, str, bool]:
    """A path to parts of a type: its text, the type, whether it gives several."""
    single, repeated = _PARTS.get(kind, {}), _REPEATED.get(kind, {})
    name = draw(st.sampled_from(sorted({**single, **repeated})))
    path, found, many = name, {**single, **repeated}[name], name in repeated
    way = draw(st.sampled_from(["", "", "where", "first", "index", "last"]))
    if way == "where" and depth:
        path = f"{path}.where({draw(_condition(found, depth - 1))})"
    elif way in ("first", "last"):
        path, many = f"{path}.{way}()", False
    elif way == "index":
        path, many = f"{path}[{draw(st.integers(0, 1))}]", False
    return path, found, many


@st.composite
def _path(draw: st.DrawFn, kind: str, depth: int = 2) -> tuple[str, bool]:
    """A path to texts, and whether it gives several."""
    path, many = "", False
    while depth and {**_PARTS.get(kind, {}), **_REPEATED.get(kind, {})} and draw(st.booleans()):
        step, kind, several = draw(_steps(kind, depth))
        path, many, depth = f"{path}{step}.", many or several, depth - 1
    lists = _LISTS.get(kind, [])
    name = draw(st.sampled_from([*_TEXTS[kind], *lists]))
    many = many or name in lists
    if many and draw(st.booleans()):
        return f"{path}{name}.first()", False
    return f"{path}{name}", many


@st.composite
def _column(draw: st.DrawFn, kind: str, name: str) -> dict[str, Any]:
    way = draw(st.sampled_from(["path", "path", "path", "count", "exists", "row", "join"]))
    path, many = draw(_path(kind))
    if way == "row":
        return {"name": name, "path": "%rowIndex", "type": "integer"}
    if way == "exists":
        return {"name": name, "path": f"{path}.exists()", "type": "boolean"}
    if way == "count":
        return {"name": name, "path": f"{path}.count()", "type": "integer"}
    if way == "join":
        return {"name": name, "path": f"{path}.join('-')", "type": "string"}
    return {"name": name, "path": path, "type": "string", "collection": many}


@st.composite
def _select(draw: st.DrawFn, kind: str, prefix: str, depth: int = 2) -> dict[str, Any]:
    found: dict[str, Any] = {}
    parts = {**_PARTS.get(kind, {}), **_REPEATED.get(kind, {})}
    if depth and parts and draw(st.booleans()):
        path, kind, _ = draw(_steps(kind, 1))
        found[draw(_EACH)] = path
    count = draw(st.integers(1, 2))
    found["column"] = [draw(_column(kind, f"{prefix}c{number}")) for number in range(count)]
    if depth and draw(st.booleans()):
        found["select"] = [
            draw(_select(kind, f"{prefix}s{number}", depth - 1)) for number in range(draw(st.integers(1, 2)))
        ]
    if depth and draw(st.booleans()):
        found["unionAll"] = [draw(_union_part(kind, f"{prefix}u")) for _ in range(2)]
    return found


@st.composite
def _union_part(draw: st.DrawFn, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    parts = {**_PARTS.get(kind, {}), **_REPEATED.get(kind, {})}
    if draw(st.booleans()) and parts:
        path, kind, _ = draw(_steps(kind, 1))
        found[draw(_EACH)] = path
    path, many = draw(_path(kind))
    single = f"({path}).first()" if many else path
    return {**found, "column": [{"name": name, "path": single, "type": "string"}]}


@st.composite
def _views(draw: st.DrawFn) -> dict[str, Any]:
    view: dict[str, Any] = {
        "resource": "Patient",
        "name": "random",
        "select": [draw(_select("Patient", f"t{number}")) for number in range(draw(st.integers(1, 2)))],
    }
    if draw(st.integers(0, 3)) == 0:
        view["where"] = [{"path": draw(_condition("Patient"))}]
    return view


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(document=_views(), seed=st.integers(0, 10_000))
def test_views_give_what_a_slow_interpreter_gives(document: dict[str, Any], seed: int) -> None:
    patients = _patients(seed)
    view = parse_view(Node(document, "random.json"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "Patient.ndjson"
        file.write_text("".join(json.dumps(one) + "\n" for one in patients), encoding="utf-8")

        found = run(view, [file])

    assert found.table.to_pylist() == rows(view, patients)
    assert found.uncast == {}


def _items(chance: random.Random, depth: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(chance.randint(0, 2) if depth else 0):
        item: dict[str, Any] = {"linkId": chance.choice(_WORDS), "text": chance.choice(_WORDS)}
        if chance.random() < 0.6 and (below := _items(chance, depth - 1)):
            item["item"] = below
        if chance.random() < 0.6:
            item["answer"] = [{"valueString": chance.choice(_WORDS)}]
            if below := _items(chance, depth - 1):
                item["answer"][0]["item"] = below
        found.append({name: value for name, value in item.items() if chance.random() < 0.9})
    return found


_TREES = [
    {"repeat": ["item"], "column": [{"name": "link", "path": "linkId"}, {"name": "row", "path": "%rowIndex"}]},
    {
        "repeat": ["item", "answer.item"],
        "column": [{"name": "link", "path": "linkId"}, {"name": "n", "path": "item.count()"}],
    },
    {
        "repeat": ["answer.item", "item"],
        "column": [{"name": "text", "path": "text"}],
        "select": [{"forEachOrNull": "answer", "column": [{"name": "a", "path": "value.ofType(string)"}]}],
    },
    {"forEach": "item", "select": [{"repeat": ["item"], "column": [{"name": "link", "path": "linkId"}]}]},
]


@settings(max_examples=25, deadline=None)
@given(tree=st.sampled_from(_TREES), seed=st.integers(0, 10_000))
def test_trees_give_what_a_slow_interpreter_gives(tree: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    ids = {"column": [{"name": "id", "path": "id"}]}
    view = parse_view(Node({"resource": "QuestionnaireResponse", "select": [ids, tree]}, "tree.json"))
    answers = [
        {"resourceType": "QuestionnaireResponse", "id": f"q{number}", "item": _items(chance, 4)} for number in range(4)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "QuestionnaireResponse.ndjson"
        file.write_text("".join(json.dumps(one) + "\n" for one in answers), encoding="utf-8")

        found = run(view, [file])

    assert found.table.to_pylist() == rows(view, answers)
