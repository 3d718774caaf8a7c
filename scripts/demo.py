"""A guided tour of faults: starts the server, then breaks it piece by piece and says what to see.

    make demo                     about five minutes
    PACE=0.2 make demo            the same in two: with shorter pauses and shorter faults

Each scene ends when prices are fresh again. What the tour says is bold, between the server's log.
Ctrl+C ends it at any moment; every fault is rolled back and the server stops in order.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from stockstream.chaos.node import Node, Refused, Unreachable

if TYPE_CHECKING:
    from stockstream.chaos.catalogue import Value

PACE = float(os.environ.get("PACE", "1"))
START_SECONDS = 30.0
STOP_SECONDS = 15.0
SHORTEST_FAULT_SECONDS = 10.0
"""The breaker needs five failed calls, one a second, before it opens: that is to be seen."""
FRESH_SECONDS = 60.0


@dataclass(frozen=True)
class Scene:
    """One fault: what is said before it, what is done, how long there is to look."""

    says: str
    action: str
    target: str = ""
    parameters: dict[str, Value] = field(default_factory=dict)
    times: int = 1
    look: float = 20.0


TOUR = (
    Scene(
        "The streamer, which publishes the prices, is killed three times. Its supervisor starts it "
        "again within milliseconds: the prices on the dashboard go on.",
        "kill", "market/streamer", times=3, look=25,
    ),
    Scene(
        "The broadcaster is the only writer to all browsers' sockets. Killed, it leaves the "
        "sockets to their owners; its successor goes on where it stopped. Nobody reconnects.",
        "kill", "delivery/broadcaster", times=2, look=25,
    ),
    Scene(
        "Now it does not die but crashes, with an exception. The log shows it once, with the "
        "supervisor's decision; /admin keeps the trace.",
        "crash", "delivery/broadcaster", {"message": "a bug, for the demonstration"}, look=20,
    ),
    Scene(
        "The subscription manager hangs for ten seconds. Prices go on; add a symbol now and its "
        "answer comes when the manager answers again.",
        "hang", "delivery/subscription_manager", {"seconds": 10.0}, look=25,
    ),
    Scene(
        "20,000 unknown messages flood PubSub's mailbox. It is bounded: what is too much is "
        "dropped and counted, and the prices are back with the next fetch.",
        "mailbox-flood", "pubsub", {"messages": 20_000}, look=20,
    ),
    Scene(
        "The price API answers 503 for a while. The circuit breaker opens and asks no more; "
        "the last prices stay on screen, marked stale, with a countdown to the next probe.",
        "upstream-errors", "", {"seconds": 25.0, "status": 503}, look=50,
    ),
    Scene(
        "The price API hangs. Each fetch is given up after its time limit; the same follows.",
        "upstream-hang", "", {"seconds": 25.0}, look=50,
    ),
    Scene(
        "An operator holds the breaker open for ten seconds; it is let go by itself.",
        "breaker-force", "", {"seconds": 10.0, "state": "open"}, look=20,
    ),
    Scene(
        "The market's supervisor is killed, with all that is under it. The root starts it anew.",
        "kill", "market", look=20,
    ),
    Scene(
        "At last the web server itself. This is the one kill that clients notice: the dashboard "
        "shows that it lost the server, comes back by itself, and keeps its list.",
        "kill", "web", look=25,
    ),
)  # fmt: skip


def say(text: str = "") -> None:
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        text = "\n".join(f"\033[1m{line}\033[0m" for line in text.split("\n"))
    print(text, flush=True)


def paced(parameters: dict[str, Value]) -> dict[str, Value]:
    """A fault's parameters: where it lasts, as long as the pace has it, yet long enough to see."""
    seconds = parameters.get("seconds")
    if not isinstance(seconds, float):
        return parameters
    return {**parameters, "seconds": max(min(seconds, SHORTEST_FAULT_SECONDS), seconds * PACE)}


async def fresh(node: Node) -> bool:
    """Wait until the server says that its prices are fresh; whether they are."""
    with trio.move_on_after(FRESH_SECONDS):
        while True:
            with contextlib.suppress(Unreachable):  # the web server may be on its way back
                if (await node.get("/health/ready")).is_success:
                    return True
            await trio.sleep(0.25)
    return False


async def play(node: Node, scene: Scene, number: int) -> None:
    say(f"\n{number}/{len(TOUR)}  {scene.says}")
    await trio.sleep(4 * PACE)
    for _ in range(scene.times):
        try:
            done = await node.inject(
                scene.action, scene.target, paced(scene.parameters), reason="demo"
            )
        except Unreachable:
            say("     our own connection to the server went with it")
            break
        except Refused as refused:
            say(f"     refused: {refused.reason}")
            break
        back = ""
        if done.recovered_seconds is not None:
            back = f", back after {done.recovered_seconds * 1000:.1f} ms"
        say(f"     {done.action} {done.target}{back}" + ("" if done.verified else ": NOT INJECTED"))
        await trio.sleep(2 * PACE)
    lasts = paced(scene.parameters).get("seconds", 0.0)
    await trio.sleep(max(scene.look * PACE, float(lasts)))
    if not await fresh(node):
        say(f"     prices are not fresh again after {FRESH_SECONDS:.0f} s; the log says why")


async def started(process: trio.Process) -> bool:
    said = b""
    with trio.move_on_after(START_SECONDS):
        while process.stdout is not None and (piece := await process.stdout.receive_some()):
            sys.stdout.write(piece.decode(errors="replace"))
            said += piece
            if b"Ctrl+C stops" in said:
                return True
    return False


async def main() -> int:
    port = os.environ.get("PORT", "4000")
    token = os.environ.get("ADMIN_TOKEN") or secrets.token_urlsafe(24)
    environment = {**os.environ, "CHAOS_ENABLED": "true", "ADMIN_TOKEN": token}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "stockstream", "serve"],
        env=environment,
        stdout=subprocess.PIPE,
        # Ctrl+C is ours to handle: faults are rolled back before the server is stopped.
        start_new_session=True,
    )
    try:
        if not await started(process):
            return await process.wait() or 1
        say(f"\nOpen http://localhost:{port}, add some symbols, and keep it in sight.")
        say(f"Beside it http://localhost:{port}/admin shows the tree healing; the token is")
        say(f"  {token}")
        await trio.sleep(15 * PACE)
        async with Node(f"http://127.0.0.1:{port}", token) as node:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async with trio.open_nursery() as nursery:

                    async def tour() -> None:
                        for number, scene in enumerate(TOUR, 1):
                            await play(node, scene, number)
                        say("\nThat was the tour. Nothing of it needed a human.")
                        nursery.cancel_scope.cancel()

                    nursery.start_soon(tour)
                    async for _ in signals:
                        nursery.cancel_scope.cancel()
            await node.halt()
        return 0
    finally:
        if process.returncode is None:
            process.terminate()
        with trio.move_on_after(STOP_SECONDS, shield=True):
            await process.wait()


if __name__ == "__main__":
    sys.exit(trio.run(main))
