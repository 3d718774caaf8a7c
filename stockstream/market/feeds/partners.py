"""Whom a feed works with: it asks the circuit breaker and the streamer, and tells who watches it.

Used by the feed alone. An actor that is missing is being restarted, and is asked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import trio

from stockstream import paths
from stockstream.market.breaker_messages import AcquirePermit, NoCalls
from stockstream.messages import CircuitChanged, FeedChanged, RoutesTold
from stockstream.times import now_ms
from supervision import CallError, NoProc, ServerExited, correlation_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stockstream.market.breaker_types import NotPermitted, Permit
    from stockstream.market.feeds.standby import Standby
    from stockstream.market.observed import Accepted, FiguresTold, Observed
    from stockstream.messages import UpstreamTold
    from supervision import ActorRef, Request, System

T = TypeVar("T")

CALL_SECONDS = 1.0
"""The breaker and the streamer must answer within this time; they have nothing to wait for."""
RETRY_SECONDS = 0.05
RETRIES = 20
"""If an actor is missing for a second, that is trouble."""


class Partners:
    """See the module. `watchers` are the paths of actors that are cast `FeedChanged`."""

    def __init__(
        self, system: System, upstream: str, standby: Standby, watchers: Iterable[str]
    ) -> None:
        self._upstream = upstream
        self._born_ms, self._attempts = now_ms(), 0
        self.breaker = system.ref(paths.circuit_breaker(upstream))
        self._streamer = system.ref(paths.STREAMER)
        self._bus = system.ref(paths.BUS)
        self._router = system.ref(paths.ROUTER)
        self._standby = standby
        self._watchers = [system.ref(name) for name in watchers]

    def say_changed(self) -> None:
        """The feed's rows are new: tell who watches, and the other nodes."""
        for watcher in self._watchers:
            watcher.cast(FeedChanged())
        self.tell_nodes()

    def tell_nodes(self) -> None:
        """Tell the other nodes how the feed stands, and what is decided here of its routes."""
        told = self._standby.to_tell()
        if told is not None:
            self._bus.cast(told)

    def say_told(self, told: UpstreamTold) -> None:
        """The feed's rows are what another node told."""
        if told.routes and told.node is not None:
            self._router.cast(RoutesTold(told.upstream, told.node, told.routes))
        for watcher in self._watchers:
            watcher.cast(FeedChanged())
            watcher.cast(CircuitChanged())

    async def permit(self, feed: ActorRef) -> Permit | NotPermitted:
        """Ask for a permit for a call of the feed, which gives its own ref: kept, it is a cycle.

        The log lines of all actors that have to do with what follows carry one id.

        Raises:
            CallError: the breaker does not answer. It is told that there will be no call.
        """
        # Counted, because two attempts may fall into one millisecond; from a time, because another
        # life of the feed counts anew.
        self._attempts += 1
        correlation_id.set(f"{self._upstream}-{self._born_ms}-{self._attempts}")
        try:
            return await self._insist(self.breaker, AcquirePermit(feed))
        except CallError:
            # It may have permitted the call after we gave up.
            self.breaker.cast(NoCalls(feed))
            raise

    async def publish(self, observed: Observed, failed: Callable[[str, str], None]) -> Accepted:
        """Tell the streamer, for as long as it takes: without it no price is worth anything.

        `failed` is told a kind and a reason each time that it does not answer.
        """
        while True:
            try:
                return await self._insist(self._streamer, observed)
            except CallError as error:
                failed("streamer_unavailable", str(error))
                await trio.sleep(RETRY_SECONDS)

    def tell_figures(self, told: FiguresTold) -> None:
        """Tell the streamer what came beside prices that are older than those it has."""
        self._streamer.cast(told)

    async def _insist(self, who: ActorRef, request: Request[T]) -> T:
        """Call, and call again while `who` is being restarted.

        Raises:
            CallError: it is not back within a second, or does not answer.
        """
        for _ in range(RETRIES):
            try:
                return await who.call(request, timeout=CALL_SECONDS)
            except (NoProc, ServerExited):
                await trio.sleep(RETRY_SECONDS)
        return await who.call(request, timeout=CALL_SECONDS)
