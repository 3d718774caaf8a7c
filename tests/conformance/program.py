"""A program under `run`, for the tests of signals: told by its arguments how to behave."""

from __future__ import annotations

import logging
import sys

import trio

from supervision import (
    Actor,
    ChildSpec,
    Continue,
    ExitReason,
    Strategy,
    System,
    handles,
    run,
    supervisor,
)


class Begin:
    """Do what the mode says."""


class Worker(Actor):
    """Says when it comes and goes."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    async def init(self) -> Continue:
        if self.mode == "bad start":
            raise ValueError("cannot start")
        if self.mode == "slow start":
            say("starting")
            await trio.sleep(0.3)
        return Continue(Begin())

    @handles(Begin)
    async def _begin(self, _message: Begin) -> None:
        if self.mode == "crash":
            await trio.sleep(0.01)
            raise ValueError("hopeless")
        if self.mode == "exit 7":
            sys.exit(7)
        if self.mode == "done":
            self.system.ref("root").stop()

    async def terminate(self, reason: ExitReason) -> None:
        if self.mode == "hangs":
            say("hanging")
            await trio.sleep(600)
        say(f"{self.path} {reason}")


def say(text: str) -> None:
    """Print at once: the test reads a pipe."""
    print(text, flush=True)


def main(mode: str) -> int:
    """Run a tree of two levels until the signal, or its end."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    shutdown = 60.0
    inner = supervisor(
        "inner",
        [ChildSpec("a", Worker, ("",)), ChildSpec("b", Worker, (mode,), shutdown=shutdown)],
        strategy=Strategy.ONE_FOR_ALL,
    )

    def up(_system: System) -> None:
        say("up")

    return run(supervisor("root", [ChildSpec("first", Worker, ("",)), inner]), on_start=up)


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
