"""In: a store's folder, a folder of resources by site, a file. Out: the service as a provider in a process of its own, to be killed.

``python -m tests.support.sponsor_process STORE FEEDS PORT``: it stages from ``FEEDS/<site>.json``, and waits as long as ``FEEDS/wait``
is there; ``FEEDS/reached`` says that it has come so far.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import uvicorn

from adapter.config import Settings
from adapter.service import create_app
from tests.support.sponsor import StagedDouble, StagingDouble, with_staging

__all__ = ["main"]


class _FromFiles(StagingDouble):
    folder: Path

    def __call__(
        self,
        _store: Any,
        _settings: Any,
        _trial: Any,
        folder: Path,
        *,
        sites: Collection[str] | None = None,
        **options: Any,
    ) -> StagedDouble:
        (self.folder / "reached").touch()
        while (self.folder / "wait").exists():
            time.sleep(0.02)
        self.feeds = {site: json.loads((self.folder / f"{site}.json").read_text()) for site in sites or ()}
        return super().__call__(_store, _settings, _trial, folder, sites=sites, **options)


def main(settings_file: str, feeds: str, port: str) -> None:
    """Serve until it is killed."""
    settings = Settings.model_validate_json(Path(settings_file).read_text())
    stage = _FromFiles()
    stage.folder = Path(feeds)
    with with_staging(stage):
        uvicorn.run(create_app(settings), host="127.0.0.1", port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
