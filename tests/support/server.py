"""A real server: `python -m stockstream serve` in a folder of its own."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 15.0
TOKEN = "token-of-the-tests-0123456789"
NAMED_PORTS = range(20_000, 32_000)
"""Below the ports that Linux and macOS choose themselves."""
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
"""Nobody listens there: most tests look at other things, and a new server takes a second."""
SIMULATED = "sim://?symbols=6&interval=0.1&seed=7"


def _shuffled(ports: Sequence[int]) -> Iterator[int]:
    while True:
        yield from random.SystemRandom().sample(ports, len(ports))


_ports = _shuffled(NAMED_PORTS[WORKER % WORKERS :: WORKERS])


def free_port() -> int:
    """A port for a program that is told its port.

    It was free a moment ago, and a server that a test restarts is away for longer. The system never
    chooses it for port 0, which other tests use a lot. No test of this run gets the same one until
    all had their turn: each process of the run has ports of its own.
    """
    for port in islice(_ports, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("a hundred ports are taken")


@dataclass
class Server:
    """A running server process; `port` stays the same over restarts."""

    folder: Path
    settings: dict[str, str]
    port: int
    most_files: int | None = None
    covered: bool = True
    wrapped: Callable[[list[str | Path]], list[str | Path]] = lambda command: command
    command: tuple[str, ...] = ("serve",)
    process: trio.Process | None = None
    output: bytearray = field(default_factory=bytearray)
    _ready: trio.Event = field(default_factory=trio.Event)
    _said: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")

    async def start(self, nursery: trio.Nursery) -> None:
        """Start the process and wait until it says that it serves."""
        self._ready = trio.Event()
        coverage = {
            n: v for n, v in os.environ.items() if n.startswith("COVERAGE") and self.covered
        }
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "error::ResourceWarning",
            "PORT": str(self.port),
            "ADMIN_TOKEN": TOKEN,
            "LOG_FORMAT": "json",
            "DATABASE_URL": NO_DATABASE,
            **coverage,
            **self.settings,
        }
        if not environment["DATABASE_URL"]:
            del environment["DATABASE_URL"]  # a test asks for the embedded one
        self.process = await trio.lowlevel.open_process(
            self.wrapped([sys.executable, "-m", "stockstream", *self.command]),
            env=environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=self._limit_files,
        )
        nursery.start_soon(self._read, self.process)
        with trio.move_on_after(START_SECONDS) as limit:
            await self._ready.wait()
        if limit.cancelled_caught or self.process.poll() is not None:
            raise AssertionError(f"the server did not start:\n{self.text}")

    def _limit_files(self) -> None:
        if self.most_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.most_files // 2, self.most_files))

    async def _read(self, process: trio.Process) -> None:
        assert process.stdout is not None
        async for piece in process.stdout:
            self.output += piece
            self._said.set()
            self._said = trio.Event()
            if b"Ctrl+C stops" in self.output:
                self._ready.set()
        self._ready.set()

    async def until_said(self, text: str, seconds: float = 20.0) -> None:
        """Wait until `text` is in the output."""
        await self.until(lambda said: text in said, seconds)

    async def until(self, holds: Callable[[str], bool], seconds: float = 20.0) -> None:
        """Wait until it holds of the output."""
        with trio.fail_after(seconds):
            while not holds(self.text):
                await self._said.wait()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and answer the exit status."""
        assert self.process is not None
        self.output.clear()
        self.process.send_signal(number)
        with trio.fail_after(STOP_SECONDS):
            return await self.process.wait()

    async def get(self, path: str) -> httpx.Response:
        """Fetch a page, with the admin token."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(timeout=10) as client:
            return await client.get(f"{self.url}{path}", headers=headers)

    def open_files(self) -> int:
        """How many files and sockets the process has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory_kb(self) -> int:
        """Resident memory of the process, in KB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])


@asynccontextmanager
async def running_server(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    *,
    most_files: int | None = None,
    covered: bool = True,
    wrapped: Callable[[list[str | Path]], list[str | Path]] = lambda command: command,
    command: tuple[str, ...] = ("serve",),
) -> AsyncIterator[Server]:
    """A server for the time of a `with`; killed at its end if it still runs.

    `most_files` is its hard limit of open files; the soft one is half of it. One whose memory is
    measured is not `covered`: what a coverage run notes in it would count as its own. The command
    that starts it may be `wrapped` in one that becomes it; `command` is ours, with its options.
    """
    chosen = {"STOCK_API_URL": SIMULATED} if settings is None else dict(settings)
    server = Server(folder, chosen, free_port(), most_files, covered, wrapped, command)
    async with trio.open_nursery() as nursery:
        try:
            await server.start(nursery)
            yield server
        finally:
            if server.process is not None and server.process.poll() is None:
                server.process.kill()
                with trio.move_on_after(STOP_SECONDS, shield=True):
                    await server.process.wait()
        nursery.cancel_scope.cancel()
