"""`stockstream watch` as people run it, against real servers that go and come."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from codecs import IncrementalDecoder, getincrementaldecoder
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream.cli.watch import client as client_module
from stockstream.cli.watch.client import Client
from stockstream.cli.watch.nodes import Itinerary, parse_address
from stockstream.cli.watch.truths import truths
from stockstream.cli.watch.watching import Open, Watching
from tests.integration.delivery.upstream import started_api
from tests.support.commands import run_command
from tests.support.cut_wire import cut_wire
from tests.support.deep import only_deep
from tests.support.nodes import public_nodes
from tests.support.selfsigned import server_context
from tests.support.server import free_port, running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.support.server import Server

Line = dict[str, Any]
SECONDS = 20.0


@dataclass
class Watch:
    """A running `stockstream watch --json`, and what it wrote; fails on a version that falls."""

    process: trio.Process
    lines: list[Line] = field(default_factory=list)
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    _came: trio.Event = field(default_factory=trio.Event)

    async def read(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        async for piece in self.process.stdout:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                self._take(json.loads(line))
        assert rest == b""

    def _take(self, line: Line) -> None:
        self.lines.append(line)
        if line["type"] == "price":
            version = tuple(line["version"])
            assert version >= self.versions.get(line["symbol"], version)
            self.versions[line["symbol"]] = version
        self._came.set()
        self._came = trio.Event()

    async def until(self, holds: Callable[[Line], bool], after: int = 0) -> Line:
        """The first line after so many for which it holds, waiting for it."""
        with trio.fail_after(SECONDS):
            while True:
                for line in self.lines[after:]:
                    if holds(line):
                        return line
                await self._came.wait()

    async def price_from(self, server: Server, after: int = 0) -> Line:
        return await self.until(is_price(url=server.url), after)

    async def ended(self) -> int:
        with trio.fail_after(SECONDS):
            return await self.process.wait()


@asynccontextmanager
async def watching(
    environment: dict[str, str], folder: Path, *arguments: str
) -> AsyncIterator[Watch]:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "stockstream", "watch", "--json", *arguments],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
    )
    watch = Watch(process)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.read)
        try:
            yield watch
        finally:
            if process.poll() is None:
                process.kill()
                await process.wait()


def is_status(**said: object) -> Callable[[Line], bool]:
    return lambda line: line["type"] == "status" and said.items() <= line.items()


def is_price(**said: object) -> Callable[[Line], bool]:
    return lambda line: line["type"] == "price" and said.items() <= line.items()


async def run(environment: dict[str, str], folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run `stockstream watch` to its end, in a pipe."""
    ran = await run_command(["watch", *arguments], environment, folder, SECONDS)
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


async def test_prices_for_people_and_for_programs(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Lines with the same figures; what is not served is told, and the rest goes on."""
    async with running_server(tmp_path, {"STOCK_API_URL": SIMULATED, "BASE_PATH": "/stocks"}) as a:
        environment |= {"STOCKSTREAM_URL": a.url, "FORCE_COLOR": "1"}
        code, out, _ = await run(environment, tmp_path, "aapl", "NOPE", "x$y", "--count", "2")
        assert code == 0
        assert re.search(
            r"^connection: Connected, .* \| feed: Live, .* \| breaker: Closed", out, re.MULTILINE
        )
        assert "NOPE is not served: the provider does not list it\n" in out
        assert "x$y is not served: only A-Z, 0-9 and " in out
        prices = re.findall(
            r"^AAPL [\d.]+ USD [+-]?[\d.]+ [+-]?[\d.]+ % since first seen at", out, re.MULTILINE
        )
        assert len(prices) == 2
        below = f"{a.url}/stocks"
        code, out, _ = await run(
            environment,
            tmp_path,
            "--all",
            "--json",
            "--url",
            below,
            "--for",
            "1.5",
            "--max-rate",
            "2",
        )
        assert code == 0
        lines = [json.loads(line) for line in out.splitlines()]
        told = [line for line in lines if line["type"] == "price"]
        assert len({line["symbol"] for line in told}) == 6
        assert all(line["state"] == "live" and line["url"] == below for line in told)
        assert all(line["age"] < 5 and line["basis"] == "first_seen" for line in told)
        assert 6 <= len(told) <= 6 * 5  # at 10 fetches a second it were 90
        code, out, err = await run(environment, tmp_path, "NOPE")
        assert (code, out.count("NOPE")) == (1, 1)
        assert err == "stockstream: none of these is served: NOPE: the provider does not list it\n"


SIMULATED = "sim://?symbols=6&interval=0.1&seed=7"


async def test_a_server_that_is_not_there_is_named_with_the_command_that_starts_one(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Each of several with its reason; for programs as an object on a line."""
    gone = f"http://127.0.0.1:{free_port()}"
    code, out, err = await run(environment, tmp_path, "AAPL", "--url", gone)
    assert code == 1
    assert f"no server answers at {gone}: connection refused; start one with `" in err
    assert "stockstream serve`" in err
    code, out, err = await run(
        environment, tmp_path, "AAPL", "--json", "--url", gone, "--url", "http://no.such.invalid"
    )
    last = json.loads(out.splitlines()[-1])
    assert (code, last["type"], last["exit_code"], err) == (1, "error", 1, "")
    assert f"{gone}: connection refused; http://no.such.invalid: no such host" in last["error"]
    code, _, err = await run(environment, tmp_path)
    assert (code, "name the symbols to watch" in err) == (2, True)


@pytest.mark.proves("N17")
async def test_a_killed_server_is_told_waited_for_and_gone_on_with(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """No price is older than the one before, and Ctrl+C ends with 130."""
    async with running_server(tmp_path) as server, trio.open_nursery() as nursery:
        async with watching(environment, tmp_path, "AAPL", "--url", server.url) as watch:
            await watch.price_from(server)
            await server.stop(signal.SIGKILL)
            lost = await watch.until(is_status(connection="lost"))
            assert lost["url"] == server.url
            await watch.until(is_status(connection="lost", feed="unknown", breaker="unknown"))
            stale = await watch.until(lambda line: line.get("state") == "stale")
            told = (stale["reason"], stale["note"])
            assert told == ("connection", "no word from the server")
            seen = len(watch.lines)
            await server.start(nursery)
            await watch.until(is_status(connection="open"), seen)
            await watch.until(lambda line: line.get("state") == "live", seen)
            watch.process.send_signal(signal.SIGINT)
            assert await watch.ended() == 130
        nursery.cancel_scope.cancel()


@only_deep("stops one of two servers")
@pytest.mark.proves("N17")
async def test_the_next_server_is_gone_on_with_at_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """The first one says that it goes; versions rise, SIGTERM ends as Ctrl+C does."""
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    async with running_server(folders[0]) as a, running_server(folders[1]) as b:
        urls = "--url", a.url, "--url", b.url
        async with watching(environment, tmp_path, "AAPL", "MSFT", *urls) as watch:
            await watch.price_from(a)
            seen, began = len(watch.lines), trio.current_time()
            await a.stop(signal.SIGTERM)
            await watch.price_from(b, seen)
            # Well within the pause that a server asks for, or that a single one is given.
            assert trio.current_time() - began < 3.0
            watch.process.send_signal(signal.SIGTERM)
            assert await watch.ended() == 130


@only_deep("goes from node to node")
@pytest.mark.proves("N17", "N18", "T21")
async def test_the_nodes_that_a_server_tells_of_are_gone_on_with(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Though one was named alone. There and back: the versions are the cluster's."""
    fast = {"FETCH_INTERVAL": "0.2", "FETCH_INTERVAL_IDLE": "0.2"}
    with public_nodes(tmp_path, fast) as (one, two):
        async with watching(environment, tmp_path, "AAPL", "MSFT", "--url", one.url) as watch:
            moves = ((one, two, signal.SIGKILL), (two, one, signal.SIGTERM))
            for here, there, end in moves:
                await watch.until(is_price(url=here.url))
                seen = len(watch.lines)
                await trio.to_thread.run_sync(here.stop, end)
                await watch.until(is_price(url=there.url, state="live"), seen)
                await trio.to_thread.run_sync(here.start)
            assert not [line for line in watch.lines if line["type"] in {"notice", "error"}]


async def test_a_reader_that_leaves_ends_it_quietly_also_on_a_quiet_market(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Nothing is left to be written that could fail: the pipe itself is looked at."""
    async with (
        trio.open_nursery() as nursery,
        started_api(nursery, AAPL=150.0) as api,
        running_server(tmp_path, {"STOCK_API_URL": api.url}) as server,
    ):
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "stockstream", "watch", "AAPL", "--url", server.url],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        out = b""
        with trio.fail_after(SECONDS):
            while b"AAPL 150.00" not in out:
                out += await process.stdout.receive_some()
            await process.stdout.aclose()
            assert await process.wait() == 1
            assert await process.stderr.receive_some() == b""
        nursery.cancel_scope.cancel()


async def test_a_reader_that_pauses_gets_the_newest_and_costs_no_connection(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """What it did not take is not kept: the first line after the pause is of now."""
    many = "sim://?symbols=200&interval=0.05&seed=7"
    async with running_server(tmp_path, {"STOCK_API_URL": many}) as server:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "stockstream", "watch", "--all", "--json", "--url", server.url],
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        out = bytearray()
        with trio.fail_after(SECONDS):
            while out.count(b'"price"') < 200:
                out += await process.stdout.receive_some()
            await trio.sleep(1.5)  # the pipe holds a fraction of a second
            paused = len(out)
            process.send_signal(signal.SIGINT)  # nothing hangs in a write that cannot end
            async for piece in process.stdout:
                out += piece
            assert await process.wait() == 130
        lines = bytes(out[paused:]).split(b"\n")[1:-1]
        assert len(lines) < 1_000  # of 6,000 that came meanwhile
        assert b'"lost"' not in out


async def test_a_proxy_that_stalls_is_left_for_the_next_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is doubted, told, and after a question without an answer the connection is lost."""
    monkeypatch.setattr(client_module, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(client_module, "PROBE_SECONDS", 1.0)
    async with running_server(tmp_path) as server, trio.open_nursery() as nursery:
        with cut_wire(server.url) as wire:
            state = Watching(("AAPL",))
            way = Itinerary([parse_address(wire.url), parse_address(server.url)], Random(1).random)
            client = Client(state, way)
            nursery.start_soon(client.run)
            with trio.fail_after(SECONDS):
                while state.prices < 2:
                    await client.wait()
                wire.cut()
                while state.doubted_since is None:
                    await client.wait()
                soon = state.doubted_since + 1_100  # as it will stand, while nothing comes
                assert truths(state, soon).connection.name == "No answer"
                assert state.standing(state.rows["AAPL"], soon).note == "no word from the server"
                before = state.prices
                while state.prices == before:
                    await client.wait()
            assert state.url == server.url
            assert isinstance(state.link, Open)
            nursery.cancel_scope.cancel()


async def test_over_tls_by_the_trust_of_the_system(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """A certificate that nobody vouches for is named as the reason."""
    context = server_context(tmp_path, address="127.0.0.1")
    async with running_server(tmp_path) as server, trio.open_nursery() as nursery:

        async def pass_on(outside: trio.SSLStream[trio.SocketStream]) -> None:
            inside = await trio.open_tcp_stream("127.0.0.1", server.port)
            async with outside, inside, trio.open_nursery() as both:
                both.start_soon(_pump, outside, inside, both.cancel_scope)
                both.start_soon(_pump, inside, outside, both.cancel_scope)

        serving = partial(trio.serve_ssl_over_tcp, host="127.0.0.1")
        listeners = await nursery.start(serving, pass_on, 0, context)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        url = f"https://127.0.0.1:{port}"
        asked = "AAPL", "--count", "1", "--url", url
        trusting = {**environment, "SSL_CERT_FILE": str(tmp_path / "server.pem")}
        code, out, err = await run(trusting, tmp_path, *asked)
        assert (code, "AAPL" in out) == (0, True), err
        code, _, err = await run(environment, tmp_path, *asked)
        assert code == 1
        assert re.search(rf"no server answers at {url}: TLS: .*self.signed certificate", err)
        nursery.cancel_scope.cancel()


async def _pump(source: trio.abc.Stream, sink: trio.abc.Stream, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some(65_536):
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


@dataclass
class Terminal:
    """A pseudo-terminal and the program in it."""

    pid: int
    descriptor: int
    written: str = ""
    _decoder: IncrementalDecoder = field(default_factory=getincrementaldecoder("utf-8"))

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, size)

    async def until(self, pattern: str) -> str:
        """Read on until what was written since the last time matches; the matching text."""
        with trio.move_on_after(SECONDS):
            while (found := re.search(pattern, self.written, re.DOTALL)) is None:
                await self._read()
            self.written = self.written[found.end() :]
            return found[0]
        raise AssertionError(f"no {pattern!r} came after {self.written[-2_000:]!r}")

    async def rest(self) -> str:
        """All that comes until it ends."""
        with trio.move_on_after(SECONDS) as limit:
            while True:
                try:
                    await self._read()
                except OSError:  # Linux says so when the program has ended
                    break
        assert not limit.cancelled_caught, f"it goes on after {self.written[-2_000:]!r}"
        return self.written

    async def _read(self) -> None:
        await trio.lowlevel.wait_readable(self.descriptor)
        self.written += self._decoder.decode(os.read(self.descriptor, 65_536))


@contextmanager
def terminal(
    environment: dict[str, str], size: tuple[int, int], *arguments: str
) -> Iterator[Terminal]:
    controller, program = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "stockstream", "watch", *arguments],
        env=environment,
        stdin=program,
        stdout=program,
        stderr=program,
        start_new_session=True,
    )
    shown = Terminal(process.pid, controller)
    shown.resize(*size)
    os.close(program)
    try:
        yield shown
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def plain(text: str) -> list[str]:
    """The lines of a frame, without what only a terminal reads."""
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).replace("\r", "").split("\n")


FRAME = r"\x1b\[H(?:(?!\x1b\[H).)*\x1b\[J"


async def _frame(shown: Terminal, fits: Callable[[list[str]], bool]) -> list[str]:
    """The lines of the first frame that fits."""
    lines: list[str] = []
    with trio.move_on_after(SECONDS):
        while not lines or not fits(lines):
            lines = plain(await shown.until(FRAME))
        return lines
    raise AssertionError(f"no frame fits, not even {lines}")


async def test_in_a_terminal_a_table_is_drawn_anew_and_its_last_state_stays(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Truths above, a row for each symbol, as wide as the terminal; the cursor comes back."""
    # The size is the terminal's. Python's `readline`, which pytest loads for its debugger, puts one
    # of its own into the environment, and a worker of `-n` inherits it.
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    environment["TERM"] = "xterm-256color"
    async with running_server(tmp_path) as server:
        asked = "AAPL", "MSFT", "NOPE", "--url", server.url
        with terminal(environment, (100, 30), *asked) as shown:
            await shown.until(r"\x1b\[\?1049h\x1b\[\?25l")
            await shown.until(r"AAPL.*not list it")
            lines = plain(await shown.until(FRAME))
            assert lines[0].startswith("Connection Connected")
            assert re.match(r"Feed +Live +fetched \d s ago · every 1 s$", lines[1].rstrip())
            assert re.match(r"Breaker +Closed +requests pass$", lines[2].rstrip())
            rows = [line for line in lines if line.startswith(("AAPL", "MSFT", "NOPE"))]
            assert re.match(
                r"AAPL +1\d\d\.\d\d +[+-]?\d+\.\d\d +[+-]?\d+\.\d\d % +\S? +\d s", rows[0]
            )
            assert re.match(r"NOPE +- +- +Not served +the provider does not list it", rows[2])
            assert "\x1b[32m" in shown.written + await shown.until(FRAME)
            # Ctrl+Z: the shell gets its own screen and its cursor, and gives them back.
            os.kill(shown.pid, signal.SIGTSTP)
            await shown.until(r"\x1b\[\?25h\x1b\[\?1049l")
            with trio.fail_after(SECONDS):
                await trio.to_thread.run_sync(os.waitid, os.P_PID, shown.pid, os.WSTOPPED)
            os.kill(shown.pid, signal.SIGCONT)
            await shown.until(r"\x1b\[\?1049h\x1b\[\?25l")
            await shown.until(FRAME)
            # A frame that was being drawn is still as large as the terminal was.
            shown.resize(30, 30)
            await _frame(shown, lambda lines: all(len(line.rstrip()) <= 30 for line in lines))
            shown.resize(80, 6)
            low = await _frame(shown, lambda lines: len(lines) <= 6)
            assert low[-1].startswith("and 3 more")
            os.kill(shown.pid, signal.SIGINT)
            left = (await shown.rest()).rpartition("\x1b[?25h\x1b[?1049l")[2]
            assert any(line.startswith("MSFT") for line in plain(left))
        for setting in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            with terminal(environment | setting, (80, 30), *asked, "--count", "3") as shown:
                text = await shown.rest()
                assert "AAPL" in text
                assert not re.search(r"\x1b\[[\d;]*3\dm", text)
                assert ("\x1b" in text) == ("TERM" not in setting)
