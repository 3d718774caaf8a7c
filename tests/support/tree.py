"""The whole product in the test's own trio run: real sockets, and its actors within reach."""

from __future__ import annotations

import logging
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from pydantic import SecretStr

from stockstream import part_settings
from stockstream.application import Addresses, bind, build
from stockstream.changing_secrets import Current
from stockstream.config import Settings
from stockstream.telemetry.log_levels import LOGGERS, ROOT
from supervision import ActorSnapshot, Crash, ExitReason, System, snapshot
from supervision.events import Exited, FailedStart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from stockstream.upstreams import Upstream
    from supervision import Event

START_SECONDS = 20.0
STOP_SECONDS = 15.0
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
"""Nobody listens there."""


@dataclass
class Tree:
    """A running tree; `events` are all that its system told."""

    system: System
    addresses: Addresses
    settings: Settings
    events: list[Event]
    ended: trio.Event
    current: Current
    reason: ExitReason | None = None
    _told: trio.Event = field(default_factory=trio.Event)

    @property
    def crashes(self) -> list[Event]:
        """Actors that ended by an error, or did not start; restarts would hide them."""
        return [
            event
            for event in self.events
            if isinstance(event, Exited | FailedStart) and isinstance(event.reason, Crash)
        ]

    def tell(self, event: Event) -> None:
        """Take an event of the system."""
        self.events.append(event)
        self._told.set()
        self._told = trio.Event()

    async def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until `holds`, looked at after each event of the system."""
        with trio.fail_after(seconds):
            while not holds():
                await self._told.wait()
                await trio.lowlevel.checkpoint()  # the event is told in the middle of the change

    @property
    def url(self) -> str:
        host, port = self.addresses.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    @property
    def websocket_url(self) -> str:
        return f"{self.url.replace('http', 'ws')}/ws"

    def actors(self) -> dict[str, ActorSnapshot]:
        """All actors by path, as they are now."""
        root = snapshot(self.system)
        assert root is not None
        return {actor.path: actor for actor in root.walk()}

    async def stop(self) -> ExitReason:
        """Stop in order, and answer why the root ended."""
        self.system.stop()
        with trio.fail_after(STOP_SECONDS):
            await self.ended.wait()
        assert self.reason is not None
        return self.reason


@asynccontextmanager
async def running_tree(
    *,
    may_crash: bool = False,
    upstreams: list[Upstream] | None = None,
    keys: Mapping[str, str] | None = None,
    **settings: object,
) -> AsyncIterator[Tree]:
    """Run the tree for the time of a `with`, on a free port, with a simulated market, or with
    these `upstreams`; those of `providers` have these `keys`.

    The database is away unless a test gives one: most look at other things, and a new server
    takes a second. Data goes to a folder that ends with the tree. Fails in the end when an actor
    crashed, unless it `may_crash`: a kill is no crash.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(_levels_kept())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stockstream-test-"))
        given = {"data_directory": Path(folder), "database_url": NO_DATABASE, **settings}
        running = _running_tree(given, upstreams, keys or {}, may_crash=may_crash)
        yield await stack.enter_async_context(running)


@contextmanager
def _levels_kept() -> Iterator[None]:
    """The levels of loggers are the process's, and may be lent for longer than the tree runs."""
    loggers = [logging.getLogger(None if name == ROOT else name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@asynccontextmanager
async def _running_tree(
    settings: dict[str, object],
    upstreams: list[Upstream] | None,
    keys: Mapping[str, str],
    *,
    may_crash: bool,
) -> AsyncIterator[Tree]:
    chosen = {
        "port": 0,
        "stub_port": 0,
        "stock_api_url": "sim://?symbols=6&interval=0.1&seed=7",
        **settings,
    }
    if "providers" in settings:
        chosen["stock_api_url"] = None
    complete = Settings.model_validate(chosen)
    for name, key in keys.items():
        complete = complete.with_provider_key(name, SecretStr(key), None)
    addresses = bind(complete)
    system = System()
    current = Current(complete)
    tree = Tree(system, addresses, complete, [], trio.Event(), current)
    system.subscribe(tree.tell)
    up = trio.Event()

    sources = upstreams or part_settings.upstreams(complete, addresses.stub_port)

    async def run() -> None:
        root = build(complete, addresses, sources, current=current)
        tree.reason = await system.run(root, on_start=lambda _: up.set())
        tree.ended.set()
        up.set()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            with trio.fail_after(START_SECONDS):
                await up.wait()
            assert tree.reason is None, f"the tree did not start: {tree.reason}"
            yield tree
            if not tree.ended.is_set():
                await tree.stop()
            assert may_crash or not tree.crashes, tree.crashes
            nursery.cancel_scope.cancel()
    finally:
        for sock in addresses.sockets:
            sock.close()
