"""What the stub API carries: `python -m bench.stub_api [--seconds 10]`.

`python -m mockserver` is started as users start it, with the shipped stock prices, and asked for
them over keep-alive connections, raw ones, so that the client is cheap. First 500 requests a
second, each sent at its own time whether or not earlier ones were answered in time: the latency is
counted from that time. Then as fast as it answers. The CPU is the server's, user and system.

With `--wiremock JAR` the real WireMock answers the same file to the same requests in the same run,
in turns with ours, so that both meet the same machine. It is asked for a while before, until Java
has compiled what it runs. With `--before FOLDER` so does the stub API of another checkout.
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
from contextlib import ExitStack, contextmanager
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
WARM_SECONDS = 30
TURNS = 5


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
def running_stub_api(checkout: Path = STUBS.parents[1]) -> Iterator[tuple[int, int]]:
    """`python -m mockserver`: its process id and port."""
    with subprocess.Popen(
        [sys.executable, "-m", "mockserver", "--port", "0"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
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
        f"{name:<24}{count / seconds:>12.0f}{cpu / count * 1e6:>14.0f}"
        f"{statistics.median(milliseconds):>9.1f}{p99:>9.1f}{max(milliseconds):>9.1f}"
    )


async def connected(port: int) -> list[Connection]:
    return [await Connection.open(port) for _ in range(CONNECTIONS)]


async def measure(seconds: float) -> None:
    with running_stub_api() as (pid, port):
        connections = await connected(port)
        print(f"{'':<24}{'answered/s':>12}{'us CPU each':>14}{'p50 ms':>9}{'p99':>9}{'max':>9}")
        before = cpu_seconds(pid)
        paced = await at_a_rate(connections, ASKED_FOR, seconds)
        between = cpu_seconds(pid)
        print(row(f"{ASKED_FOR} a second", paced, between - before, seconds))
        fast = await flat_out(connections, seconds)
        print(row("flat out", fast, cpu_seconds(pid) - between, seconds))
        late = len(paced.latencies) < ASKED_FOR * seconds * 0.99
        print(f"{ASKED_FOR} a second: {'MISSED' if late else 'met'}")


async def measure_beside(jar: Path | None, before: Path | None, seconds: float) -> None:
    """Ours and others in turns, at both rates; the medians of the turns' CPU, and of the ratios."""
    with ExitStack() as running:
        servers = {"ours": running.enter_context(running_stub_api())}
        if before is not None:
            servers["before"] = running.enter_context(running_stub_api(before))
        if jar is not None:
            servers["WireMock"] = running.enter_context(running_wiremock(jar))
        for name, (_, port) in servers.items():
            warm = WARM_SECONDS if name == "WireMock" else 1
            await flat_out(await connected(port), warm)
        print(f"{'':<24}{'answered/s':>12}{'us CPU each':>14}{'p50 ms':>9}{'p99':>9}{'max':>9}")
        for rate in (f"{ASKED_FOR} a second", "flat out"):
            costs: dict[str, list[float]] = {name: [] for name in servers}
            for _ in range(TURNS):
                for name, (pid, port) in servers.items():
                    # Anew for each turn: idle ones are closed meanwhile.
                    connections = await connected(port)
                    begun = cpu_seconds(pid)
                    if rate == "flat out":
                        answers = await flat_out(connections, seconds)
                    else:
                        answers = await at_a_rate(connections, ASKED_FOR, seconds)
                    cpu = cpu_seconds(pid) - begun
                    costs[name].append(cpu / len(answers.latencies) * 1e6)
                    print(row(f"{name}, {rate}", answers, cpu, seconds))
            print(f"{rate}, us of CPU: {', '.join(compared(costs))}")


def compared(costs: dict[str, list[float]]) -> Iterator[str]:
    """Each server's median, and the median of ours over its own in the same turn."""
    for name, values in costs.items():
        shown = f"{name} {statistics.median(values):.0f}"
        if name != "ours":
            ratios = [mine / other for mine, other in zip(costs["ours"], values, strict=True)]
            shown += f" (ours over it {statistics.median(ratios):.2f})"
        yield shown


def _folder(text: str) -> Path:
    return Path(text).resolve(strict=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="for each of the two rows")
    parser.add_argument("--wiremock", type=Path, metavar="JAR", help="measure WireMock beside")
    parser.add_argument(
        "--before", type=_folder, metavar="FOLDER", help="measure a checkout beside"
    )
    options = parser.parse_args()
    trio.run(measure, options.seconds)
    if options.wiremock is not None or options.before is not None:
        trio.run(measure_beside, options.wiremock, options.before, options.seconds)


if __name__ == "__main__":
    main()
