"""What the runtime costs: `python -m bench.runtime [--quick] [--triotp PYTHON]`.

Beside it, in the same run: trio's bare channels and nurseries as the floor, and pykka and triotp
as peers, the latter by the interpreter that scripts/triotp makes. A table on stdout, every round in
bench/results/runtime.json. The figure shown is the best round by wall clock, with the processor
time of the best round by that: other programs on the machine can only add to either.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

from bench.runtime_peers import BURST, CALLERS, PEERS, ROUNDS, TIMEOUT, Timing
from supervision import (
    Actor,
    ActorRef,
    ChildSpec,
    Request,
    System,
    count_children,
    delete_child,
    dynamic_supervisor,
    handles,
    start_child,
    supervisor,
    terminate_child,
)
from supervision.events import Event, Started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RESULTS = Path(__file__).parent / "results" / "runtime.json"
TRIOTP = Path(__file__).parents[1] / ".venv/triotp/bin/python"

CASES = {
    "cast": "cast, end to end",
    "call": "call with timeout, alone",
    "call_30": f"call with timeout, {CALLERS} callers",
    "switches": "to another task and back",
    "spawn_stop": "spawn + stop",
    "crash": "crash to alive again",
    "start_1k": "start of 1,000, per child",
    "start_10k": "start of 10,000, per child",
    "shutdown": "shutdown of 10,000, per child",
}
TARGETS = {"cast": 1.5, "call": 20.0, "call_30": 25.0, "spawn_stop": 130.0, "crash": 250.0}
"""Microseconds."""
MEMORY_TARGET = 8 * 1024
TIMES_PYKKA = {"cast": 4.0, "call": 6.0, "spawn_stop": 4.0}
"""How many times as fast as pykka."""
BEAM = {"cast": 0.24, "call": 0.90, "spawn_stop": 3.7}
"""Microseconds, quoted: measured on this kind of machine with OTP, not in this run."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A cast."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last cast of a burst."""

    done: trio.Event


@dataclass(frozen=True, slots=True)
class Get(Request[int]):
    """A call."""


@dataclass(frozen=True, slots=True)
class Fall:
    """Crash."""


class Server(Actor):
    """Does next to nothing."""

    @handles(Tick)
    def _tick(self, _message: Tick) -> None:
        pass

    @handles(Last)
    def _last(self, message: Last) -> None:
        message.done.set()

    @handles(Get)
    def _get(self, _request: Get) -> int:
        return 1

    @handles(Fall)
    def _fall(self, _message: Fall) -> None:
        raise ValueError("as told")


async def with_system(body: Callable[[System], Awaitable[None]]) -> None:
    system = System()
    tree = supervisor(
        "root",
        [dynamic_supervisor("pool"), ChildSpec("server", Server)],
        intensity=10**9,
        period=0.001,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, tree)
        await wait_all_tasks_blocked()
        await body(system)
        nursery.cancel_scope.cancel()


async def ours(timing: Timing, scale: int) -> None:
    """Every case of the runtime."""

    async def body(system: System) -> None:
        server, pool = system.ref("server"), system.ref("pool")
        for _ in range(ROUNDS):
            with timing.of("cast", 50 * BURST // scale):
                for _ in range(50 // scale):
                    for _ in range(BURST - 1):
                        server.cast(Tick())
                    done = trio.Event()
                    server.cast(Last(done))
                    await done.wait()
            with timing.of("call", 5 * BURST // scale):
                for _ in range(5 * BURST // scale):
                    await server.call(Get(), timeout=TIMEOUT)
            with timing.of("call_30", CALLERS * 500 // scale):
                async with trio.open_nursery() as callers:
                    for _ in range(CALLERS):
                        callers.start_soon(ask, server, 500 // scale)
            with timing.of("spawn_stop", 2000 // scale):
                for _ in range(2000 // scale):
                    ref = await start_child(pool, ChildSpec("x", Server))
                    assert ref is not None
                    await terminate_child(pool, ref)
            await crash(system, timing, 1000 // scale)

    await with_system(body)
    await with_system(lambda system: many(system, timing, 1_000 // scale, "start_1k"))
    await with_system(
        lambda system: many(system, timing, 10_000 // scale, "start_10k", stop="shutdown")
    )


async def ask(server: ActorRef, times: int) -> None:
    for _ in range(times):
        await server.call(Get(), timeout=TIMEOUT)


async def crash(system: System, timing: Timing, times: int) -> None:
    up = trio.Event()

    def told(event: Event) -> None:
        if type(event) is Started:
            up.set()

    server, unsubscribe = system.ref("server"), system.subscribe(told)
    with timing.of("crash", times):
        for _ in range(times):
            up = trio.Event()
            server.cast(Fall())
            await up.wait()
    unsubscribe()


async def many(system: System, timing: Timing, number: int, start: str, stop: str = "") -> None:
    """As they are in a program: with the cyclic collector, which walks over all that live."""
    for _ in range(3):
        pool = await start_child(system.ref("root"), dynamic_supervisor("many"))
        assert pool is not None
        spec = ChildSpec("x", Server)
        with timing.of(start, number):
            for _ in range(number):
                await start_child(pool, spec)
        assert (await count_children(pool)).active == number
        with timing.of(stop or "stop_1k", number):
            await terminate_child(system.ref("root"), "many", timeout=1000)
        await delete_child(system.ref("root"), "many")


async def floor(timing: Timing, scale: int) -> None:
    """The same with channels, cancel scopes and nurseries alone."""
    for _ in range(ROUNDS):
        send, receive = trio.open_memory_channel[object](float("inf"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain, receive)
            with timing.of("cast", 50 * BURST // scale):
                for _ in range(50 // scale):
                    for _ in range(BURST - 1):
                        send.send_nowait(1)
                    done = trio.Event()
                    send.send_nowait(done)
                    await done.wait()
            with timing.of("call", 5 * BURST // scale):
                await channel_calls(send, 5 * BURST // scale)
            with timing.of("call_30", CALLERS * 500 // scale):
                async with trio.open_nursery() as callers:
                    for _ in range(CALLERS):
                        callers.start_soon(channel_calls, send, 500 // scale)
            nursery.start_soon(echo, parked := [])
            await wait_all_tasks_blocked()
            with timing.of("switches", 5 * BURST // scale):
                for _ in range(5 * BURST // scale):
                    trio.lowlevel.reschedule(parked.pop())
                    parked.append(trio.lowlevel.current_task())
                    await trio.lowlevel.wait_task_rescheduled(may_be_cancelled)
            with timing.of("spawn_stop", 2000 // scale):
                for _ in range(2000 // scale):
                    scope = await nursery.start(task_with_channel)
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()


async def drain(receive: trio.MemoryReceiveChannel[object]) -> None:
    while True:
        item = await receive.receive()
        while True:
            if isinstance(item, trio.Event):
                item.set()
            elif isinstance(item, trio.MemorySendChannel):
                item.send_nowait(1)
            try:
                item = receive.receive_nowait()
            except trio.WouldBlock:
                break


async def echo(parked: list[trio.lowlevel.Task]) -> None:
    """Wake whoever woke us: what no call on trio can do without."""
    while True:
        if parked:
            trio.lowlevel.reschedule(parked.pop())
        parked.append(trio.lowlevel.current_task())
        await trio.lowlevel.wait_task_rescheduled(may_be_cancelled)


def may_be_cancelled(_raise_cancel: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.SUCCEEDED


async def channel_calls(send: trio.MemorySendChannel[object], times: int) -> None:
    for _ in range(times):
        reply, answer = trio.open_memory_channel[int](1)
        send.send_nowait(reply)
        with trio.fail_after(TIMEOUT):
            await answer.receive()
        reply.close()
        answer.close()


async def task_with_channel(task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    send, receive = trio.open_memory_channel[object](float("inf"))
    with trio.CancelScope() as scope, send, receive:
        task_status.started(scope)
        await receive.receive()


def memory(number: int) -> float:
    """Bytes of Python's heap per idle actor."""
    per_actor = 0.0

    async def body(system: System) -> None:
        nonlocal per_actor
        pool, spec = system.ref("pool"), ChildSpec("x", Server)
        for _ in range(100):
            await start_child(pool, spec)
        gc.collect()
        tracemalloc.start()
        for _ in range(number):
            await start_child(pool, spec)
        gc.collect()
        per_actor = tracemalloc.get_traced_memory()[0] / number
        tracemalloc.stop()

    trio.run(with_system, body)
    return per_actor


def peer(name: str, python: str) -> dict[str, list[list[float]]] | str:
    """A peer's rounds, or why there are none."""
    if not Path(python).exists():
        return f"there is no {python}; scripts/triotp makes it"
    script = Path(__file__).with_name("runtime_peers.py")
    done = subprocess.run(
        [python, script, name], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        return done.stderr.strip().splitlines()[-1]
    found = json.loads(done.stdout)
    return found.get("missing") or found


Rounds = dict[str, list[tuple[float, float]]]


def best(rounds: Rounds, case: str) -> tuple[float, float] | None:
    """Best wall-clock and best processor microseconds of that case."""
    if case not in rounds:
        return None
    return tuple(min(column) * 1e6 for column in zip(*rounds[case], strict=True))  # type: ignore[return-value]


def print_table(columns: dict[str, Rounds], bytes_per_actor: float) -> None:
    print(f"{'µs, wall clock (processor)':<32}" + "".join(f"{n:>18}" for n in columns)
          + f"{'BEAM, quoted':>14}{'target':>9}")  # fmt: skip
    for case, title in CASES.items():
        cells = ""
        for rounds in columns.values():
            figures = best(rounds, case)
            text = "-" if figures is None else f"{figures[0]:.2f} ({figures[1]:.2f})"
            cells += f"{text:>18}"
        target = f"≤ {TARGETS[case]:g}" if case in TARGETS else ""
        print(f"{title:<32}{cells}{BEAM.get(case, '-'):>14}{target:>9}")
    print(f"{'bytes per idle actor':<32}{bytes_per_actor:>18.0f}{'':>44}≤ {MEMORY_TARGET}")
    for case, times in TIMES_PYKKA.items():
        mine, theirs = best(columns["supervision"], case), best(columns.get("pykka", {}), case)
        if mine and theirs:
            print(
                f"{CASES[case]}: {theirs[0] / mine[0]:.1f} times as fast as pykka; target {times:g}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the operations")
    parser.add_argument("--triotp", metavar="PYTHON", default=str(TRIOTP))
    options = parser.parse_args()
    scale = 10 if options.quick else 1

    mine, bare = Timing(), Timing()
    trio.run(ours, mine, scale)
    trio.run(floor, bare, scale)
    columns: dict[str, Rounds] = {"supervision": mine.rounds, "trio channels": bare.rounds}
    missing = {}
    for name in PEERS:
        found = peer(name, options.triotp if name == "triotp" else sys.executable)
        if isinstance(found, str):
            missing[name] = found
        else:
            columns[name] = {case: [(w, c) for w, c in rounds] for case, rounds in found.items()}
    bytes_per_actor = memory(2_000 // scale)

    print_table(columns, bytes_per_actor)
    for name, why in missing.items():
        print(f"{name}: not measured: {why}")
    RESULTS.parent.mkdir(exist_ok=True)
    document = {
        "python": platform.python_version(),
        "trio": version("trio"),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "quick": options.quick,
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds_per_operation": columns,
        "bytes_per_idle_actor": bytes_per_actor,
        "missing": missing,
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
