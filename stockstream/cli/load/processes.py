"""The processes of clients, as the command sees them: what they are told, and what they say."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.cli.load.plan import MEASURE, STOP, Counts, Findings
from stockstream.decoding import from_json
from stockstream.errors import StartError
from stockstream.program import as_typed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stockstream.cli.load.plan import Plan

ARRIVE_SECONDS = 60.0
"""For the last clients to be there, beyond the time that the ramp takes."""
FINDINGS_SECONDS = 30.0
KILL_SECONDS = 5.0
SAID_EVERY_SECONDS = 5.0


class _Crowd:
    """One process, as the command sees it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._stdin: trio.abc.SendStream
        self.counts = Counts()
        self.findings: Findings | None = None
        self.ended = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start it, and read what it says to its end."""
        command = [sys.executable, "-P", "-m", "stockstream.cli.load.crowd"]
        # In a group of its own: Ctrl+C is for the command, which wants the findings then.
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None  # noqa: S101 - two pipes were asked for
        assert process.stdout is not None  # noqa: S101
        self._stdin = process.stdin
        try:
            await self.say(msgspec.json.encode(self._plan) + b"\n")
            task_status.started()
            await self._read(process.stdout)
            await process.wait()
        finally:
            self.ended.set()
            if process.returncode is None:
                process.kill()
                with trio.move_on_after(KILL_SECONDS, shield=True):
                    await process.wait()

    async def say(self, word: bytes) -> None:
        """Tell it something; one that has ended is told nothing."""
        try:
            await self._stdin.send_all(word)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()

    async def _read(self, stdout: trio.abc.ReceiveStream) -> None:
        rest = b""
        async for piece in stdout:
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                told = from_json(line, Counts | Findings)  # type: ignore[arg-type]
                if isinstance(told, Findings):
                    self.findings = told
                else:
                    self.counts = told


class Crowds:
    """All of them."""

    def __init__(self, crowds: Sequence[_Crowd]) -> None:
        self._crowds = crowds

    def total(self, name: str) -> int:
        """The sum of one of the counts."""
        return sum(int(getattr(crowd.counts, name)) for crowd in self._crowds)

    def check(self) -> None:
        """See that all run.

        Raises:
            StartError: one has ended by itself.
        """
        if any(crowd.ended.is_set() for crowd in self._crowds):
            raise StartError("a process of clients has ended; what it said stands above")

    async def say(self, word: bytes) -> None:
        """Tell all of them."""
        async with trio.open_nursery() as nursery:
            for crowd in self._crowds:
                nursery.start_soon(crowd.say, word)

    async def findings(self) -> list[Findings]:
        """Have them stop, and say what they found.

        Raises:
            StartError: one does not.
        """
        await self.say(STOP)
        with trio.move_on_after(FINDINGS_SECONDS):
            for crowd in self._crowds:
                await crowd.ended.wait()
        found = [crowd.findings for crowd in self._crowds]
        if None in found:
            raise StartError("a process of clients ended without its findings")
        return [one for one in found if one is not None]


@asynccontextmanager
async def running(plans: Sequence[Plan]) -> AsyncIterator[Crowds]:
    """Start a process for each plan; they end with the `with`."""
    crowds = [_Crowd(plan) for plan in plans]
    async with trio.open_nursery() as nursery:
        for crowd in crowds:
            await nursery.start(crowd.run)
        yield Crowds(crowds)
        nursery.cancel_scope.cancel()


async def measure(crowds: Crowds, clients: int, seconds: float, ramp_seconds: float) -> bool:
    """Wait for all clients, then for so long; whether Ctrl+C or SIGTERM ended it."""
    interrupted = False

    async def heed(scope: trio.CancelScope) -> None:
        nonlocal interrupted
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                interrupted = True
                scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(heed, nursery.cancel_scope)
        with trio.move_on_after(ramp_seconds + ARRIVE_SECONDS):
            await _until_tried(crowds, clients)
        if not crowds.total("connects"):
            nursery.cancel_scope.cancel()
            return False
        await crowds.say(MEASURE)
        with trio.move_on_after(seconds):
            await _keep_saying(crowds, seconds)
        nursery.cancel_scope.cancel()
    return interrupted


async def _until_tried(crowds: Crowds, clients: int) -> None:
    said = trio.current_time()
    while crowds.total("tried") < clients and crowds.total("open") < clients:
        crowds.check()
        await trio.sleep(0.2)
        if trio.current_time() - said >= SAID_EVERY_SECONDS:
            said = trio.current_time()
            say(f"{crowds.total('open'):,} of {clients:,} clients are connected")


async def _keep_saying(crowds: Crowds, seconds: float) -> None:
    began = trio.current_time()
    before = 0
    while True:
        await trio.sleep(SAID_EVERY_SECONDS)
        crowds.check()
        prices = crowds.total("prices")
        rate = max(0, prices - before) / SAID_EVERY_SECONDS
        before = prices
        say(
            f"{trio.current_time() - began:.0f} of {seconds:.0f} s: "
            f"{crowds.total('open'):,} clients, {rate:,.0f} prices a second"
        )


def say(text: str) -> None:
    """Tell people how it goes, with our commands as they have to be typed here."""
    sys.stderr.write(f"{as_typed(text)}\n")
    sys.stderr.flush()
