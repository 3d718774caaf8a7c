# ruff: noqa: INP001, T201 - an example is a program, and prints
"""A counter that crashes at five, and what its supervisor makes of it.

The count goes with each crash, as it is the actor's own; the table outlives its writer.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervision import (
    Actor,
    CallError,
    ChildSpec,
    Request,
    Table,
    handles,
    run,
    supervisor,
)

QUESTIONS = 7


@dataclass(frozen=True)
class Increment(Request[int]):
    """Count one more; the answer is the new count."""


@dataclass(frozen=True)
class Ask:
    """Time for the next question."""


class Counter(Actor):
    """Counts, and falls over when it comes to five."""

    def __init__(self, crashes: Table[str, int]) -> None:
        self.count = 0
        self.crashes = crashes

    @handles(Increment)
    def _increment(self, _request: Increment) -> int:
        self.count += 1
        if self.count == 5:
            self.crashes.put("all", (self.crashes.get("all") or 0) + 1)
            raise ValueError("five is too many")
        return self.count


class Customer(Actor):
    """Asks seven times for the next number, by name, then stops the program."""

    def __init__(self) -> None:
        self.asked = 0

    async def init(self) -> None:
        """Begin to ask."""
        self.send_every(0.05, Ask())

    @handles(Ask)
    async def _ask(self, _message: Ask) -> None:
        try:
            print(await self.system.ref("counter").call(Increment()))
        except CallError as error:
            print(error)
        self.asked += 1
        if self.asked == QUESTIONS:
            self.system.stop()


def main() -> int:
    """Run it; the answer is the exit code."""
    crashes: Table[str, int] = Table("crashes", writer="counter")
    code = run(
        supervisor(
            "root", [ChildSpec("counter", Counter, (crashes,)), ChildSpec("customer", Customer)]
        )
    )
    print(f"crashes: {crashes.get('all')}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
