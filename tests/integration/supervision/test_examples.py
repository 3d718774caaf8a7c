"""The example programs do their work over real sockets and files, whatever is killed meanwhile."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from examples.supervision import chat, gateway, jobs
from examples.supervision.tcp import LineReader
from supervision import ChildSpec, System

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT = Path(__file__).parents[3]
MANY = 100_000
"""An intensity that no killing of ours exceeds: what is tested is that nothing is lost."""
MOST = 60
SEEDS = (1, 2)
READINGS = 150
"""Of each device."""


class Striker:
    """Kills random actors of a tree, one after another: as many as MOST, or until it is told.

    There is an end to it, because on a slow machine nobody would come to anything between two.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.kills = 0
        self.over = False

    async def strike(self, system: System) -> None:
        while not self.over and self.kills < MOST:
            await trio.sleep(self.random.uniform(0.001, 0.01))
            paths = sorted(path for path in system.names if path != "root")
            if paths and system.ref(self.random.choice(paths)).kill():
                self.kills += 1


async def under_fire(
    root: ChildSpec, striker: Striker, work: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Run the tree and have it struck, until `work` is done, or the tree ends by itself."""
    system = System()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            # Not before all are up: a first start that fails is the end of a tree, as in OTP.
            begin = partial(nursery.start_soon, striker.strike)
            run = partial(system.run, root, on_start=begin)
            if work is None:
                await run()
            else:
                nursery.start_soon(run)
                await work()
                system.stop()
            striker.over = True


def program(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run an example as a user does."""
    return subprocess.run(
        [sys.executable, "-m", f"examples.supervision.{name}", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def some_files(folder: Path, number: int) -> dict[str, str]:
    """Files, and the hash of each."""
    folder.mkdir()
    texts = {str(folder / f"{n}"): random.Random(n).randbytes(200_000) for n in range(number)}
    for path, text in texts.items():
        Path(path).write_bytes(text)
    return {path: hashlib.sha256(text).hexdigest() for path, text in texts.items()}


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_job_is_done_and_noted_once(seed: int, tmp_path: Path):
    """Workers, their supervisor and the queue are killed all the time."""
    hashes, striker = some_files(tmp_path / "files", 300), Striker(seed)
    journal = tmp_path / "journal"
    await under_fire(jobs.tree(journal, list(hashes), workers=4, intensity=MANY), striker)
    noted = [json.loads(line) for line in journal.read_text().splitlines()]
    assert sorted(noted) == sorted([path, digest, False] for path, digest in hashes.items())
    assert striker.kills > 20, f"seed {seed}"


def test_jobs_goes_on_where_a_killed_program_was(tmp_path: Path):
    """SIGKILL in the middle, with a line half written; the next run does the rest."""
    hashes, journal = some_files(tmp_path / "files", 150), tmp_path / "journal"
    command = [sys.executable, "-m", "examples.supervision.jobs", journal, *hashes]
    with subprocess.Popen(command, cwd=ROOT) as first:
        while not (journal.exists() and journal.read_text().count("\n") > 5):
            assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    before = journal.read_text()
    journal.write_text(before + '["torn')
    done = program("jobs", journal, *hashes)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(f"done {h} {p}" for p, h in hashes.items())
    assert journal.read_text().startswith(before.rpartition("\n")[0])
    assert journal.read_text().count("\n") == len(hashes)


def test_a_job_that_cannot_be_done_is_said(tmp_path: Path):
    """After three attempts; the others are done, and the exit code is 1."""
    (there := tmp_path / "there").write_bytes(b"")
    done = program("jobs", tmp_path / "journal", there, tmp_path / "not there", "--workers", 1)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == f"done {hashlib.sha256().hexdigest()} {there}"
    assert done.stdout.splitlines()[1].startswith("failed [Errno 2]")


@pytest.mark.parametrize("name", ["jobs", "chat", "gateway"])
def test_the_examples_say_how_they_are_used(name: str):
    """`--help` with 0; an unknown option with 2, and which."""
    helped = program(name, "--help")
    assert helped.returncode == 0
    assert "usage:" in helped.stdout
    refused = program(name, "--wrong", "1")
    assert refused.returncode == 2
    assert "usage:" in refused.stderr


@pytest.mark.parametrize(("name", "arguments"), [("chat", ()), ("gateway", ("127.0.0.1:9",))])
def test_the_servers_stop_on_a_signal_and_say_when_a_port_is_taken(
    name: str, arguments: tuple[str, ...]
):
    """0 after SIGTERM, 1 when they cannot listen."""
    command = [sys.executable, "-m", f"examples.supervision.{name}", *arguments, "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        port = server.stdout.readline().rpartition(":")[2].strip()
        taken = program(name, *arguments, "--port", port)
        assert taken.returncode == 1
        assert taken.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0


def listening() -> tuple[socket.socket, int]:
    """A socket as the programs make it, and its port."""
    made = socket.create_server(("127.0.0.1", 0))
    made.setblocking(False)
    return made, made.getsockname()[1]


class Chatter:
    """A client of the chat that connects again until all is said and heard."""

    def __init__(self, nick: str, port: int, says: int, hears: int) -> None:
        self.nick, self.port, self.says, self.hears = nick, port, says, hears
        self.answered = 0
        self.heard: list[str] = []

    async def run(self) -> None:
        while len(self.heard) < self.hears:
            try:
                await self._connected()
            except (OSError, trio.BrokenResourceError):
                continue

    async def _connected(self) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(f"HELLO {self.nick} {len(self.heard)}\n".encode())
            lines, asked = LineReader(stream), -1
            while len(self.heard) < self.hears:
                if asked != self.answered < self.says:
                    asked = self.answered
                    await stream.send_all(f"SAY {asked} line {asked}\n".encode())
                line = await lines.next()
                if line is None:
                    return
                if line == f"OK {self.answered}":
                    self.answered += 1
                else:
                    place, text = line.removeprefix("MSG ").split(" ", 1)
                    assert int(place) == len(self.heard) + 1, "in order, none missed, none twice"
                    self.heard.append(text)


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_line_of_the_chat_is_lost_or_told_twice(seed: int):
    """Each of three clients hears all lines of all, in one order."""
    made, port = listening()
    clients = [Chatter(nick, port, says=200, hears=600) for nick in "abc"]
    striker = Striker(seed)

    async def talk() -> None:
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(client.run)

    with made:
        await under_fire(chat.tree(made, intensity=MANY), striker, talk)
    assert clients[0].heard == clients[1].heard == clients[2].heard
    assert sorted(clients[0].heard) == sorted(f"{n} line {i}" for n in "abc" for i in range(200))
    assert striker.kills > 20, f"seed {seed}"


class FarSide:
    """Takes batches, slowly; ends some connections before it says so."""

    def __init__(self, seed: int, expected: set[tuple[str, ...]]) -> None:
        self.random = random.Random(f"far {seed}")
        self.expected = expected
        self.got: set[tuple[str, ...]] = set()
        self.complete = trio.Event()
        self.dropped = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        lines = LineReader(stream)
        try:
            while (head := await lines.next()) is not None:
                batch = [await lines.next() for _ in range(int(head))]
                await trio.sleep(self.random.uniform(0, 0.02))
                self.got |= {tuple(line.split(" ")) for line in batch if line is not None}
                if self.got >= self.expected:
                    self.complete.set()
                if self.random.random() < 0.2:
                    self.dropped += 1
                    return
                await stream.send_all(b"ACK\n")
        except trio.BrokenResourceError:
            pass  # the uplink was killed


async def send_readings(device: str, port: int, number: int) -> None:
    """A device: says each reading again until it is taken."""
    sent = 0
    while sent < number:
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                lines = LineReader(stream)
                while sent < number:
                    await stream.send_all(f"PUT {device} {sent} {sent * 1.5}\n".encode())
                    answer = await lines.next()
                    if answer is None:
                        break
                    sent += answer == f"OK {sent}"
        except (OSError, trio.BrokenResourceError):
            continue


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_reading_reaches_the_far_side(seed: int):
    """Shards, uplinks, clients and the listener are killed; the far side is slow and unreliable."""
    made, port = listening()
    devices = [f"device-{n}" for n in range(6)]
    expected = {(device, str(n), str(n * 1.5)) for device in devices for n in range(READINGS)}
    far, striker = FarSide(seed, expected), Striker(seed)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    far_port = listeners[0].socket.getsockname()[1]

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            for device in devices:
                nursery.start_soon(send_readings, device, port, READINGS)
        await far.complete.wait()

    with made:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, far.serve, listeners))
            root = gateway.tree(made, ("127.0.0.1", far_port), 4, intensity=MANY)
            await under_fire(root, striker, work)
            nursery.cancel_scope.cancel()
    assert far.got == expected
    assert striker.kills > 20, f"seed {seed}"
    assert far.dropped > 0, f"seed {seed}"


async def test_statistics_ask_all_shards_at_once():
    """A device that asks is told what waits in each; a far side that is away loses nothing."""
    made, port = listening()
    system = System()
    with made, trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            root = gateway.tree(made, ("127.0.0.1", 9), 2, intensity=MANY)
            nursery.start_soon(system.run, root)
            await send_readings("a", port, 3)
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(b"STATS\n")
                said = await LineReader(stream).next()
            system.stop()
    assert sorted(said.split()) == ["0", "3", "STATS"]
