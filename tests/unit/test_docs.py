"""In: the documentation and what it describes. Out: the command, option, setting, error, room or link that is missing from it."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
import typer.main
from pydantic import BaseModel

import adapter
from adapter.cli.app import app
from adapter.config import Settings, load_settings
from adapter.criteria import CriterionVerdict, Evidence, PartVerdict, PatientVerdict
from adapter.documents import load_trial
from adapter.errors import ReluthError
from tests.support.cli import reluth
from tests.support.pages import BLOCK, DOCS, LINK, PAGES, ROOT, first_cells, sections, text

TRIAL = "nct04954820"
# The command of the tour that ends with another code than 0: the simulated records have gaps.
CHECKED = {"--store var check --site demo": 5}


def verbs(group: Any, path: str = "reluth") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from verbs(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


ROOT_COMMAND: Any = typer.main.get_command(app)
VERBS = dict(verbs(ROOT_COMMAND))


def options(command: Any) -> set[str]:
    return {name for param in command.params for name in param.opts if name.startswith("--")} - {"--help"}


# Commands and settings


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_command_is_described_with_its_options(verb: str) -> None:
    described = {
        title: body for title, body in sections(text("operations.md"), 3).items() if f"{title} ".startswith(f"{verb} ")
    }
    named = set(re.findall(r"--[a-z][a-z-]*", " ".join(described.values())))

    assert described, f"docs/operations.md has no heading for {verb}"
    assert options(VERBS[verb]) - named == set()


def test_no_command_is_described_that_is_not_there() -> None:
    titles = [title for title in sections(text("operations.md"), 3) if title.startswith("reluth ")]
    unknown = [title for title in titles if not any(f"{title} ".startswith(f"{verb} ") for verb in VERBS)]

    assert unknown == []


def test_every_command_and_option_has_help() -> None:
    silent = [verb for verb, command in VERBS.items() if not command.help]
    mute = [
        f"{verb} {param.opts[0]}"
        for verb, command in VERBS.items()
        for param in command.params
        if "--help" not in param.opts and not getattr(param, "help", None)
    ]

    assert silent + mute == []


def test_global_options_are_described() -> None:
    named = set(re.findall(r"`(--[a-z]+)", text("operations.md")))

    assert options(ROOT_COMMAND) - named == set()


def settings_keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        models = list(nested_models(field.annotation))
        if not models:
            yield f"{path}{name}"
        below = f"{path}{name}." if get_origin(field.annotation) is not dict else f"{path}{name}.<name>."
        for inner in models:
            yield from settings_keys(inner, below)


def nested_models(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
        return
    arguments = get_args(annotation)
    for argument in arguments[:1] if get_origin(annotation) is Annotated else arguments:
        yield from nested_models(argument)


def test_every_setting_is_described_and_no_other() -> None:
    described = set(first_cells(sections(text("operations.md"), 2)["Settings"]))

    assert described == set(settings_keys(Settings))


def test_the_example_settings_are_valid(tmp_path: Path) -> None:
    blocks = [found["body"] for found in BLOCK.finditer(text("add-a-site.md")) if found["kind"] == "toml"]
    (tmp_path / "adapter.toml").write_text(blocks[0], encoding="utf-8")
    (tmp_path / "icm.token").write_text("secret", encoding="utf-8")
    found = load_settings(tmp_path / "adapter.toml")

    assert list(found.sites) == ["icm"]


# Errors and reasons


def error_classes() -> list[type[ReluthError]]:
    for module in pkgutil.walk_packages(adapter.__path__, "adapter."):
        if ".migrations" not in module.name:
            importlib.import_module(module.name)
    found: list[type[ReluthError]] = [ReluthError]
    for kind in found:
        found += [child for child in kind.__subclasses__() if child.__module__.startswith("adapter.")]
    return found


def test_every_error_class_is_described_with_its_exit_code() -> None:
    rows = first_cells(sections(text("errors.md"), 2)["Classes"])
    described = {name: int(rest.split("|")[0]) for name, rest in rows.items() if "|" in rest and name[0].isupper()}

    assert described == {kind.__name__: kind.exit_code for kind in error_classes()}


def test_every_exit_code_is_in_the_readme() -> None:
    codes = {kind.exit_code for kind in error_classes()} | {0}
    table = sections((ROOT / "README.md").read_text(encoding="utf-8"), 2)["Exit codes"]

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes


# Architecture, links, commands in code blocks, versions


def test_every_room_is_described_with_its_layer() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    expected = {room: number for number, names in enumerate(layers, 1) for room in re.findall(r"\w+", names)}
    rows = first_cells(sections(text("architecture.md"), 2)["Rooms"])
    described = {room: int(rest.split("|")[0]) for room, rest in rows.items()}

    assert described == expected
    assert set(described) == {item.name for item in pkgutil.iter_modules(adapter.__path__)}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page: Path) -> None:
    dead = []
    for found in LINK.finditer(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        target, _, anchor = found["target"].partition("#")
        if "://" in target:
            continue
        other = (page.parent / target).resolve() if target else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            dead.append(found["target"])

    assert dead == []


def test_every_page_is_reached_from_the_index() -> None:
    reached = {DOCS / "index.md"}
    queue = list(reached)
    while queue:
        page = queue.pop()
        for found in LINK.finditer(page.read_text(encoding="utf-8")):
            target = (page.parent / found["target"].partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                queue.append(target)

    assert set(DOCS.rglob("*.md")) - reached == {path for path in DOCS.glob("proofs/*.md") if path.name != "README.md"}


def commands() -> list[tuple[str, str]]:
    """Every line after a prompt in a console block, with its page."""
    return [
        (page.relative_to(ROOT).as_posix(), line.removeprefix("$ ").partition("#")[0].strip())
        for page in PAGES
        for found in BLOCK.finditer(page.read_text(encoding="utf-8"))
        for line in found["body"].splitlines()
        if found["kind"] == "console" and line.startswith("$ ")
    ]


def fault(line: str) -> str | None:
    """What is wrong with a command of a code block, if anything."""
    words = line.split()
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return None if words[1] in targets else "no such target"
    if words[0] == ".venv/bin/python":
        script = f"{words[2].replace('.', '/')}.py" if words[1] == "-m" else words[1]
        return None if (ROOT / script).is_file() else "no such file"
    if words[0] != "reluth":
        return None if words[0] == "export" else "neither make, reluth nor python"
    bare = [
        word
        for at, word in enumerate(words[1:])
        if not word.startswith("--") and words[at] not in ("--store", "--config")
    ]
    verb = next((name for name in VERBS if f"reluth {' '.join(bare)} ".startswith(f"{name} ")), None)
    if verb is None:
        return "no such command"
    unknown = {word for word in words if word.startswith("--")} - options(VERBS[verb]) - options(ROOT_COMMAND)
    return f"no option {', '.join(sorted(unknown))}" if unknown else None


def test_every_command_in_a_code_block_exists() -> None:
    found = commands()

    assert len(found) > 10
    assert {(page, line): problem for page, line in found if (problem := fault(line))} == {}


def tour() -> list[tuple[list[str], list[str]]]:
    """The commands of the README's first tour, each with the lines shown after it."""
    page = sections((ROOT / "README.md").read_text(encoding="utf-8"), 2)["First tour"]
    found: list[tuple[list[str], list[str]]] = []
    for block in BLOCK.finditer(page):
        for line in block["body"].splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ ").split(), []))
            elif line.strip() not in ("...", ""):
                found[-1][1].append(line.rstrip())
    return [(words[1:], shown) for words, shown in found if words[0] == "reluth" and "serve" not in words]


def test_the_tour_of_the_readme_shows_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [(words, shown, reluth(*words)) for words, shown in tour()]
    printed = [{line.rstrip() for line in (ran.out + ran.err).splitlines()} for _, _, ran in runs]

    assert {" ".join(words): ran.code for words, _, ran in runs if ran.code} == CHECKED
    assert [
        line for (_, shown, _), lines in zip(runs, printed, strict=True) for line in shown if line not in lines
    ] == []


def test_the_verdict_of_the_readme_has_the_keys_of_a_verdict() -> None:
    blocks = [found["body"] for found in BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))]
    shown = json.loads(next(body for body in blocks if body.startswith('{"trial"')))

    criterion = shown["criteria"][0]

    assert list(shown) == [field.name for field in fields(PatientVerdict)]
    assert list(criterion) == list(CriterionVerdict.__struct_fields__)
    assert list(criterion["parts"][0]) == list(PartVerdict.__struct_fields__)
    assert list(criterion["evidence"][0]) == list(Evidence.__struct_fields__)
    assert shown["criteria_version"] == load_trial(TRIAL).version


def test_the_readme_opens_with_the_two_commands() -> None:
    first = next(BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8")))["body"]

    assert re.findall(r"^\$ (make \w+)", first, re.MULTILINE) == ["make demo", "make test"]


def test_the_changelog_is_headed_by_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert versions[0] == project["version"]
