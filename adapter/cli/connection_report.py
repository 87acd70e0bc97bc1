"""In: what a check found of a connection. Out: the same as JSON, or as tables and the sentences to send to who can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter.jobs.check import Finding, SiteCheck, TypeLine
    from adapter.screening import Words

__all__ = ["WORDS", "Report", "connection_json", "print_connection"]

WORDS = "words/check.yaml"
_STYLES = {"ok": "green", "note": "cyan", "ask": "yellow", "failed": "bold red", "skipped": "dim"}
_SAMPLE_STYLES = {
    "answered": "green",
    "empty": "cyan",
    "refused": "bold red",
    "missing": "bold red",
    "failed": "bold red",
}
#: What is well, or was not looked at, asks for nothing.
_SILENT = frozenset({"ok", "skipped"})


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported: a site, the address of its server (None where the settings give no usable one), what was found."""

    site: str
    server: str | None
    found: SiteCheck

    def sentence(self, finding: Finding, words: Words, group: str) -> str | None:
        """The sentence of a group (``found``, ``do``, ``ask``) for a finding; None where there is none."""
        if finding.code not in words.codes(group) or (group != "found" and finding.status in _SILENT):
            return None
        values = {
            name: words.listing(value) if isinstance(value, tuple) else value for name, value in finding.values.items()
        }
        return words.of(group, finding.code, server=self.server or "", **values)


def connection_json(report: Report, words: Words) -> dict[str, Any]:
    """The connection part of the contract's object, of JSON's own types."""
    return {
        "server": report.server,
        "complete": report.found.exit_code == 0,
        "findings": [
            {
                "group": str(finding.group),
                "code": finding.code,
                "status": str(finding.status),
                "values": {
                    name: list(value) if isinstance(value, tuple) else value for name, value in finding.values.items()
                },
                "found": report.sentence(finding, words, "found"),
                "do": report.sentence(finding, words, "do"),
                "ask": report.sentence(finding, words, "ask"),
            }
            for finding in report.found.findings
        ],
        "types": [line.to_json() for line in report.found.types],
    }


def print_connection(report: Report, words: Words) -> None:
    """Print what was found, type by type what the server gives, and what to do and to ask."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from adapter.cli.output import console

    out = console()
    title = words.of("titles", "connection", site=report.site, server=report.server or "?")
    out.print(Text(title, style="bold"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    group = None
    for finding in report.found.findings:
        heading = words.of("groups", finding.group) if finding.group != group else ""
        group = finding.group
        status = Text(words.of("statuses", finding.status), style=_STYLES[finding.status])
        table.add_row(Text(heading, style="dim"), status, Text(report.sentence(finding, words, "found") or ""))
    out.print(table)
    if report.found.types:
        lines = Table(*words.listing_of("type_columns"), box=box.SIMPLE_HEAD)
        for line in report.found.types:
            lines.add_row(*_cells(line, words))
        out.print(lines)
    for heading, kind in (("to-do", "do"), ("to-ask", "ask")):
        sentences = list(dict.fromkeys(_sentences(report, words, kind)))
        if sentences:
            out.print(Text(words.of("titles", heading), style="bold"))
        for sentence in sentences:
            out.print(Text(f"- {sentence}"))
    out.print()


def _sentences(report: Report, words: Words, group: str) -> Iterable[str]:
    for finding in report.found.findings:
        sentence = report.sentence(finding, words, group)
        if sentence is not None:
            yield sentence


def _cells(line: TypeLine, words: Words) -> list[Any]:
    from rich.text import Text

    def mark(value: bool | None) -> Text:
        code = {True: "yes", False: "no", None: "untold"}[value]
        return Text(words.of("marks", code), style={True: "green", False: "bold red", None: "dim"}[value])

    sample = Text("", style="dim")
    if line.sample is not None:
        sample = Text(words.of("samples", line.sample), style=_SAMPLE_STYLES[line.sample])
    return [line.type, mark(line.served), mark(line.scope), sample, ", ".join(line.lacking)]
