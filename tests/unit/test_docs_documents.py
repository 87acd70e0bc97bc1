"""In: the documentation and the documents of trial and sites. Out: the criterion, default, node, key, reason or document kind that is missing from it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
import yaml

from adapter.criteria import Reason, Trial, expressions, grades, parse, parse_terms, parse_trial, tree
from adapter.documents import load_site, load_trial
from adapter.terminology import Node, parse_units
from adapter.terminology.site import DOMAINS
from tests.support.pages import BLOCK, ROOT, first_cells, read_keys, sections, text

TRIAL = "nct04954820"
EXAMPLE_SITE = ROOT / "mappings" / "sites" / "example"


# Criteria and reasons


def test_every_reason_is_described_and_no_other() -> None:
    assert set(first_cells(sections(text("criteria.md"), 2)["Reasons"])) == {str(reason) for reason in Reason}


def nodes_of(node: Any) -> Iterator[tree.Node]:
    """A node and all below it, as far as its criterion's own expression goes."""
    if isinstance(node, tree.Node):
        yield node
        node = [getattr(node, name) for name in node.__dataclass_fields__]
    elif isinstance(node, tree.Case):
        node = [node.condition, node.outcome]
    if isinstance(node, list | tuple):
        for child in node:
            yield from nodes_of(child)


LOGIC = (
    tree.All,
    tree.Any,
    tree.Not,
    tree.Open,
    tree.Cases,
    tree.Fallback,
    tree.OnlyRefutes,
    tree.CrossCheck,
    tree.PartOf,
    tree.TruthOf,
    tree.WithAttestation,
    tree.Attested,
    # It tells whether a person is asked at all; the answer is theirs.
    tree.SecondCourse,
)


def test_every_criterion_is_listed_with_what_decides_it() -> None:
    rows = re.findall(r"^\| ([IE]\d\d) \| (R?A?) \| (.+) \| (data|attestation) \|$", text("criteria.md"), re.MULTILINE)
    trial = load_trial(TRIAL)
    expected = []
    for criterion in trial.criteria:
        expression = [criterion.node, *(part.node for part in criterion.parts)]
        reads_data = any(not isinstance(node, LOGIC) for node in nodes_of(expression))
        stages = "".join(stage.value[0:2] for stage in sorted(criterion.stages, reverse=True))
        letters = stages.replace("re", "R").replace("ra", "A")
        sorted_letters = "".join(letter for letter in "RA" if letter in letters)
        expected.append((criterion.id, sorted_letters, criterion.label["en"], "data" if reads_data else "attestation"))

    assert rows == expected


def rows(title: str) -> list[str]:
    """The rows of the table under a heading of criteria.md."""
    return re.findall(r"^\| .+ \|$", sections(text("criteria.md"), 2)[title], re.MULTILINE)[1:]


def test_every_default_is_listed_and_no_other() -> None:
    trial = load_trial(TRIAL)

    assert rows("Defaults to confirm") == [
        f"| {item.id} | {default.text['en']} |" for item in trial.criteria for default in item.defaults
    ]


def test_every_open_question_is_listed_and_no_other() -> None:
    trial = load_trial(TRIAL)

    assert rows("Open questions") == [
        f"| {item.text['en']} | {', '.join(item.criteria)} |" for item in trial.open_questions
    ]


def test_what_is_read_is_told_of_every_criterion() -> None:
    table = sections(text("criteria.md"), 3)["What is read"]
    told = [name for cell in re.findall(r"^\| ([IE]\d\d.*?) \|", table, re.MULTILINE) for name in cell.split(", ")]

    assert told == [criterion.id for criterion in load_trial(TRIAL).criteria]


def test_every_signal_is_described_and_no_other() -> None:
    described = set(first_cells(sections(text("criteria.md"), 2)["Candidates"]))

    assert described == {signal.id for signal in load_trial(TRIAL).signals} | {"added"}


def test_every_decision_state_and_reason_is_described() -> None:
    page = sections(text("operations.md"), 3)["reluth decide PATIENT STATE"]
    words = yaml.safe_load((files("mappings") / "words" / "screening.yaml").read_text(encoding="utf-8"))
    codes = {state.id for state in load_trial(TRIAL).states} | set(words["decision_reasons"])

    assert codes - set(re.findall(r"`([a-z-]+)`", page)) == set()


NODES = sorted(expressions.NODES)


def node_section(name: str) -> str:
    return sections(text("add-a-criterion.md"), 4)[name]


def test_no_expression_node_is_described_that_is_not_there() -> None:
    assert sorted(sections(text("add-a-criterion.md"), 4)) == NODES


@pytest.mark.parametrize("name", NODES)
def test_every_expression_node_is_described_with_its_keys(name: str) -> None:
    source = inspect.getsource(expressions.NODES[name])
    # Some are read in a loop over their names.
    loops = re.findall(r"for key in \(([^)]*)\)", source)
    keys = read_keys(source) | {key for loop in loops for key in re.findall(r'"(\w+)"', loop)}
    keys = set() if source.lstrip().startswith('"') else keys

    assert {key for key in keys if f"`{key}`" not in node_section(name)} == set()


def with_rule(rule: Any, **more: Any) -> Trial:
    """The trial with one criterion more, whose rule is the example."""

    def read(name: str) -> Any:
        return yaml.safe_load((files("mappings") / name).read_text(encoding="utf-8"))

    def node(name: str) -> Node:
        return Node(read(name), name)

    criteria = read(f"trials/{TRIAL}/criteria.yaml")
    words = {"fr": "ajout", "en": "example"}
    example = {"id": "X01", "kind": "inclusion", "stage": "both", "automation": "auto", "text": "An example"}
    criteria["criteria"].append({**example, "label": words, "confirm": words, "rule": rule, **more})
    terms = parse_terms(
        value_sets=node(f"trials/{TRIAL}/value-sets.yaml"),
        analytes=node("terminology/analytes.yaml"),
        grades=node("terminology/ctcae.yaml"),
        concepts=node(f"trials/{TRIAL}/concepts.yaml"),
    )
    units = parse_units(node("terminology/units.yaml"))
    return parse_trial(node(f"trials/{TRIAL}/trial.yaml"), Node(criteria, "example"), terms=terms, units=units)


@pytest.mark.parametrize("name", NODES)
def test_every_expression_node_has_an_example_that_is_valid(name: str) -> None:
    examples = [found["body"] for found in BLOCK.finditer(node_section(name)) if found["kind"] == "yaml"]
    rules = [yaml.safe_load(example) for example in examples]

    assert rules
    assert all(f"{name}:" in example for example in examples)
    assert [with_rule(rule).criterion("X01").label["en"] for rule in rules] == ["example"] * len(rules)


def test_every_key_of_a_criterion_is_described() -> None:
    source = inspect.getsource(parse._criterion)
    keys = read_keys(source)
    described = set(first_cells(sections(text("add-a-criterion.md"), 2)["The entry"]))

    assert len(keys) > 10
    assert keys - described == set()


def test_the_example_of_prompts_is_valid() -> None:
    blocks = [found["body"] for found in BLOCK.finditer(sections(text("add-a-criterion.md"), 3)["Prompts"])]
    found = with_rule({"sex": "male"}, **yaml.safe_load(blocks[0])).criterion("X01")

    assert [item.resource_types for item in found.prompts] == [("Condition",), ("Flag",)]


def test_every_key_of_a_prompt_is_described() -> None:
    described = first_cells(sections(text("add-a-criterion.md"), 3)["Prompts"])

    assert set(described) == read_keys(inspect.getsource(parse._prompt))


def concept_kinds() -> dict[str, set[str]]:
    """The keys of each kind of concept, as ReLUTH's document has them: all are needed, and no others are taken."""
    document = yaml.safe_load((files("mappings") / "trials" / TRIAL / "concepts.yaml").read_text(encoding="utf-8"))
    return {item["kind"]: set(item) - {"kind"} for item in document["concepts"]}


def test_every_kind_of_concept_is_described_with_its_keys_and_no_others() -> None:
    page = sections(text("add-a-criterion.md"), 2)["Concepts"]
    described = {title: set(first_cells(body)) for title, body in sections(page, 3).items()}

    assert described == concept_kinds()


def test_every_key_of_the_grades_is_described() -> None:
    described = first_cells(sections(text("add-a-criterion.md"), 2)["Grades"])
    keys = read_keys(inspect.getsource(grades.parse_grades)) | {"name", "grades"}

    assert len(keys) == 5
    assert set(described) == keys


# Documents


def document_kinds() -> set[str]:
    found = set()
    for path in (ROOT / "mappings").rglob("*.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and isinstance(content.get("kind"), str):
            found.add(content["kind"])
    return found


def test_every_document_kind_is_described() -> None:
    described = first_cells(sections(text("architecture.md"), 2)["Documents"])

    assert {"criteria", "trial", "value-sets"} <= document_kinds()
    assert document_kinds() - set(described) == set()


#: Files of which there is one a trial, resource type, view, domain or table.
FAMILIES = (
    (r"/trials/[^/]+/", "/trials/<trial>/"),
    (r"/pseudonymisation/[A-Z]\w+\.yaml", "/pseudonymisation/<Type>.yaml"),
    (r"/views/\w+\.json", "/views/<view>.json"),
    (r"/sdtm/[a-z]{2}\.yaml", "/sdtm/<domain>.yaml"),
    (r"/sdtm/tables/[a-z-]+\.yaml", "/sdtm/tables/<table>.yaml"),
)


def described_name(path: str) -> str:
    """How the page names a document."""
    for pattern, family in FAMILIES:
        path = re.sub(pattern, family, path)
    return path


def test_every_document_of_the_package_belongs_to_a_described_file() -> None:
    page = sections(text("architecture.md"), 2)["Documents"]
    documents = [
        described_name(path.relative_to(ROOT).as_posix())
        for ending in ("yaml", "json")
        for path in (ROOT / "mappings").rglob(f"*.{ending}")
        if EXAMPLE_SITE not in path.parents
    ]

    assert len(documents) > 50
    assert [name for name in documents if f"`{name}`" not in page] == []


def test_every_overlay_document_and_domain_is_described() -> None:
    page = text("add-a-site.md")
    known = {"completeness.yaml", "site.yaml", "units.yaml", "conceptmaps/*.json"}
    accepted = {path.name for path in EXAMPLE_SITE.iterdir() if path.is_file()} - {"README.md"}

    assert accepted | {"conceptmaps/*.json"} == known
    assert (known | set(DOMAINS)) - set(first_cells(page)) == set()


def test_the_example_overlay_is_read_whole() -> None:
    site = load_site("example", EXAMPLE_SITE)

    assert {item.domain for item in site.completeness} == {"medication-administration", "condition"}
    assert site.unit_spellings["platelets", "milliers/mm3"] == "10*3/uL"
    assert [limit.high for limit in site.limits] == [Decimal(45), Decimal(34), Decimal(21)]
    assert site.fasting_codes == {("urn:example:laboratory", "GLY")}
    assert "urn:example:cim10" in site.icd10_systems


def test_the_example_overlay_names_only_codes_and_units_of_the_package() -> None:
    trial = load_trial(TRIAL)
    site = load_site("example", EXAMPLE_SITE)
    known = {code for analyte in trial.analytes.values() for code in analyte.codes}
    units = {unit for analyte in trial.analytes.values() for unit in analyte.factors}
    targets = {target for found in site.concept_map.values() for target in found}

    assert targets
    assert targets - known == set()
    assert set(site.unit_spellings.values()) - units == set()
    assert {limit.analyte for limit in site.limits} - set(trial.analytes) == set()
