"""In: the name of a trial or a site. Out: its mapping documents, read (overlay first, then ``mappings``) and parsed by the core."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from adapter.criteria import Trial, parse_terms, parse_trial
from adapter.errors import DocumentError, UsageError
from adapter.terminology import (
    Node,
    Site,
    Units,
    parse_completeness,
    parse_concept_map,
    parse_site,
    parse_site_units,
    parse_systems,
    parse_units,
)
from adapter.views import ViewDefinition, parse_view
from mappings.entities import Characteristic, Study
from mappings.study_document import parse_study

__all__ = [
    "code_system_names",
    "load_site",
    "load_study",
    "load_trial",
    "load_trial_folder",
    "load_views",
    "read_document",
    "read_documents",
    "trials",
]


if TYPE_CHECKING:
    _SafeLoader = yaml.SafeLoader
else:
    # libyaml's parser where PyYAML was built with it: eight times as fast.
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """YAML as 1.2 means it: a key that stands twice is a fault, and ``on`` and ``no`` are words, not truths."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.MarkedYAMLError(problem="a key that is no text", problem_mark=key_node.start_mark)
        if key in found:
            raise yaml.MarkedYAMLError(problem=f"the key {key} stands twice", problem_mark=key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"true|false"), list("tf"))
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _TwiceError(Exception):
    """A key that stands twice in one JSON object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(next(key for key in keys if keys.count(key) > 1))
    return found


def _parsed_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _read(file: Traversable | Path, name: str) -> Node:
    try:
        text = file.read_text(encoding="utf-8")
        value = _parsed_json(text) if name.endswith(".json") else yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except OSError as problem:
        raise DocumentError(name, "", f"cannot be read ({problem.strerror})") from None
    except UnicodeDecodeError:
        raise DocumentError(name, "", "not UTF-8") from None
    except _TwiceError as problem:
        raise DocumentError(name, "", f"the key {problem} stands twice") from None
    except json.JSONDecodeError as problem:
        raise DocumentError(name, "", f"not JSON: {problem.msg} at line {problem.lineno}") from None
    except yaml.MarkedYAMLError as problem:
        line = f" at line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise DocumentError(name, "", f"not YAML: {problem.problem}{line}") from None
    except RecursionError:
        raise DocumentError(name, "", "nested too deeply") from None
    except yaml.YAMLError:
        raise DocumentError(name, "", "not YAML") from None
    return Node(value, name)


def trials() -> list[str]:
    """The ids of the trials that there are documents for."""
    return sorted(item.name for item in (files("mappings") / "trials").iterdir() if (item / "trial.yaml").is_file())


@lru_cache(maxsize=8)
def load_trial(trial_id: str) -> Trial:
    """The documents of a trial.

    Raises:
        UsageError: there is no such trial.
        DocumentError: a document is wrong.
    """
    if trial_id not in trials():
        raise UsageError(f"no trial {trial_id}: there is {', '.join(trials())}")
    return _trial(files("mappings") / "trials" / trial_id, f"trials/{trial_id}")


def load_trial_folder(folder: Path) -> Trial:
    """The documents of a trial in a folder of one's own: a version to compare with, or one not shipped.

    Raises:
        UsageError: the folder has no ``trial.yaml``.
        DocumentError: a document is wrong or missing.
    """
    if not (folder / "trial.yaml").is_file():
        raise UsageError(f"{folder}: no trial.yaml in it")
    return _trial(folder, folder.resolve().name)


def _trial(folder: Traversable | Path, shown: str) -> Trial:
    def read(name: str) -> Node:
        return _read(folder / name, f"{shown}/{name}")

    terminology = files("mappings") / "terminology"
    terms = parse_terms(
        value_sets=read("value-sets.yaml"),
        analytes=_read(terminology / "analytes.yaml", "terminology/analytes.yaml"),
        grades=_read(terminology / "ctcae.yaml", "terminology/ctcae.yaml"),
        concepts=read("concepts.yaml"),
    )
    return parse_trial(read("trial.yaml"), read("criteria.yaml"), terms=terms, units=_units())


@lru_cache(maxsize=8)
def load_study(trial_id: str) -> Study:
    """The study that a trial's study document describes, with the sentences of its criteria document as characteristics.

    Raises:
        UsageError: there is no such trial, or it has no study document.
        DocumentError: a document is wrong.
    """
    trial = load_trial(trial_id)
    file = files("mappings") / "trials" / trial_id / "study.yaml"
    if not file.is_file():
        raise UsageError(f"the trial {trial_id} has no study document")
    criteria = (Characteristic(id=one.id, text=one.text, exclude=one.kind == "exclusion") for one in trial.criteria)
    return parse_study(_read(file, f"trials/{trial_id}/study.yaml"), trial=trial_id, characteristics=criteria)


def read_document(name: str | Path) -> Node:
    """One document, unparsed: of ``mappings`` by its name (``sdtm/core-waivers.yaml``), or a file.

    Raises:
        DocumentError: it cannot be read.
    """
    return _read(name, name.name) if isinstance(name, Path) else _read(files("mappings") / name, name)


def read_documents(folder: str) -> dict[str, Node]:
    """The documents below a folder of ``mappings``, unparsed, by name (``sdtm/dm.yaml``), in the order of their names.

    Raises:
        DocumentError: one cannot be read.
    """
    found: dict[str, Node] = {}
    for item in sorted((files("mappings") / folder).iterdir(), key=lambda one: one.name):
        name = f"{folder}/{item.name}"
        if item.is_dir():
            found |= read_documents(name)
        elif item.name.endswith((".yaml", ".json")):
            found[name] = _read(item, name)
    return found


@lru_cache(maxsize=1)
def _units() -> Units:
    name = "terminology/units.yaml"
    return parse_units(_read(files("mappings") / "terminology" / "units.yaml", name))


@lru_cache(maxsize=1)
def code_system_names() -> Mapping[str, str]:
    """The code system that each other name of one stands for, for all sites."""
    name = "terminology/systems.yaml"
    return parse_systems(_read(files("mappings") / "terminology" / "systems.yaml", name))


#: What may stand in a site's overlay folder, besides ``conceptmaps/*.json`` (clarifications.md).
_OVERLAY_FILES = frozenset({"completeness.yaml", "site.yaml", "units.yaml"})


@lru_cache(maxsize=1)
def load_views() -> dict[str, ViewDefinition]:
    """The views of what a sponsor gets, by name, sorted.

    Raises:
        DocumentError: one is wrong, or its name is not that of its file.
    """
    found: dict[str, ViewDefinition] = {}
    for file, node in read_documents("views").items():
        view = parse_view(node)
        if file != f"views/{view.name}.json":
            raise DocumentError(file, "/name", "is not the name of its file")
        found[view.name] = view
    return found


def load_site(site_id: str, overlay: Path | None = None) -> Site:
    """How a site's records are to be read.

    Args:
        site_id: the site.
        overlay: its folder of documents, None for a site that has told us nothing.

    Raises:
        DocumentError: the folder is missing, a document is wrong, or a file is none of the known kinds.
    """
    site = Site(site_id, aliases=code_system_names())
    if overlay is None:
        return site
    if not overlay.is_dir():
        raise DocumentError(str(overlay), "", "no such overlay folder")
    _refuse_unknown(overlay)
    changes: dict[str, Any] = {}
    if (overlay / "completeness.yaml").is_file():
        changes["completeness"] = _parsed(overlay / "completeness.yaml", parse_completeness)
    if (overlay / "units.yaml").is_file():
        changes["unit_spellings"] = _parsed(overlay / "units.yaml", parse_site_units)
    maps: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for file in sorted((overlay / "conceptmaps").glob("*.json")):
        for source, targets in _parsed(file, parse_concept_map).items():
            meant = ((site.system_of(system), code) for system, code in targets)
            maps[source] = tuple(dict.fromkeys((*maps.get(source, ()), *meant)))
    found = replace(site, concept_map=maps, **changes)
    if (overlay / "site.yaml").is_file():
        found = parse_site(_read(overlay / "site.yaml", "site.yaml"), found)
    return found


def _refuse_unknown(overlay: Path) -> None:
    """A misspelt file would be passed over, and with it what the site declares."""
    for item in overlay.iterdir():
        if item.name not in (*_OVERLAY_FILES, "conceptmaps", "README.md") and not item.name.startswith("."):
            raise DocumentError(item.name, "", "no document of a site overlay")
    maps = overlay / "conceptmaps"
    for item in maps.iterdir() if maps.is_dir() else ():
        if item.suffix != ".json" and not item.name.startswith("."):
            raise DocumentError(f"conceptmaps/{item.name}", "", "no ConceptMap: its name does not end in .json")


def _parsed(file: Path, parse: Callable[[Node], Any]) -> Any:
    return parse(_read(file, file.name))
