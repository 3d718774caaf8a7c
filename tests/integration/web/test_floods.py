"""What clients send without pause, and the other tasks of the loop."""

from __future__ import annotations

import pytest
import trio

from tests.integration.web.support import (
    CONTINUATION,
    PING,
    PONG,
    SOON,
    TEXT,
    client_frame,
    echo,
    running,
)

CLIENTS = 20
EACH = 100


class Steps:
    """A task that always has something to do; it counts its steps, one in each pass."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        while True:
            self.count += 1
            await trio.lowlevel.checkpoint()


CHEAP = {"fragments", "pongs"}
"""Sixteen of them take one place in the line."""
FLOODS = {
    "messages": client_frame(TEXT, b"x") * EACH,
    "fragments": client_frame(TEXT, b"x", fin=False)
    + client_frame(CONTINUATION, b"x", fin=False) * (EACH - 2)
    + client_frame(CONTINUATION, b"x"),
    "pings": client_frame(PING, b"x") * EACH,
    "pongs": client_frame(PONG, b"x") * EACH,
}


@pytest.mark.proves("D2")
@pytest.mark.parametrize("flood", FLOODS)
async def test_others_have_a_step_between_any_two_frames(flood: str, nursery: trio.Nursery) -> None:
    """Whatever comes in one read, and from however many at once: so many passes of the loop.

    Those that cost next to nothing go sixteen at a time.
    """
    steps = Steps()
    last = "that was all"
    async with running({"/ws": echo}) as run:
        clients = [await run.upgrade() for _ in range(CLIENTS)]
        nursery.start_soon(steps.run)
        before = steps.count
        for client in clients:
            await client.send(FLOODS[flood] + client_frame(TEXT, last.encode()))
        with trio.fail_after(SOON):
            for client in clients:
                while (await client.frame()) != (TEXT, last.encode()):
                    pass
        assert steps.count - before >= CLIENTS * EACH // (16 if flood in CHEAP else 1)


async def test_how_many_wait_for_their_turn_is_told() -> None:
    """In the statistics, which an operator sees in `/metrics`."""
    told: list[int] = []
    async with running({"/ws": echo}) as run:
        clients = [await run.upgrade() for _ in range(CLIENTS)]
        for client in clients:
            await client.send(FLOODS["messages"])
        with trio.fail_after(SOON):
            for client in clients:
                for _ in range(EACH):
                    assert await client.frame() == (TEXT, b"x")
                    told.append(run.server.statistics().waiting)
        assert max(told) > CLIENTS // 2
        assert run.server.statistics().waiting == 0


@pytest.mark.proves("D2")
async def test_others_have_a_step_between_any_two_requests(nursery: trio.Nursery) -> None:
    """Also when they are pipelined: one begins in a pass of the loop."""
    steps = Steps()
    request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
    async with running() as run:
        clients = [await run.connect() for _ in range(CLIENTS)]
        nursery.start_soon(steps.run)
        before = steps.count
        for client in clients:
            await client.send(request * 10)
        for client in clients:
            while client.buffer.count(b"hello") < 10:
                assert await client.more()
        assert steps.count - before >= CLIENTS * 10
