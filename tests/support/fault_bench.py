"""In: a fault server's habits and faults, and settings. Out: `reluth pull` from it, what its store then holds, and what must hold of every run.

The rule of every fault: all is there and the exit code 0, or the trouble is told, with what it hit, and the exit code is 4, 5 or 75.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adapter.store import Store
from tests.support.cli import Ran, reluth
from tests.support.fault_clock import SkippingClock
from tests.support.fault_plan import FaultPlan, Habits
from tests.support.fault_server import FaultServer, fault_server
from tests.support.fault_tokens import BEARER, CLIENT, write_key
from tests.support.fault_ward import SECRET, TYPES
from tests.unit.store.making import everything, live

__all__ = ["SITE", "Bench", "Held", "bench", "held_by", "settings"]

SITE: Final = "ward"
#: What nothing may repeat that a run prints: a patient's name, tokens, queries of addresses.
_UNSAID: Final = (SECRET, "-of-the-ward", "_getpages", "client_assertion")


@dataclass(frozen=True)
class Held:
    """What a store holds of the site.

    Attributes:
        versions: type, id and bytes of every version, sorted.
        live: the bytes of what is current, sorted.
    """

    versions: list[tuple[str, str, bytes]]
    live: list[bytes]


def held_by(store: Path) -> Held:
    """What a store holds; nothing where there is none."""
    if not store.is_dir():
        return Held([], [])
    with Store.open(store) as opened:
        current = [raw for resources in live(opened, SITE).values() for raw in resources]
        return Held(everything(opened, SITE), sorted(current))


def settings(folder: Path, server: FaultServer, *, mode: str, lines: Sequence[str] = ()) -> Path:
    """Write the settings of a machine that pulls from a server, and its key where it needs one."""
    auth = {"none": 'auth = { type = "none" }', "bearer": f'auth = {{ type = "bearer", token = "{BEARER}" }}'}
    if server.habits.auth == "smart":
        key = folder / "key.pem"
        if not key.exists():
            server.tokens.key = write_key(key)
        auth["smart"] = f'auth = {{ type = "smart-backend", client_id = "{CLIENT}", private_key_file = "{key}" }}'
    own = [
        f'base_url = "{server.root}"',
        f'mode = "{mode}"',
        f"types = {list(TYPES)}",
        auth[server.habits.auth],
        *lines,
    ]
    path = folder / "adapter.toml"
    path.write_text("\n".join([f"[sites.{SITE}]", *own]) + "\n", encoding="utf-8")
    return path


@dataclass
class Bench:
    """A machine that pulls from a server that has faults.

    Attributes:
        stranger: a server that is on no list, and that nothing may come to.
        store: the store's folder.
    """

    server: FaultServer
    stranger: FaultServer
    folder: Path
    clock: SkippingClock
    store: Path

    def pull(self, *arguments: str) -> Ran:
        """`reluth pull` in this process."""
        options = ("--config", self.folder / "adapter.toml", "--store", self.store)
        return reluth(*options, "pull", "--site", SITE, "--json", *arguments)

    def held(self) -> Held:
        """What the store holds."""
        return held_by(self.store)

    def check_run(self, ran: Ran) -> None:
        """What must hold after every run, whatever went wrong in it."""
        assert ran.code in (0, 4, 5, 75), ran.err
        for unsaid in _UNSAID:
            assert unsaid not in ran.out + ran.err
        assert "Traceback" not in ran.err
        held = self.held()
        told: dict[str, Any] = ran.object if ran.out else {}
        if ran.code:
            assert ran.err.strip(), "a failure is told to people too"
            assert told.get("complete", False) is False
        else:
            assert told["complete"] is True
            self.check_all(held)
        self.check_sound(held)
        assert self.server.hurried() == []
        assert self.stranger.seen == []

    def check_sound(self, held: Held | None = None) -> None:
        """Nothing is in the store that the server never had, and nothing twice."""
        versions = (held or self.held()).versions

        assert set(versions) <= self.server.ward.ever()
        assert len(versions) == len(set(versions))

    def check_all(self, held: Held | None = None) -> None:
        """All that the server has is in the store, and what it has no more is not current."""
        held = held or self.held()

        missing = set(self.server.ward.held()) - set(held.versions)
        assert not missing, f"{len(missing)} missing, e.g. {min(missing)[:2]}"
        assert held.live == sorted(raw for _, _, raw in self.server.ward.held())


@contextmanager
def bench(
    folder: Path, clock: SkippingClock, *, habits: Habits | None = None, faults: FaultPlan | None = None
) -> Iterator[Bench]:
    """A server, a stranger beside it, and a folder for settings and store."""
    with ExitStack() as open_:
        server = open_.enter_context(fault_server(habits, faults, clock=clock))
        stranger = open_.enter_context(fault_server(Habits(auth="none"), clock=clock))
        server.stranger = stranger.origin
        yield Bench(server, stranger, folder, clock, folder / "var")
