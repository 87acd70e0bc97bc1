"""In: the modules on which every verdict rests (truth, intervals, windows, units) and their tests. Out: the share of mutants killed, the survivors with their diffs.

mutmut changes one thing at a time and runs the tests that reach it. The tree is copied into a folder of its own first, so that nothing is
written beside the sources and no setting of the project's own test runs is needed.

    python benchmarks/mutation.py               # exit 1 when fewer than 90 % are killed
    python benchmarks/mutation.py "adapter.fhir.dates*"
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FEWEST_KILLED = 90.0

#: Whole modules, and of two more the windows only.
MUTATED = {
    "adapter/criteria/truth.py": "adapter.criteria.truth.*",
    "adapter/criteria/attestation.py": "adapter.criteria.attestation.*",
    "adapter/criteria/scene.py": "adapter.criteria.scene.x_within__*",
    "adapter/fhir/dates.py": "adapter.fhir.dates.*",
    "adapter/fhir/quantities.py": "adapter.fhir.quantities.*",
    "adapter/terminology/analytes.py": "adapter.terminology.analytes.*",
}
TESTS = (
    "tests/unit/criteria/test_attestation.py",
    "tests/unit/criteria/test_truth.py",
    "tests/unit/criteria/test_windows.py",
    "tests/unit/fhir/test_dates.py",
    "tests/unit/fhir/test_date_bounds.py",
    "tests/unit/fhir/test_quantities.py",
    "tests/unit/fhir/test_interval_bounds.py",
    "tests/unit/terminology/test_analytes.py",
    "tests/unit/terminology/test_analyte_documents.py",
    "tests/unit/terminology/test_units.py",
    "tests/property/test_criteria_logic.py",
)
#: A mutant that never comes to an end is told from the original as well.
KILLED = frozenset({"killed", "timeout"})

SETTINGS = f"""
[tool.pytest.ini_options]
addopts = ["--strict-markers", "--import-mode=importlib"]
filterwarnings = ["error"]
markers = ["hapi: not here", "browser: not here", "prove: not here"]

[tool.mutmut]
source_paths = ["adapter"]
only_mutate = {list(MUTATED)}
also_copy = ["mappings"]
use_git_change_detection = false
pytest_add_cli_args = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-m", "not prove"]
pytest_add_cli_args_test_selection = {list(TESTS)}
"""
# A mutant runs in a child of the process that has run the tests once: what that one has kept must be read again.
FORGETTING = """
import gc

import pytest

from adapter.fhir import dates
from adapter.terminology import Units


@pytest.fixture(autouse=True, scope="session")
def _forget():
    for kept in vars(dates).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()
    for found in gc.get_objects():
        if isinstance(found, Units):
            found._known.clear()
"""


def main() -> int:
    """Run mutmut on a copy of the tree and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(MUTATED.values()), help="mutants, as patterns")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reluth-mutation-") as name:
        folder = Path(name)
        lay_out(folder)
        ran = mutmut(folder, "run", "--max-children", str(given.workers), *given.names)
        results = dict(
            re.findall(r"^\s+(\S+__mutmut_\d+): ([a-z ]+)$", mutmut(folder, "results", "--all", "true"), re.MULTILINE)
        )
        counted = {name: state for name, state in results.items() if state != "not checked"}
        if not counted:
            print(ran[-4000:], file=sys.stderr)
            return 2
        show(counted, folder)
    killed = sum(state in KILLED for state in counted.values())
    share = 100 * killed / len(counted)
    print(f"\nmutation: {killed:,}/{len(counted):,} mutants killed, {share:.1f} %")
    return 0 if share >= FEWEST_KILLED else 1


def lay_out(folder: Path) -> None:
    """Copy what the tests need into the folder."""
    for part in ("adapter", "mappings", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(FORGETTING)


def mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut; its progress goes with its output."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def show(counted: dict[str, str], folder: Path) -> None:
    """Print the counts by module and every mutant that no test told from the original."""
    modules = Counter(name.partition(".x")[0] for name in counted)
    killed = Counter(name.partition(".x")[0] for name, state in counted.items() if state in KILLED)
    for module, count in sorted(modules.items()):
        print(f"{module:<36}{killed[module]:>6} of {count:>5}")
    survivors = [(name, state) for name, state in sorted(counted.items()) if state not in KILLED]
    print(f"\nSurvivors: {len(survivors)}")
    for name, state in survivors:
        changed = [
            line
            for line in mutmut(folder, "show", name).splitlines()
            if line[:1] in "+-" and not line.startswith(("---", "+++"))
        ]
        print(f"  {name} ({state})")
        print("\n".join(f"      {line}" for line in changed))


if __name__ == "__main__":
    sys.exit(main())
