# ruff: noqa: INP001, T201 - an example is a program, and prints
"""A pipeline in three stages under rest_for_one: source, parser, sink.

Each stage knows the one before it. When a stage crashes, those after it start again with it,
as what they were told by it is stale; those before it are not disturbed. A stage asks the one
before it for the next line when it is ready for one, so none comes while a stage is down.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervision import (
    Actor,
    ChildSpec,
    Request,
    Strategy,
    handles,
    run,
    supervisor,
)

LINES = ("1", "2", "three", "4")


@dataclass(frozen=True)
class Subscribe(Request[str]):
    """Have what comes cast to `path`; answered with the stage's own path and generation."""

    path: str


@dataclass(frozen=True)
class Line:
    """A line as it was read."""

    text: str


@dataclass(frozen=True)
class Value:
    """A line that was understood."""

    number: int


@dataclass(frozen=True)
class More:
    """Ready for the next line; handed on, stage by stage, to the source."""


class Stage(Actor):
    """Has one subscriber, and may itself subscribe to the stage `before` it."""

    def __init__(self, before: str | None = None) -> None:
        self.before = before
        self.subscriber: str | None = None

    async def init(self) -> None:
        """Follow the stage before."""
        if self.before is not None:
            before = await self.system.ref(self.before).call(Subscribe(self.path))
            print(f"{self.path} {self.generation} follows {before}")

    @handles(Subscribe)
    def _subscribe(self, request: Subscribe) -> str:
        self.subscriber = request.path
        return f"{self.path} {self.generation}"

    @handles(More)
    def _more(self, message: More) -> None:
        if self.before is not None:
            self.system.ref(self.before).cast(message)

    def emit(self, message: object) -> None:
        """Send to whoever follows."""
        if self.subscriber is not None:
            self.system.ref(self.subscriber).cast(message)


class Source(Stage):
    """Reads a line when it is asked for more, and ends the program after the last."""

    async def init(self) -> None:
        """Begin anew."""
        await super().init()
        self.lines = list(LINES)

    @handles(More)
    def _more(self, message: More) -> None:  # noqa: ARG002
        if self.lines:
            self.emit(Line(self.lines.pop(0)))
        else:
            self.system.stop()


class Parser(Stage):
    """Understands numbers; anything else is its end."""

    @handles(Line)
    def _line(self, message: Line) -> None:
        self.emit(Value(int(message.text)))


class Sink(Stage):
    """Prints a running total, which starts anew with it."""

    async def init(self) -> None:
        """Begin anew."""
        await super().init()
        self.total = 0
        self._more(More())

    @handles(Value)
    def _value(self, message: Value) -> None:
        self.total += message.number
        print(f"total {self.total}")
        self._more(More())


def main() -> int:
    """Run it; the answer is the exit code."""
    stages = [
        ChildSpec("source", Source),
        ChildSpec("parser", Parser, ("source",)),
        ChildSpec("sink", Sink, ("parser",)),
    ]
    return run(supervisor("root", stages, strategy=Strategy.REST_FOR_ONE))


if __name__ == "__main__":
    raise SystemExit(main())
