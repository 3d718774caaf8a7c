# ruff: noqa: ANN001, ANN201, ANN202, ANN204, PLC0415, SLF001 - untyped, optional peers
"""Peers of the runtime, each run as a program of its own: `python bench/runtime_peers.py pykka`.

Prints one line of JSON: per case the rounds, each as (wall-clock, processor) seconds per
operation. It is a process of its own, so that the threads of one peer do not disturb the next, and
that the interpreter may be another one: triotp needs an older trio than this project.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

ROUNDS = 5
BURST = 1_000
CALLERS = 30
TIMEOUT = 5.0


class Timing:
    """Wall-clock and processor seconds per operation, of each round of each case."""

    def __init__(self):
        self.rounds = {}

    @contextmanager
    def of(self, case, operations):
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.rounds.setdefault(case, []).append((wall / operations, cpu / operations))


def measure_pykka():
    """Threads with a queue each; tell, ask with a timeout, start and stop."""
    import pykka

    class Peer(pykka.ThreadingActor):
        use_daemon_thread = True

        def __init__(self):
            super().__init__()
            self.count = 0
            self.full = threading.Event()

        def on_receive(self, message):
            if message is None:
                return self.count
            if isinstance(message, threading.Event):
                message.set()
            self.count += 1
            return None

    timing = Timing()
    for _ in range(ROUNDS):
        ref = Peer.start()
        with timing.of("cast", 10 * BURST):
            for _ in range(10):
                for _ in range(BURST - 1):
                    ref.tell(1)
                done = threading.Event()
                ref.tell(done)
                done.wait()
        with timing.of("call", BURST):
            for _ in range(BURST):
                ref.ask(None, timeout=TIMEOUT)

        def ask_many(ref=ref):
            for _ in range(50):
                ref.ask(None, timeout=TIMEOUT)

        with timing.of("call_30", CALLERS * 50):
            threads = [threading.Thread(target=ask_many) for _ in range(CALLERS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        ref.stop()
        with timing.of("spawn_stop", 200):
            for _ in range(200):
                Peer.start().stop()
    return timing.rounds


def measure_triotp():
    """OTP on trio; casts and calls go through a channel of capacity 0."""
    import trio
    import trio.testing
    from triotp import dynamic_supervisor, gen_server, mailbox, supervisor

    stopped = None

    async def init(argument):
        return argument

    async def terminate(_reason, _state):
        if stopped is not None:
            stopped.set()

    async def handle_call(_message, _caller, state):
        return gen_server.Reply(state), state

    async def handle_cast(message, state):
        if message == "stop":
            return gen_server.Stop(), state
        if isinstance(message, trio.Event):
            message.set()
        return gen_server.NoReply(), state

    async def handle_info(_message, state):
        return gen_server.NoReply(), state

    server = SimpleNamespace(
        init=init, terminate=terminate, handle_call=handle_call, handle_cast=handle_cast,
        handle_info=handle_info, __name__="server",
    )  # fmt: skip
    timing = Timing()

    async def main():
        nonlocal stopped
        mailbox._init()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gen_server.start, server, 1, "server")
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(ROUNDS):
                with timing.of("cast", 3 * BURST):
                    for _ in range(3 * BURST - 1):
                        await gen_server.cast("server", 1)
                    done = trio.Event()
                    await gen_server.cast("server", done)
                    await done.wait()
                with timing.of("call", BURST):
                    for _ in range(BURST):
                        await gen_server.call("server", None, timeout=TIMEOUT)
                with timing.of("call_30", CALLERS * 50):
                    async with trio.open_nursery() as callers:
                        for _ in range(CALLERS):
                            callers.start_soon(ask, 50)
                options = supervisor.options(max_restarts=10**6, max_seconds=1)
                pool = await nursery.start(dynamic_supervisor.start, options)
                with timing.of("spawn_stop", 300):
                    for _ in range(300):
                        stopped = trio.Event()
                        await dynamic_supervisor.start_child(pool, spec("x", "TEMPORARY"))
                        await until_there("x")
                        await gen_server.cast("x", "stop")
                        await stopped.wait()
                stopped = None
            nursery.cancel_scope.cancel()

    def spec(name, restart):
        return supervisor.child_spec(
            id=name, task=gen_server.start, args=[server, 1, name],
            restart=getattr(supervisor.restart_strategy, restart),
        )  # fmt: skip

    async def ask(times):
        for _ in range(times):
            await gen_server.call("server", None, timeout=TIMEOUT)

    async def until_there(name):
        while True:
            try:
                await gen_server.call(name, None, timeout=TIMEOUT)
            except mailbox.MailboxDoesNotExist:
                await trio.lowlevel.checkpoint()
            else:
                return

    trio.run(main)
    return timing.rounds


PEERS = {"pykka": measure_pykka, "triotp": measure_triotp}

if __name__ == "__main__":
    try:
        print(json.dumps(PEERS[sys.argv[1]]()))
    except ImportError as missing:
        print(json.dumps({"missing": str(missing)}))
