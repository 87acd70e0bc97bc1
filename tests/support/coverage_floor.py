"""In: coverage.py's JSON report. Out: branch coverage of the core rooms, and exit 1 when one is below the floor of conventions.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FLOOR = 95.0
CORE = ("adapter/fhir", "adapter/terminology", "adapter/criteria", "adapter/views", "mappings")


def shares(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> dict[str, float]:
    """Covered lines and branches of each core room, per cent; a room with nothing to cover is whole."""
    found = {}
    for room in CORE:
        summaries = [file["summary"] for name, file in report["files"].items() if name.startswith(f"{room}/")]
        total = sum(item["num_statements"] + item.get("num_branches", 0) for item in summaries)
        covered = sum(item["covered_lines"] + item.get("covered_branches", 0) for item in summaries)
        found[room] = 100.0 * covered / total if total else 100.0
    return found


def main(path: str) -> int:
    found = shares(json.loads(Path(path).read_text(encoding="utf-8")))
    for room, share in found.items():
        print(f"{room}: {share:.1f} % of lines and branches (floor {FLOOR:.0f} %)")  # noqa: T201 - a script of make test
    return int(any(share < FLOOR for share in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
