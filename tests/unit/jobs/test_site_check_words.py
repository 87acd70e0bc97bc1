"""In: the findings that the check can make, as its source has them, and their words. Out: none without words, none without a sentence to send."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import yaml

import adapter.jobs.check
from adapter.jobs.check import Group, Status
from adapter.screening import LANGUAGES, words

FILE = "words/check.yaml"
DOCUMENT: dict[str, dict[str, Any]] = yaml.safe_load(files("mappings").joinpath(FILE).read_text(encoding="utf-8"))
ENTRIES = [(group, code) for group, entries in DOCUMENT.items() for code in entries]
SOURCES = sorted(Path(next(iter(adapter.jobs.check.__path__))).glob("*.py"))
#: What the check makes of a name of its own: the code of a lack, and what could not be had.
LACKS = {"lacks-interaction", "lacks-history-type", "lacks-include", "lacks-patient", "lacks-id", "lacks-updated"}
NOT_HAD = {f"{what}-{how}" for what in ("statement", "smart", "token", "sample") for how in ("refused", "unavailable")}
#: Made of what the settings allow: with the sentence of `check_here` where they are wrong.
BY_THE_COMMAND = {"settings-wrong"}


def _findings() -> Iterator[tuple[set[str], set[str]]]:
    """Codes and statuses that stand in each call of ``Finding``; a conditional has two."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                # A code that is put together is one of those above.
                codes = set() if isinstance(node.args[1], ast.JoinedStr) else _texts(node.args[1])
                yield codes, _statuses(node.args[2])


def _texts(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def _statuses(node: ast.expr) -> set[str]:
    """None where a variable holds it."""
    return {one.attr.lower() for one in ast.walk(node) if isinstance(one, ast.Attribute)}


def _literals() -> set[str]:
    return {text for source in SOURCES for text in _texts(ast.parse(source.read_text(encoding="utf-8")))}


@pytest.mark.parametrize(("group", "code"), ENTRIES)
def test_words_of_the_check_have_both_languages_with_the_same_braces(group: str, code: str) -> None:
    entry = DOCUMENT[group][code]
    braces = [{name for _, name, _, _ in Formatter().parse(entry[lang]) if name} for lang in LANGUAGES]

    assert set(entry) == set(LANGUAGES)
    assert braces[0] == braces[1]


def test_every_finding_has_words() -> None:
    named = {code for codes, _ in _findings() for code in codes} | LACKS | NOT_HAD | BY_THE_COMMAND

    assert len(named) > 50
    assert named - DOCUMENT["found"].keys() == set()


def test_no_words_are_left_over() -> None:
    known = _literals() | LACKS | NOT_HAD | BY_THE_COMMAND

    assert DOCUMENT["found"].keys() - known == set()
    assert (DOCUMENT["ask"].keys() | DOCUMENT["do"].keys()) - DOCUMENT["found"].keys() == set()


def test_every_finding_that_is_not_well_has_a_sentence_to_send() -> None:
    to_mend = {
        code for codes, statuses in _findings() if statuses & {"ask", "failed"} or not statuses for code in codes
    }
    silent = (to_mend | LACKS | NOT_HAD | BY_THE_COMMAND) - DOCUMENT["ask"].keys() - DOCUMENT["do"].keys()

    assert silent == set()


def test_groups_and_statuses_have_words() -> None:
    assert set(words("en", FILE).codes("groups")) == set(Group)
    assert set(words("fr", FILE).codes("statuses")) == set(Status)
