"""Servers under measurement: started on a core of their own, and ended."""

from __future__ import annotations

import json
import os
import resource
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout_measures import COUNTING, Plan, Result, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 10.0
SYMBOLS_SECONDS = 30.0
DATABASE_SECONDS = 90.0
CLIENTS_SECONDS = 400.0


class Failed(Exception):
    """A server did not start, or a measurement broke off; the text says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core serves and which one reads; the same one where there is only one."""

    server: int
    clients: int

    @classmethod
    def choose(cls) -> Cores:
        """The last two cores this process may use: the first is the machine's busiest."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(server=allowed[-1], clients=allowed[-2] if len(allowed) > 1 else allowed[-1])


@dataclass(frozen=True, slots=True)
class Process:
    """A started server; `token` is what its clients have to show, empty where it asks for none."""

    pid: int
    port: int
    folder: Path
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it shows."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def raise_limit_of_open_files() -> int:
    """Raise the soft limit to the hard one, for this process and all it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Have what is started meanwhile run on one core; a process inherits it, all threads do."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(
    command: Sequence[str],
    port: int,
    core: int,
    environment: Mapping[str, str] | None = None,
    *,
    may_end: bool = False,
) -> Iterator[Process]:
    """Run a server on `core` in a folder of its own; ready when its port answers.

    Raises:
        Failed: it does not answer, or has ended unless it `may_end`, with what it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="fanout-") as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as output, on_core(core):
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=dict(environment) if environment is not None else None,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            _wait_for_port(process, port)
            yield Process(process.pid, port, Path(folder))
            if process.poll() is not None and not may_end:
                raise Failed("the server ended by itself")
        except Failed as error:
            raise Failed(f"{error}; it wrote:\n{_tail(log)}") from error
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a server and all that it started: its database writes to the folder otherwise."""
    family: list[int] = []
    for pid in _children(process.pid):
        with suppress(ProcessLookupError):  # a worker of the database's that has just ended
            family.append(os.pidfd_open(pid))
    process.kill()
    process.wait(STOP_SECONDS)
    for member in family:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(member, signal.SIGKILL)
        select.select([member], [], [], STOP_SECONDS)  # readable once it has ended
        os.close(member)


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Failed(f"no server on port {port}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


@contextmanager
def stockstream(
    core: int,
    *,
    symbols: int,
    interval: float,
    flush_interval: float,
    login: bool = False,
    book: bool = False,
) -> Iterator[Process]:
    """The shipped server with a simulated market of `symbols` that moves every `interval`.

    With `login` nobody sees it without one; there is an API token then. With `book` it tells bid
    and ask.
    """
    more = "&book=true" if book else ""
    settings = {
        "STOCK_API_URL": f"sim://?symbols={symbols}&interval={interval:g}&seed=7{more}",
        "FLUSH_INTERVAL": f"{flush_interval:g}",
        "FETCH_JITTER": "0",
        **({"DASHBOARD": "login"} if login else {}),
    }
    with served(core, settings) as server:
        yield replace(server, token=_make_token(server.folder)) if login else server


@contextmanager
def served(core: int, settings: Mapping[str, str]) -> Iterator[Process]:
    """The shipped server with these settings.

    All else is at its default: actors, limits, heartbeats, logging, the history. Its PostgreSQL
    runs on the other cores, once it is up.
    """
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PORT": str(port),
        "LOG_FORMAT": "json",
        **settings,
    }
    command = [sys.executable, "-m", "stockstream", "serve"]
    with started(command, port, core, environment) as server:
        _wait_for_database(server)
        others = os.sched_getaffinity(0) - {core}
        for process in _children(server.pid):
            os.sched_setaffinity(process, others or {core})
        yield server


def _make_token(folder: Path) -> str:
    """An API token for the prices of the server that runs in a folder, without limits: all
    clients are one account's.

    Raises:
        Failed: with what the command said.
    """
    password = folder / "password"
    password.touch(0o600)
    password.write_text(secrets.token_urlsafe())
    _command(folder, "users", "add", "bench", "--role", "admin", "--password-file", str(password))
    scopes = ("--scope", "prices:read", "--scope", "load")
    return _command(folder, "tokens", "create", "fanout", "--account", "bench", *scopes).strip()


def _command(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"stockstream {arguments[0]} {arguments[1]}: {done.stderr.strip()}")
    return done.stdout


def _wait_for_database(server: Process) -> None:
    address = f"http://127.0.0.1:{server.port}/health/ready"
    give_up_at = time.monotonic() + DATABASE_SECONDS
    while time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                if json.load(answer)["checks"]["history"]["ok"]:
                    return
        except urllib.error.HTTPError:  # 503: not ready yet
            pass
        time.sleep(0.1)
    raise Failed("the server's database is not up")


def _children(process: int) -> list[int]:
    """All processes that descend from one."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text(encoding="ascii").split()):
            found += [child, *_children(child)]
    return found


def children_cpu(pid: int) -> float:
    """User and system time of all that a process has started, of what has ended too, seconds."""
    total = 0
    for child in _children(pid):
        try:
            stat = Path(f"/proc/{child}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue  # it has just ended; the parent's sum has it
        total += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def listed_symbols(server: Process, count: int) -> list[str]:
    """The symbols of a running StockStream, once it lists `count`."""
    give_up_at = time.monotonic() + SYMBOLS_SECONDS
    found: list[str] = []
    while time.monotonic() < give_up_at:
        address = f"http://127.0.0.1:{server.port}/api/v1/symbols"
        asked = urllib.request.Request(address, headers=server.headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found = [str(row["symbol"]) for row in json.load(answer)["symbols"]]
        if len(found) == count:
            return found
        time.sleep(0.1)
    raise Failed(f"the server lists {len(found)} symbols instead of {count}")


def load(plan: Plan, core: int, during: Callable[[], None] | None = None) -> Result:
    """Run the load clients in a process on `core`; `during` is called when they begin to count.

    Raises:
        Failed: with the reason the process gave.
    """
    fields = run_clients("fanout_clients.py", asdict(plan), core, during)
    return Result(**{**fields, "windows": [Window(**window) for window in fields["windows"]]})


def run_clients(
    script: str, plan: Mapping[str, object], core: int, during: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Run a script of this folder in a process on `core`: the plan in, a result out, as JSON.

    Raises:
        Failed: with the reason the process gave.
    """
    with on_core(core):
        clients = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(script))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert clients.stdin is not None
    assert clients.stderr is not None
    try:
        clients.stdin.write(json.dumps(plan))
        clients.stdin.close()
        clients.stdin = None
        first = clients.stderr.readline()
        if during is not None and first.strip() == COUNTING:
            during()
        output, errors = clients.communicate(timeout=CLIENTS_SECONDS)
    finally:
        clients.kill()
        clients.wait(STOP_SECONDS)
    if clients.returncode:
        raise Failed((first + errors).strip())
    answer: dict[str, Any] = json.loads(output)
    return answer
