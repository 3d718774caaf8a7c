"""What the tests of the runtime share: an obedient child, a probe that records, a started tree."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import wait_all_tasks_blocked

from supervision import (
    Actor,
    ActorRef,
    ChildSpec,
    Continue,
    ExitReason,
    Request,
    System,
    handles,
    supervisor,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervision.events import Event


class Boom(Exception):
    """What a test makes an actor raise."""


@dataclass(frozen=True)
class Raise:
    """Raise this in the handler."""

    error: Exception


@dataclass(frozen=True)
class StopWith:
    """End in order, with this reason."""

    reason: ExitReason


@dataclass(frozen=True)
class Sleep:
    """Stay in the handler for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Note:
    """Be recorded."""

    text: object


@dataclass(frozen=True)
class Who(Request[tuple[str, int]]):
    """Ask for path and generation."""


@dataclass(frozen=True)
class Fail(Request[int]):
    """Be asked, and raise instead of an answer."""

    error: Exception


@dataclass(frozen=True)
class Nap(Request[str]):
    """Be answered after so many seconds in the handler."""

    seconds: float


class Probe(list[tuple[Any, ...]]):
    """What happened, in order: ("init" | "up" | "terminate" | "note" | "gone", path, ...)."""

    def of(self, kind: str) -> list[str]:
        """The paths of that kind of entry, in order."""
        return [entry[1] for entry in self if entry[0] == kind]

    def details(self, kind: str, path: str | None = None) -> list[Any]:
        """The third members of that kind of entry."""
        return [e[2] for e in self if e[0] == kind and (path is None or e[1] == path)]


HANG = math.inf
"""A step of a plan: never end by itself."""


@dataclass
class Plan:
    """How a child behaves: what its successive starts do, and how it stops.

    `starts` are consumed one by one, then every start is well: an exception is raised, a
    number is slept, anything else is answered by `init`. `stops` likewise for `terminate`.
    """

    starts: list[Any] = field(default_factory=list)
    stops: list[Any] = field(default_factory=list)
    always: Any = None
    """What each start does once `starts` is empty."""

    async def follow(self, script: list[Any]) -> Any:
        step = script.pop(0) if script else (self.always if script is self.starts else None)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            await trio.sleep(step)
            return None
        return step


class Obedient(Actor):
    """Does what it is told, and records what is done to it."""

    def __init__(self, probe: Probe, plan: Plan | None = None, arguments: tuple[Any, ...] = ()):
        self.probe = probe
        self.plan = plan or Plan()
        self.arguments = arguments

    async def init(self) -> Any:
        self.probe.append(("init", self.path, self.generation, self.arguments))
        try:
            answer = await self.plan.follow(self.plan.starts)
        finally:
            self.probe.append(("init over", self.path, trio.current_time()))
        self.probe.append(("up", self.path, self.generation))
        return answer

    async def terminate(self, reason: ExitReason) -> None:
        self.probe.append(("terminate", self.path, reason, trio.current_time()))
        await self.plan.follow(self.plan.stops)
        self.probe.append(("terminated", self.path, trio.current_time()))

    @handles(Raise)
    def _raise(self, message: Raise) -> None:
        raise message.error

    @handles(StopWith)
    def _stop(self, message: StopWith) -> None:
        self.stop(message.reason)

    @handles(Sleep)
    async def _sleep(self, message: Sleep) -> None:
        await trio.sleep(message.seconds)

    @handles(Note)
    def _note(self, message: Note) -> None:
        self.probe.append(("note", self.path, message.text))

    @handles(Who)
    def _who(self, _request: Who) -> tuple[str, int]:
        return self.path, self.generation

    @handles(Fail)
    def _fail(self, request: Fail) -> int:
        raise request.error

    @handles(Nap)
    async def _nap(self, request: Nap) -> str:
        await trio.sleep(request.seconds)
        return "rested"


def child(child_id: str, probe: Probe, plan: Plan | None = None, **spec: Any) -> ChildSpec:
    """The spec of an obedient child."""
    return ChildSpec(child_id, partial(Obedient, probe, plan), **spec)


class Tree:
    """A running system: its events, and handles to poke it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.events: list[Event] = []
        self.reason: ExitReason | None = None
        self.ended = trio.Event()
        self.remembers = True
        """Whether events are kept: they keep alive what they name, errors above all."""
        system.subscribe(self._told)

    def _told(self, event: Event) -> None:
        if self.remembers:
            self.events.append(event)

    @property
    def root(self) -> ActorRef:
        """The root's incarnation."""
        return self["root"]

    def __getitem__(self, path: str) -> ActorRef:
        """The incarnation that has `path` now."""
        ref = self.system.whereis(path)
        assert ref is not None, f"nobody has {path!r}; these are there: {list(self.system.names)}"
        return ref

    def __contains__(self, path: str) -> bool:
        return self.system.whereis(path) is not None

    def refs(self, *paths: str) -> list[ActorRef]:
        """The incarnations that have these paths now."""
        return [self[path] for path in paths]

    def seen(self, kind: type[Event]) -> list[Any]:
        """The events of that class."""
        return [event for event in self.events if isinstance(event, kind)]

    async def settle(self) -> None:
        """Wait until nobody has anything to do (at this time)."""
        await wait_all_tasks_blocked()

    async def crash(self, path: str, error: Exception | None = None) -> ActorRef:
        """Make an obedient child crash; the answer is the incarnation that did."""
        ref = self[path]
        with ref.monitor() as monitor:
            ref.cast(Raise(error or Boom(path)))
            await monitor.wait()
        await self.settle()
        return ref

    async def end(self, path: str, reason: ExitReason) -> ActorRef:
        """Make an obedient child end in order for `reason`."""
        ref = self[path]
        with ref.monitor() as monitor:
            ref.cast(StopWith(reason))
            await monitor.wait()
        await self.settle()
        return ref

    async def kill(self, path: str) -> ActorRef:
        """Cancel an actor and wait until all has settled."""
        ref = self[path]
        with ref.monitor() as monitor:
            ref.kill()
            await monitor.wait()
        await self.settle()
        return ref

    async def stop(self) -> ExitReason | None:
        """Stop the whole tree in order."""
        self.system.stop()
        await self.ended.wait()
        return self.reason


async def start_tree(nursery: trio.Nursery, root: ChildSpec | Iterable[ChildSpec], **flags: Any):
    """Run a tree in `nursery`; given children, they get a one_for_one root with `flags`."""
    spec = root if isinstance(root, ChildSpec) else supervisor("root", root, **flags)
    tree = Tree(System())

    async def run() -> None:
        tree.reason = await tree.system.run(spec)
        tree.ended.set()

    nursery.start_soon(run)
    await wait_all_tasks_blocked()
    return tree


__all__ = [
    "HANG", "Boom", "Continue", "Fail", "Nap", "Note", "Obedient", "Plan", "Probe", "Raise",
    "Sleep", "StopWith", "Tree", "Who", "child", "start_tree",
]  # fmt: skip
