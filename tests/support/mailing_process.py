"""In: the settings file of a store. Out: a process that sends its digests once it is told to, and may be killed on the way.

It says ``ready`` on stdout, waits for a line on stdin, and ends with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

from adapter.config import load_settings
from adapter.jobs.mail import Mailing
from adapter.observe import configure
from adapter.store import Store

__all__ = ["main"]


def main(config: Path, moment: str) -> None:
    """Send what is due at a moment."""
    configure()
    settings = load_settings(config)
    with Store.open(settings.store.path) as store:
        mailing = Mailing(store, settings, clock=lambda: datetime.fromisoformat(moment))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        sys.stdout.write(json.dumps(mailing.send().as_object()) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
