"""In: a number. Out: the whole way: a simulated hospital, pulled over HTTP, screened, its worklist, its pages."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapter.cli.opening import Opened, settings_of
from adapter.cli.options import Options
from adapter.cli.output import console, data, note, progress_bars
from adapter.cli.pull import TypeBars, tell
from adapter.cli.screen import run_screening
from adapter.cli.serve import serve_pages
from adapter.cli.simulate import SIMULATED_DAY
from adapter.cli.worklist import print_worklist

if TYPE_CHECKING:
    from adapter.criteria import Trial
    from adapter.screening import WorklistRow

__all__ = ["demo"]

_SITE = "demo"
_FOLDER = Path("demo")
_DONE = "simulated"
_ROWS_SHOWN = 8
_HINTS_FROM = ("new", "waiting", "not-now", "not-eligible")


def demo(
    ctx: typer.Context,
    patients: Annotated[int, typer.Option(min=1, help="Size of the simulated centre.")] = 300,
    seed: Annotated[int, typer.Option(help="Same seed, same centre.")] = 7,
    once: Annotated[bool, typer.Option("--once", help="End after the worklist, serve no pages.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the pages; 0 takes a free one.")] = 0,
    lang: Annotated[str, typer.Option(help="Language of the worklist: en or fr.")] = "en",
) -> None:
    """Show it all: simulate a hospital, pull it over HTTP, screen, print the worklist, serve the pages until Ctrl-C."""
    from adapter.jobs import noted_screening
    from adapter.screening import Asked, read_worklist, words

    options: Options = ctx.obj
    tongue = words(lang)
    base = _FOLDER / f"p{patients}-s{seed}"
    feed = _feed(base, patients=patients, seed=seed, options=options)
    with _room(options, base) as room:
        document = room.trial()
        _pull(room, feed, options=options)
        # The simulated records are written around a day of their own: as of today they would all be too old.
        asked = Asked(today=SIMULATED_DAY, on=SIMULATED_DAY)
        with noted_screening(room.store, _SITE) as summary:
            run_screening(room, document, summary, asked=asked, options=options, show=False)
        rows = read_worklist(room.store, document, asked.stage)
        settings = room.settings
    if options.json:
        data({"trial": document.id, "stage": asked.stage.value, "rows": [row.to_json() for row in rows]})
    else:
        print_worklist(rows, document, tongue, at_most=_ROWS_SHOWN)
        _hints(rows, document, base / "store")
    if not once:
        serve_pages(settings, host="127.0.0.1", port=port)


def _feed(base: Path, *, patients: int, seed: int, options: Options) -> Path:
    """The simulated hospital's files, written the first time only; anew when the simulator has changed since."""
    from adapter.simulate import simulate

    feed, done = base / "feed", base / _DONE
    made_by = f"{_simulator()} {patients} {seed} {SIMULATED_DAY}\n"
    if done.is_file() and done.read_text(encoding="utf-8") == made_by:
        note(options, f"1/4 the simulated hospital of {patients} patients is there already, in {feed}")
        return feed
    # The store goes too: it holds what an earlier simulator wrote.
    for folder in (feed, base / "store"):
        shutil.rmtree(folder, ignore_errors=True)
    note(options, f"1/4 simulating a hospital of {patients} patients, in {feed}")
    with progress_bars(options) as bars:
        bar = bars.add_task("simulate", total=patients)
        simulate(
            feed,
            patients=patients,
            seed=seed,
            on=SIMULATED_DAY,
            progress=lambda count: bars.update(bar, completed=count),
        )
    done.write_text(made_by, encoding="utf-8")
    return feed


def _simulator() -> str:
    """A hash of the simulator's own source."""
    found = hashlib.sha256()
    for source in sorted(files("adapter.simulate").iterdir(), key=lambda path: path.name):
        if source.name.endswith(".py"):
            found.update(source.read_bytes())
    return found.hexdigest()


@contextmanager
def _room(options: Options, base: Path) -> Iterator[Opened]:
    """The demo's own store and its own door, whatever the settings name: synthetic patients do not belong among real ones."""
    from adapter.config import ServiceSettings, StoreSettings
    from adapter.store import Store

    settings = settings_of(options).model_copy(
        update={"store": StoreSettings(path=(base / "store").absolute()), "service": ServiceSettings(), "oidc": None}
    )
    with Store.open(settings.store.path) as store:
        yield Opened(settings, store)


def _pull(room: Opened, feed: Path, *, options: Options) -> None:
    from adapter.config import SiteSettings
    from adapter.jobs import pull_site
    from adapter.service.hospital import serve_hospital

    with serve_hospital(feed) as address, progress_bars(options) as bars:
        note(options, f"2/4 pulling from its FHIR server, {address}")
        settings = room.settings.model_copy(update={"sites": {_SITE: SiteSettings(base_url=address)}})
        summary = pull_site(room.store, settings, _SITE, progress=TypeBars(bars))
    tell(summary, Options(quiet=options.quiet))
    note(options, "3/4 screening")


def _hints(rows: list[WorklistRow], trial: Trial, store: Path) -> None:
    """Some commands that go on from here, one patient of each group."""
    out = console()
    first = {str(row.bin): row for row in reversed(rows)}
    named = [first[group] for group in _HINTS_FROM if group in first]
    out.print()
    out.print("How to go on", style="bold")
    for row in named:
        who = f"{row.site}/{row.patient.removeprefix('Patient/')}"
        out.print(f"  {_program()} --store {store} why {who}")
    out.print(f"  {_program()} --store {store} funnel")
    out.print(f"  {_program()} --store {store} log --csv")
    out.print(
        f"  The patients are invented. {len(trial.open_questions)} readings of the protocol await the coordinating"
        " centre; `reluth why` marks them as defaults to confirm.",
        style="dim",
    )


def _program() -> str:
    """How to call this program from here: it need not be on the PATH."""
    called = sys.argv[0]
    if shutil.which("reluth") or Path(called).name != "reluth":
        return "reluth"
    return os.path.relpath(called)
