"""In: a package on disk, the path of a CDISC CORE executable. Out: what CORE finds in it, and which of that is waived with a reason.

CORE needs Python 3.12 and a cache of rules that its wheel lacks: it is an external program that a site may have, never a dependency.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapter.datasets.model import Package
from adapter.documents import read_document
from adapter.errors import DocumentError, RemoteError, TransientError, UsageError

__all__ = [
    "CoreFinding",
    "CoreReport",
    "check_executable",
    "core_report",
    "load_waivers",
    "parse_core_report",
    "run_core",
]

_WAIVERS = "sdtm/core-waivers.yaml"
_RULE = re.compile(r"CORE-\d{6}")
_TIMEOUT = 1800.0
#: Nothing else of our environment reaches the program: it may hold secrets (RELUTH_*).
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT")


class CoreFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What CORE tells of one rule in one dataset.

    Attributes:
        rule: CORE's id.
        dataset: name of the dataset or its file.
        message: of the rule.
        issues: how often.
        waived: the reason for which it is waived, None where it is ours to mend.
    """

    rule: str
    dataset: str
    message: str
    issues: int
    waived: str | None = None


class CoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """What CORE found in a package.

    Attributes:
        engine: its version as it names it.
        rules: how many rules it lists as run.
        skipped: how many it lists as skipped.
        ours: findings that are ours to mend.
        waived: findings with the reason of their waiver.
        unused: rules that are waived and found nothing.
    """

    engine: str
    rules: int
    skipped: int
    ours: tuple[CoreFinding, ...]
    waived: tuple[CoreFinding, ...]
    unused: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The report as lines to print."""
        yield f"CDISC CORE {self.engine}: {self.rules} rules run, {self.skipped} skipped"
        yield f"findings to mend: {len(self.ours)}"
        for one in self.ours:
            yield f"  {one.rule} {one.dataset} ({one.issues}): {one.message}"
        yield f"findings waived: {len(self.waived)}"
        for one in self.waived:
            yield f"  {one.rule} {one.dataset} ({one.issues}): {one.message}"
            yield f"    waived: {one.waived}"
        if self.unused:
            yield f"waivers that nothing needed: {', '.join(self.unused)}"


def load_waivers(path: Path | None = None) -> dict[str, str]:
    """The reasons of waived rules, by rule.

    Args:
        path: of the document; default ``mappings/sdtm/core-waivers.yaml``.

    Raises:
        DocumentError: it is wrong.
    """
    document = read_document(path or _WAIVERS)
    name, said = document.file, document.value
    if (
        not isinstance(said, dict)
        or set(said) != {"kind", "version", "waivers"}
        or said["kind"] != "core-waivers"
        or not isinstance(said["waivers"], list)
    ):
        raise DocumentError(name, "", "kind core-waivers, a version and a list of waivers are wanted, and nothing else")
    found: dict[str, str] = {}
    for place, one in enumerate(said["waivers"]):
        where = f"/waivers/{place}"
        if not isinstance(one, dict) or set(one) != {"rule", "reason"}:
            raise DocumentError(name, where, "a rule and a reason are wanted, and nothing else")
        rule, reason = one["rule"], one["reason"]
        if not isinstance(rule, str) or not _RULE.fullmatch(rule):
            raise DocumentError(name, f"{where}/rule", "CORE- and six digits are wanted")
        if not isinstance(reason, str) or not reason.strip():
            raise DocumentError(name, f"{where}/reason", "a reason in words is wanted")
        if rule in found:
            raise DocumentError(name, f"{where}/rule", f"{rule} is waived twice")
        found[rule] = " ".join(reason.split())
    return found


def core_report(executable: Path, folder: Path, package: Package, *, timeout: float = _TIMEOUT) -> CoreReport:
    """Run CORE over a written package and set its findings against our waivers.

    Args:
        executable: of CORE.
        folder: as given to ``write_sdtm``.
        package: that was written; its standard and terminology are told to CORE.
        timeout: seconds.

    Raises:
        UsageError: no executable there, or no package.
        TransientError: it did not end in time.
        RemoteError: it failed, or wrote no report that can be read.
        DocumentError: the waivers are wrong.
    """
    waivers = load_waivers()
    return parse_core_report(run_core(executable, folder, package, timeout=timeout), waivers)


def check_executable(executable: Path) -> None:
    """Refuse what cannot be run, before anything is made for it.

    Raises:
        UsageError: no executable there.
    """
    if not executable.is_file() or not os.access(executable, os.X_OK):
        raise UsageError(f"{executable}: no CDISC CORE executable there")


def run_core(executable: Path, folder: Path, package: Package, *, timeout: float = _TIMEOUT) -> Any:
    """Run CORE; its report as JSON. The arguments and errors are those of ``core_report``."""
    check_executable(executable)
    if not (folder / "xpt").is_dir() or not (folder / "define.xml").is_file():
        raise UsageError(f"{folder.name}: no SDTM package in it (no xpt/ and define.xml)")
    with tempfile.TemporaryDirectory(prefix="reluth-core-") as scratch:
        # CORE adds the ending of the format itself.
        report = Path(scratch) / "report"
        command = [str(executable.resolve()), *_arguments(folder.resolve(), package, report)]
        code = _ended(command, timeout)
        written = [one for one in (report, report.with_suffix(".json")) if one.is_file()]
        if not written:
            terminology = f"sdtmct-{package.terminology}" if package.terminology else "of the package"
            raise RemoteError(
                f"CDISC CORE ended with {code} and wrote no report; its cache must hold {package.standard} and the "
                f"terminology {terminology}"
            )
        try:
            return json.loads(written[0].read_text(encoding="utf-8"))
        except (UnicodeDecodeError, ValueError, RecursionError):
            raise RemoteError(f"CDISC CORE ended with {code}, its report is not JSON") from None


def _ended(command: list[str], timeout: float) -> int:
    """Run the program to its end; returns its exit code."""
    try:
        # Its cache of rules lies beside it, named relative to where it runs. It starts workers: they end with it.
        running = subprocess.Popen(  # noqa: S603 - a path the operator gave, arguments as a list, no shell
            command,
            cwd=Path(command[0]).parent,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as problem:
        raise UsageError(f"{command[0]}: cannot be run ({problem.strerror})") from None
    with running:
        try:
            return running.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TransientError(f"CDISC CORE did not end within {timeout:.0f} seconds") from None
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)


def _arguments(folder: Path, package: Package, report: Path) -> list[str]:
    name, _, version = package.standard.partition(" ")
    found = ["validate", "-s", name.lower(), "-v", version.replace(".", "-"), "-d", str(folder / "xpt")]
    found += ["-dxp", str(folder / "define.xml"), "-o", str(report), "-of", "JSON", "-p", "disabled"]
    if package.terminology is not None:
        found += ["-ct", f"sdtmct-{package.terminology}"]
    return found


def parse_core_report(said: Any, waivers: Mapping[str, str]) -> CoreReport:
    """What a report of CORE says, set against waivers.

    Args:
        said: the report (``Conformance_Details``, ``Issue_Summary``, ``Rules_Report``; the spelling of the keys differs by version).
        waivers: reasons by rule.

    Raises:
        RemoteError: it is no such report.
    """
    if not isinstance(said, dict):
        raise RemoteError("CDISC CORE: its report is no JSON object")
    parts = {str(key).lower(): value for key, value in said.items()}
    details, summary = parts.get("conformance_details", {}), parts.get("issue_summary")
    rules = parts.get("rules_report", [])
    if not isinstance(summary, list) or not isinstance(details, dict) or not isinstance(rules, list):
        raise RemoteError("CDISC CORE: its report has no summary of issues")
    found = sorted(map(_finding, summary), key=lambda one: (one.rule, one.dataset, one.message))
    told = [msgspec.structs.replace(one, waived=waivers[one.rule]) if one.rule in waivers else one for one in found]
    fired = {one.rule for one in found}
    statuses = [str(one.get("status", "")).upper() if isinstance(one, dict) else "" for one in rules]
    return CoreReport(
        engine=str(details.get("CORE_Engine_Version", "of unknown version")),
        rules=sum(one != "SKIPPED" for one in statuses),
        skipped=statuses.count("SKIPPED"),
        ours=tuple(one for one in told if one.waived is None),
        waived=tuple(one for one in told if one.waived is not None),
        unused=tuple(rule for rule in waivers if rule not in fired),
    )


def _finding(said: Any) -> CoreFinding:
    if isinstance(said, dict):
        rule, dataset, message, issues = (said.get(name) for name in ("core_id", "dataset", "message", "issues"))
        if isinstance(rule, str) and isinstance(issues, int):
            return CoreFinding(rule=rule, dataset=str(dataset or "-"), message=str(message or "-"), issues=issues)
    raise RemoteError("CDISC CORE: a line of its summary of issues names no rule or no number")
