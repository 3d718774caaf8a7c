"""What the stub API carries: `python -m bench.stub_api [--seconds 10]`.

`python -m mockserver` is started as users start it, with the shipped stock prices, and asked for
them over keep-alive connections, raw ones, so that the client is cheap. First 500 requests a
second, each sent at its own time whether or not earlier ones were answered in time: the latency is
counted from that time. Then as fast as it answers. The CPU is the server's, user and system.

With `--wiremock JAR` the real WireMock answers the same file to the same requests in the same run,
in turns with ours, so that both meet the same machine. It is asked for a while before, until Java
has compiled what it runs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED_FOR = 500
"""Requests per second: M20."""
CONNECTIONS = 16
PORT = re.compile(r"http://127\.0\.0\.1:(\d+)")
LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)\r\n")
LAST = re.compile(rb"(?i)\r\nconnection: close\r\n")
REQUEST = b"GET /api/stock-prices HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"


@dataclass
class Answers:
    """What came back; latencies in seconds."""

    latencies: list[float] = field(default_factory=list)
    bytes: int = 0


class Connection:
    """A keep-alive connection: a request at a time. After the last answer of one comes another."""

    def __init__(self, port: int, stream: trio.SocketStream) -> None:
        self._port = port
        self._stream = stream

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect to this machine's `port`."""
        return cls(port, await trio.open_tcp_stream("127.0.0.1", port))

    async def ask(self) -> int:
        """Ask for the prices; the bytes of the answer. RuntimeError unless it is a whole 200."""
        await self._stream.send_all(REQUEST)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += await self._received()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"the stub API answered {head[:200]!r}")
        while len(body) < int(length[1]):
            body += await self._received()
        if LAST.search(head + b"\r\n"):
            await self._stream.aclose()
            self._stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        return len(body)

    async def _received(self) -> bytes:
        data = bytes(await self._stream.receive_some())
        if not data:
            raise RuntimeError("the stub API closed a connection in the middle of an answer")
        return data


async def at_a_rate(connections: list[Connection], rate: float, seconds: float) -> Answers:
    """Each connection sends its share, evenly spread over time, late or not."""
    answers = Answers()
    started = trio.current_time() + 0.1
    pause = len(connections) / rate

    async def keep_asking(number: int, connection: Connection) -> None:
        due = started + number / rate
        while due < started + seconds:
            await trio.sleep_until(due)
            answers.bytes += await connection.ask()
            answers.latencies.append(trio.current_time() - due)
            due += pause

    async with trio.open_nursery() as nursery:
        for number, connection in enumerate(connections):
            nursery.start_soon(keep_asking, number, connection)
    return answers


async def flat_out(connections: list[Connection], seconds: float) -> Answers:
    """Each connection asks again at once."""
    answers = Answers()

    async def keep_asking(connection: Connection, until: float) -> None:
        while (sent := trio.current_time()) < until:
            answers.bytes += await connection.ask()
            answers.latencies.append(trio.current_time() - sent)

    async with trio.open_nursery() as nursery:
        for connection in connections:
            nursery.start_soon(keep_asking, connection, trio.current_time() + seconds)
    return answers


STUBS = Path(__file__).parents[1] / "mockserver" / "expectations"
WARM_SECONDS = 10
TURNS = 3


@contextmanager
def running_wiremock(jar: Path) -> Iterator[tuple[int, int]]:
    """The real WireMock with the shipped stubs: its process id and port."""
    with tempfile.TemporaryDirectory() as root:
        shutil.copytree(STUBS, Path(root) / "mappings")
        command = [
            "java",
            "-jar",
            str(jar),
            "--port",
            "0",
            "--root-dir",
            root,
            "--disable-banner",
            "--use-chunked-encoding",
            "never",
        ]  # the client reads by Content-Length
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if (found := re.match(r"port: +(\d+)", line)) is not None:
                        break
                else:
                    raise RuntimeError("WireMock did not start")
                yield process.pid, int(found[1])
            finally:
                process.kill()


@contextmanager
def running_stub_api() -> Iterator[tuple[int, int]]:
    """`python -m mockserver`: its process id and port."""
    with subprocess.Popen(
        [sys.executable, "-m", "mockserver", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if (found := PORT.search(line)) is None:
                raise RuntimeError(f"the stub API did not start: {line!r}")
            yield process.pid, int(found[1])
        finally:
            process.terminate()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, from /proc/PID/stat (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def row(name: str, answers: Answers, cpu: float, seconds: float) -> str:
    milliseconds = [latency * 1e3 for latency in answers.latencies]
    p99 = statistics.quantiles(milliseconds, n=100)[98]
    count = len(milliseconds)
    return (
        f"{name:<22}{count / seconds:>12.0f}{cpu / count * 1e6:>14.0f}"
        f"{statistics.median(milliseconds):>9.1f}{p99:>9.1f}{max(milliseconds):>9.1f}"
    )


async def connected(port: int) -> list[Connection]:
    return [await Connection.open(port) for _ in range(CONNECTIONS)]


async def measure(seconds: float) -> None:
    with running_stub_api() as (pid, port):
        connections = await connected(port)
        print(f"{'':<22}{'answered/s':>12}{'us CPU each':>14}{'p50 ms':>9}{'p99':>9}{'max':>9}")
        before = cpu_seconds(pid)
        paced = await at_a_rate(connections, ASKED_FOR, seconds)
        between = cpu_seconds(pid)
        print(row(f"{ASKED_FOR} a second", paced, between - before, seconds))
        fast = await flat_out(connections, seconds)
        print(row("flat out", fast, cpu_seconds(pid) - between, seconds))
        late = len(paced.latencies) < ASKED_FOR * seconds * 0.99
        print(f"{ASKED_FOR} a second: {'MISSED' if late else 'met'}")


async def measure_beside(jar: Path, seconds: float) -> None:
    """Ours and WireMock in turns, as fast as each answers; the median of the turns' CPU."""
    with running_stub_api() as ours, running_wiremock(jar) as theirs:
        servers = {"ours": ours, "WireMock": theirs}
        await flat_out(await connected(theirs[1]), WARM_SECONDS)
        costs: dict[str, list[float]] = {name: [] for name in servers}
        print(f"{'':<22}{'answered/s':>12}{'us CPU each':>14}{'p50 ms':>9}{'p99':>9}{'max':>9}")
        for _ in range(TURNS):
            for name, (pid, port) in servers.items():
                # Anew for each turn: idle ones are closed meanwhile.
                connections = await connected(port)
                before = cpu_seconds(pid)
                answers = await flat_out(connections, seconds)
                cpu = cpu_seconds(pid) - before
                costs[name].append(cpu / len(answers.latencies) * 1e6)
                print(row(name, answers, cpu, seconds))
        medians = {name: statistics.median(values) for name, values in costs.items()}
        print(", ".join(f"{name} {cost:.0f} us of CPU" for name, cost in medians.items()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="for each of the two rows")
    parser.add_argument("--wiremock", type=Path, metavar="JAR", help="measure WireMock beside")
    options = parser.parse_args()
    trio.run(measure, options.seconds)
    if options.wiremock is not None:
        trio.run(measure_beside, options.wiremock, options.seconds)


if __name__ == "__main__":
    main()
