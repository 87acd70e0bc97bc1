"""In: a folder of files and what is said of them. Out: ``manifest.json`` with the sha256 of each, and what of it no longer holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapter.errors import UsageError

__all__ = ["MANIFEST", "REPORT", "listed_files", "manifest_problems", "sha256_of", "write_manifest"]

MANIFEST = "manifest.json"
#: What `reluth report` makes of a package lies beside its files, and is none of them.
REPORT = "report.html"
_CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write the manifest of all files that lie in a folder by now.

    Args:
        folder: of the package.
        facts: what else it says (options, versions, counts), of JSON's own types. No time, host or path of this machine.

    Returns:
        Its path.
    """
    files = [
        {"path": name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for name, path in listed_files(folder).items()
    ]
    path = folder / MANIFEST
    text = json.dumps({**facts, "files": files}, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="")
    return path


def manifest_problems(folder: Path) -> list[str]:
    """What of a manifest no longer holds.

    Args:
        folder: of a package.

    Returns:
        A line for each file that is missing, changed or not named; empty where all is as written.

    Raises:
        UsageError: there is no manifest, or it is none.
    """
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        named = {one["path"]: one["sha256"] for one in said["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder.name}: no {MANIFEST} that can be read") from None
    there = listed_files(folder)
    problems = [f"{name}: missing" for name in named if name not in there]
    problems += [f"{name}: not named in the manifest" for name in there if name not in named]
    problems += [
        f"{name}: changed" for name, digest in named.items() if name in there and sha256_of(there[name]) != digest
    ]
    return sorted(problems)


def listed_files(folder: Path) -> dict[str, Path]:
    """The files of a package by their path in it, sorted, without its manifest and what was made of it later."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: found[name] for name in sorted(found) if name not in (MANIFEST, REPORT)}
