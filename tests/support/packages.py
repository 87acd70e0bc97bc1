"""In: a folder. Out: a site's settings and store with some subjects in it, and packages that `reluth export` makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import Ran, reluth
from tests.support.datasets import centre

__all__ = ["export", "fill"]


def fill(folder: Path, *, subjects: int, code: str = "05", patients: int = 3) -> None:
    """Pull a simulated centre, whose sponsor's number is ``code``."""
    feed = centre(folder / "F", subjects, patients=patients)
    if code != "05":
        for path in feed.glob("*.ndjson"):
            path.write_text(path.read_text(encoding="utf-8").replace("RELUTH-05-", f"RELUTH-{code}-"), encoding="utf-8")
    (folder / "adapter.toml").write_text(f'[store]\npath = "{folder / "V"}"\n\n[sites.icm]\nsite_code = "{code}"\n')
    assert (
        reluth("--config", folder / "adapter.toml", "--quiet", "pull", "--from", folder / "F", "--site", "icm").code
        == 0
    )


def export(folder: Path, *arguments: str | Path, json: bool = False) -> Ran:
    """Run `reluth export` with a site's settings."""
    return reluth("--config", folder / "adapter.toml", *(["--json"] if json else []), "export", *arguments)
