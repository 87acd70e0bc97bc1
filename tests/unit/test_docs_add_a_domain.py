"""In: docs/add-a-domain.md. Out: an example in it that cannot be read, a rule of what may leave that it does not describe."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import yaml

from adapter.datasets.pseudonymising import rules
from adapter.datasets.sdtm import Documents, load_domains, parse_documents
from adapter.datasets.sdtm.loading import view_columns
from adapter.documents import read_documents
from adapter.terminology import Node
from adapter.views import parse_view
from tests.support.pages import BLOCK, first_cells, sections, text

PAGE = "add-a-domain.md"


def examples(section: str, kind: str) -> list[str]:
    """The code blocks of a section."""
    return [found["body"] for found in BLOCK.finditer(sections(text(PAGE), 2)[section]) if found["kind"] == kind]


def with_document(name: str, content: dict[str, Any]) -> Documents:
    """The documents of the package with one more, or another one in its place."""
    views = {node["name"].text(): view_columns(node) for node in read_documents("views").values()}
    return parse_documents(read_documents("sdtm") | {name: Node(content, name)}, views)


def test_the_example_of_a_domain_is_valid() -> None:
    (told,) = examples("A domain", "yaml")
    domains = {one.code: one for one in with_document("sdtm/ho.yaml", yaml.safe_load(told)).domains}

    assert set(domains) - {one.code for one in load_domains().domains} == {"HO"}
    assert [source.mapping for source in domains["HO"].sources] == ["HO/encounter@1.0.0"]


def test_the_examples_of_a_variable_and_a_qualifier_are_valid() -> None:
    variable, qualifier = (yaml.safe_load(told) for told in examples("A variable", "yaml"))
    content = dict(read_documents("sdtm")["sdtm/mh.yaml"].mapping())
    domains = {one.code: one for one in with_document("sdtm/mh.yaml", content | qualifier).domains}
    (told,) = examples("A domain", "yaml")
    domain = yaml.safe_load(told)

    assert [one.name for source in domains["MH"].sources for one in source.supplements] == ["MHVERST"]
    assert variable["set"] == {"HOENDTC": domain["sources"][0]["set"]["HOENDTC"]}
    assert variable["variables"][0] in domain["variables"]


def test_the_example_of_a_column_is_valid() -> None:
    content = json.loads(json.dumps(read_documents("views")["views/patient.json"].value))
    (told,) = examples("A column, a view", "json")
    content["select"][0]["column"].append(json.loads(told))

    assert parse_view(Node(content, "views/patient.json")).name == "patient"


def test_the_example_of_an_element_is_valid() -> None:
    (told,) = examples("An element that may leave", "yaml")
    more = yaml.safe_load(told)["elements"]
    content = dict(read_documents("pseudonymisation")["pseudonymisation/Patient.yaml"].mapping())
    content["elements"] = content["elements"] | more
    content["dropped"] = [name for name in content["dropped"] if name not in more]
    found = rules.parse_type_rules(Node(content, "pseudonymisation/Patient.yaml"))

    assert found.elements["active"].kind == "boolean"


def test_every_rule_of_what_may_leave_is_described() -> None:
    page = sections(text(PAGE), 2)["An element that may leave"]
    described = set(re.findall(r"[a-z]+(?:-[a-z]+)*", " ".join(first_cells(page))))
    constructed = set(re.findall(r'case "([a-z-]+)"', inspect.getsource(rules)))

    assert {"code", "list", "object"} <= constructed
    assert (rules.PLAIN | rules.LISTS | constructed) - described == set()
