"""In: a package, its findings and what its maker waived. Out: the stub of a study data reviewer's guide, in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from adapter.datasets.model import Codelist, Dataset, Finding, Package

__all__ = ["GuideNotes", "reviewers_guide"]

_OPEN = "_To be completed by the sponsor._"


class GuideNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What a guide says that the package does not.

    Attributes:
        defaults: choices that nobody has confirmed yet, by what they are about.
        waivers: reasons of findings of CDISC CORE that are waived, by rule.
        left_out: how many subjects the package has not, by reason.
        options: as the package was made with, by name.
    """

    defaults: Mapping[str, str] = {}
    waivers: Mapping[str, str] = {}
    left_out: Mapping[str, int] = {}
    options: Mapping[str, str] = {}


def reviewers_guide(package: Package, findings: Sequence[Finding], notes: GuideNotes | None = None) -> str:
    """The guide's stub: what is known is filled in, the rest names who fills it.

    Args:
        package: as written.
        findings: all of it, those of the checks included.
        notes: what else it says.

    Returns:
        Markdown.
    """
    notes = notes or GuideNotes()
    study = package.study
    parts = [
        f"# Study data reviewer's guide: {study.name}",
        "A stub made with the package: tables are counted from it, open sections are marked.",
        "## 1. Study and standards",
        _table(
            ("", ""),
            [
                ("Study", study.id),
                ("Title", study.title),
                ("Protocol", study.protocol),
                ("Implementation guide", package.standard),
                ("Controlled terminology", package.terminology or "not named"),
                ("Data definitions", "`define.xml` (Define-XML 2.1)"),
                *notes.options.items(),
            ],
        ),
        "## 2. Datasets",
        _datasets(package),
        "## 3. Subjects left out",
        _counted(notes.left_out, ("Reason", "Subjects"), "None."),
        "## 4. Conformance findings",
        _findings(findings),
        "## 5. Terms beyond the controlled terminology",
        _extended(package.codelists),
        "## 6. Defaults to confirm",
        _counted(notes.defaults, ("What", "Default"), "None."),
        "## 7. Findings of CDISC CORE that are waived",
        _counted(notes.waivers, ("Rule", "Reason"), "None."),
        "## 8. Trial design, data collection, protocol deviations",
        _OPEN,
    ]
    return "\n\n".join(parts) + "\n"


def _datasets(package: Package) -> str:
    heads = ("Dataset", "Label", "Class", "Structure", "Keys", "Records", "Subjects")
    return _table(
        heads,
        [
            (one.name, one.label, one.class_, one.structure, ", ".join(one.keys), str(len(one.rows)), _subjects(one))
            for one in package.datasets
        ],
    )


def _subjects(dataset: Dataset) -> str:
    try:
        place = dataset.at("USUBJID")
    except KeyError:
        return "-"
    return str(len({row.cells[place] for row in dataset.rows} - {None}))


def _findings(findings: Iterable[Finding]) -> str:
    counts: Counter[tuple[str, str, str]] = Counter()
    domains: dict[str, set[str]] = {}
    for one in findings:
        counts[one.severity, one.code, one.text] += one.count
        domains.setdefault(one.code, set()).update([one.domain] if one.domain else [])
    if not counts:
        return "None."
    rows = [
        (severity, f"`{code}`", text, ", ".join(sorted(domains[code])) or "-", str(count))
        for (severity, code, text), count in sorted(counts.items())
    ]
    table = _table(("Severity", "Code", "What it says", "Where", "Count"), rows)
    return f"{table}\n\nEach one stands in `findings.csv`. Explanations: {_OPEN}"


def _extended(codelists: Iterable[Codelist]) -> str:
    rows = [
        (one.name, term.value, term.decode or "-")
        for one in codelists
        if one.code is not None
        for term in one.terms
        if term.code is None
    ]
    return _table(("Codelist", "Term", "In words"), rows) if rows else "None."


def _counted(pairs: Mapping[str, object], heads: tuple[str, str], none: str) -> str:
    return _table(heads, [(name, str(value)) for name, value in pairs.items()]) if pairs else none


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(heads), _line(["---"] * len(heads))]
    return "\n".join([*lines, *map(_line, rows)])


def _line(cells: Iterable[str]) -> str:
    """A row; what would end a cell or start markup is written as itself."""
    safe = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(safe)} |"
