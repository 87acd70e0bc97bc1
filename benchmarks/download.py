"""Bytes a second of our download (bytes, lines and count checked, on disk for good), beside ``curl -Z`` on the same files.

The files come from a static server on loopback: nginx where it is installed, else one in Python that gives the copying to the
kernel (sendfile). Each round asks both, in random order, each in a process of its own; the ratio is the median of the rounds'.
Every round writes to the same disk; curl leaves its files in the page cache, ours are also synced, one by one. No test depends
on the numbers.

    python benchmarks/download.py                                    # 200 MB in 80 files, five rounds
    python benchmarks/download.py --megabytes 1000 --files 400
    python benchmarks/download.py --gzip                             # packed files: ours are unpacked to be checked
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import http.server
import os
import platform
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adapter.client import SiteAddress
from adapter.client.download import Downloader
from adapter.client.manifest import ExportFile

WANTED = 0.5
WANTED_MB = 150
LINE = 1000
HEAD = "| round | curl MB/s | ours MB/s | ratio | peak MB |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Work:
    """What both sides fetch."""

    base: str
    files: list[ExportFile]
    connections: int
    megabytes: float


class Measure(msgspec.Struct):
    """What our process says of itself: seconds of downloading, and its peak memory in MB."""

    seconds: float
    peak: float


def main() -> int:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--files", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=5)
    parser.add_argument("--gzip", action="store_true", help="the files are packed")
    parser.add_argument("--folder", type=Path, help="where files are made and fetched to (default: that of the system)")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours is not None:
        print(msgspec.json.encode(download(given.ours)).decode())
        return 0
    with tempfile.TemporaryDirectory(prefix="reluth-bench-", dir=given.folder) as name:
        folder = Path(name)
        (folder / "www").mkdir()
        counts = [make(path, given) for path in paths(folder / "www", given.files)]
        size = sum(path.stat().st_size for path in (folder / "www").iterdir()) / 1e6
        with server(folder / "www") as (base, software):
            files = [
                ExportFile(f"{base}/{path.name}", "output", "Observation", count)
                for path, count in zip(paths(folder / "www", given.files), counts, strict=True)
            ]
            about = f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.machine()}, {software}"
            kind = "packed" if given.gzip else "plain"
            print(
                f"{datetime.now(UTC).date()}, {about}\n{size:.0f} MB {kind} in {len(files)} files\n\n{HEAD}", flush=True
            )
            ratios, peaks = rounds(Work(base, files, given.connections, size), folder, given.rounds)
    print(
        f"\ndownload with byte and line counts: {statistics.median(ratios):.2f} of curl -Z (wanted {WANTED}),"
        f" peak memory {max(peaks):.0f} MB (wanted below {WANTED_MB})"
    )
    return 0


def rounds(work: Work, folder: Path, number: int) -> tuple[list[float], list[float]]:
    """Both sides, in random order, so often; each line as soon as it is known."""
    ratios: list[float] = []
    peaks: list[float] = []
    for round_ in range(1, number + 1):
        speeds: dict[str, float] = {}
        for who in random.sample(["curl", "ours"], 2):
            to = folder / who
            to.mkdir()
            # What the last one left to be written would be written in the time of the next one.
            os.sync()
            if who == "curl":
                speeds[who] = work.megabytes / with_curl(work, to)
            else:
                found = with_ours(work, to)
                speeds[who] = work.megabytes / found.seconds
                peaks.append(found.peak)
            shutil.rmtree(to)
        ratios.append(speeds["ours"] / speeds["curl"])
        print(
            f"| {round_} | {speeds['curl']:.0f} | {speeds['ours']:.0f} | {ratios[-1]:.2f} | {peaks[-1]:.0f} |",
            flush=True,
        )
    return ratios, peaks


def with_curl(work: Work, to: Path) -> float:
    """Seconds of ``curl -Z``."""
    names = (f'url = "{file.url}"\noutput = "{to / file.url.rpartition("/")[2]}"\n' for file in work.files)
    config = to.with_suffix(".conf")
    config.write_text("".join(names))
    command = ["curl", "-q", "-Z", "--parallel-max", str(work.connections), "-sS", "--noproxy", "*", "-K", str(config)]
    began = time.perf_counter()
    # With -Z it draws a meter that -s does not silence.
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def with_ours(work: Work, to: Path) -> Measure:
    """Ours, in a process of its own."""
    job = to.with_suffix(".json")
    job.write_bytes(msgspec.json.encode((work.base, work.connections, str(to), work.files)))
    done = subprocess.run([sys.executable, __file__, "--ours", str(job)], check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Measure)


def download(job: Path) -> Measure:
    """In that process: all of the files."""
    base, connections, folder, files = msgspec.json.decode(
        job.read_bytes(), type=tuple[str, int, str, list[ExportFile]]
    )
    names = paths(Path(folder), len(files))
    began = time.perf_counter()
    with Downloader(SiteAddress(base)) as downloader, ThreadPoolExecutor(connections) as pool:
        list(pool.map(lambda file, to: downloader.download(file, to, with_token=False), files, names))
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return Measure(seconds, peak / 1024)


# --------------------------------------------------------------------------------------------------------------------


def paths(folder: Path, number: int) -> list[Path]:
    return [folder / f"{at:05d}.ndjson" for at in range(number)]


def make(path: Path, given: argparse.Namespace) -> int:
    """One file of lines of about a kilobyte; how many."""
    lines = max(1, int(given.megabytes) * 1_000_000 // int(given.files) // LINE)
    chance = random.Random(path.name)
    with path.open("wb") as plain, packing(plain, packed=given.gzip) as file:
        for number in range(lines):
            head = b'{"resourceType":"Observation","id":"%d","note":[{"text":"' % number
            words = b" ".join(b"%x" % chance.getrandbits(24) for _ in range((LINE - len(head) - 8) // 7))
            file.write(head + words + b'"}]}\n')
    return lines


@contextmanager
def packing(plain: IO[bytes], *, packed: bool) -> Iterator[IO[bytes] | gzip.GzipFile]:
    if not packed:
        yield plain
        return
    with gzip.GzipFile(fileobj=plain, mode="wb", compresslevel=6) as file:
        yield file


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, str]]:
    """A static server of the folder on loopback: its base URL, and what it is."""
    nginx = shutil.which("nginx")
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import download; download.serve()",
    ]
    with tempfile.TemporaryDirectory(prefix="reluth-nginx-") as name:
        port = free_port()
        if nginx is not None:
            config = Path(name) / "nginx.conf"
            config.write_text(NGINX.format(folder=folder, own=name, port=port))
            command = [nginx, "-c", str(config), "-e", "stderr"]
        process = subprocess.Popen([*command, *([] if nginx else [str(port), str(folder)])], stdin=subprocess.PIPE)
        try:
            base = f"http://127.0.0.1:{port}"
            wait_for(port)
            yield base, "nginx" if nginx else "server in Python"
        finally:
            process.terminate()
            process.wait(30)
            if process.stdin is not None:
                process.stdin.close()


NGINX = """\
daemon off; pid {own}/pid; worker_processes 1; events {{}}
http {{
  access_log off; sendfile on; client_body_temp_path {own}; proxy_temp_path {own}; fastcgi_temp_path {own};
  uwsgi_temp_path {own}; scgi_temp_path {own};
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files, copied by the kernel, over connections that stay."""

    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        outputfile.flush()
        self.connection.sendfile(source)

    def log_request(self, *_: object) -> None:
        """Nothing: it would cost as much as the file."""


def serve() -> None:
    """In the server's process: port and folder are its arguments; it ends with whoever started it."""
    os.chdir(sys.argv[2])
    with http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        sys.stdin.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
    return port


def wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}")


if __name__ == "__main__":
    sys.exit(main())
