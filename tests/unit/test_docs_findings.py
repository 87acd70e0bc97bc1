"""In: docs/datasets.md, the code and the documents that tell findings. Out: the kind of finding, or reason, that is not described there, or is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import yaml

from adapter.datasets.checks import CHECKS
from adapter.documents import read_documents
from tests.support.pages import ROOT, first_cells, sections, text

CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
PAGE = "datasets.md"


def constants(node: ast.AST | None) -> set[str]:
    """Codes in an expression: a constant, or those that a condition chooses from."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
        return {node.value}
    return set()


def receiver(call: ast.Call) -> str:
    """What a method is called of, without an underscore before it: ``notes`` of ``self._notes.add(...)``."""
    assert isinstance(call.func, ast.Attribute)
    of = call.func.value
    name = of.attr if isinstance(of, ast.Attribute) else of.id if isinstance(of, ast.Name) else ""
    return name.lstrip("_")


def told_by(call: ast.Call) -> tuple[set[str], set[str]]:
    """(codes, reasons) of a call."""
    if isinstance(call.func, ast.Name):
        keyword = next((one.value for one in call.keywords if one.arg == "code"), None)
        first = call.args[0] if call.func.id == "tell" and call.args else None
        return (constants(keyword) if call.func.id == "Finding" else constants(first)), set()
    if not isinstance(call.func, ast.Attribute) or not call.args:
        return set(), set()
    match receiver(call), call.func.attr:
        case ("left_out", "add"):
            return constants(call.args[1]), constants(call.args[0])
        case ("notes", "add") | ("notes", "record") | ("notes", "value") | ("checking", "tell"):
            return constants(call.args[0]), set()
    return set(), set()


def of_code() -> tuple[set[str], set[str]]:
    """Codes and reasons that stand in the code."""
    codes: set[str] = set()
    reasons: set[str] = set()
    for path in sorted(ROOT.joinpath("adapter", "datasets").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                found = told_by(node)
                codes |= found[0]
                reasons |= found[1]
            elif isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute):
                reasons |= constants(node.slice) if node.value.attr == "counts" else set()
            elif isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "code" for target in node.targets
            ):
                codes |= constants(node.value)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
                codes |= of_table(node, node.value)
    return codes, reasons


#: Tables of code and sentence: of staging, of the engine of the domains, of the formats, of the checks.
TABLES = frozenset({"_TEXTS", "SENTENCES", "PREPARING", "CHECKS"})


def of_table(node: ast.Assign | ast.AnnAssign, table: ast.Dict) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not any(isinstance(target, ast.Name) and target.id in TABLES for target in targets):
        return set()
    return {code for key in table.keys for code in constants(key)}


def of_documents() -> Iterator[tuple[str, str]]:
    """(code, severity) of the documents."""
    for name in read_documents("sdtm"):
        yield from named(yaml.safe_load((files("mappings") / name).read_text(encoding="utf-8")))


def named(node: Any) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key in ("finding", "without"):
            if isinstance(node.get(key), str):
                yield node[key], node.get("severity", "warning")
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from named(child)


def findings() -> dict[str, str]:
    """The page's rows of findings, by code."""
    return first_cells(sections(text(PAGE), 2)["Findings"])


def test_every_kind_of_finding_is_described_and_no_other() -> None:
    codes, _ = of_code()
    documents = {code for code, _ in of_documents()}
    described = {name for name in findings() if not name.startswith("*")}

    assert {"lab-without-unit", "infusion-without-activity"} <= documents
    assert {"unit-blanked", "text-cut", "subject-without-arm", "number-rounded", "no-site-code"} <= codes
    assert described == codes | documents | set(CHECKS)


def test_every_finding_of_a_check_is_described_with_its_severity() -> None:
    rows = findings()
    described = {code: rows[code].split("|")[0].strip() for code in CHECKS}

    assert described == {code: rule.severity for code, rule in CHECKS.items()}


def test_what_documents_tell_is_a_warning_as_the_page_says() -> None:
    assert {code for code, severity in of_documents() if severity != "warning"} == set()


def test_every_reason_for_which_a_subject_is_left_out_is_described_and_no_other() -> None:
    _, reasons = of_code()
    table = re.findall(r"^\| .+ \| `([a-z-]+)` \|$", sections(text(PAGE), 2)["Who is in it"], re.MULTILINE)

    assert set(table) == reasons
