"""The subscription manager: checks subscriptions of clients, and counts the demand for symbols.

The demand decides what is fetched and how often. The manager's memory is the `subscriptions` table;
it counts that table again after a restart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from stockstream.delivery.messages import (
    Change,
    Changed,
    Forget,
    GetPresence,
    Presence,
    Refused,
)
from stockstream.delivery.protocol import EVERYTHING, Rejected
from stockstream.messages import Demand, DemandWanted, LocalDemand
from stockstream.quotes import InvalidSymbol, Symbol, parse_symbol
from stockstream.refusals import NO_ROUTE, NOT_LISTED, Refusal, is_routed
from stockstream.tables import Subscription, Tables
from stockstream.upstreams import knows_all
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.delivery.lanes import Connections

TELL_SECONDS = 0.05
"""Changes within this time are told to the feeds as one: a storm of clients is one demand."""
MOST_REJECTED = 100
"""Rejections told one by one; the rest is told as a number, or a small message would get a
large answer."""
LOOK_SECONDS = 5.0
"""How often rows of connections that left without a message are removed."""

_log: BoundLogger = structlog.get_logger("delivery.subscription_manager")


def changed(
    before: Subscription,
    symbols: Iterable[str],
    *,
    subscribe: bool,
    known: Callable[[Symbol], Symbol | Refusal],
    limit: int,
) -> Changed | Refused:
    """The subscription after a client's command: a pure function.

    Bad symbols are rejected one by one; good ones beside them count. `known` returns the shared
    text of a symbol, and a refusal for a symbol that does not exist, so that no text made up by a
    client is kept. `limit` is the number of symbols a connection may name.
    """
    everything = False
    good: dict[Symbol, None] = {}
    rejected: list[Rejected] = []
    for text in symbols:
        if text.strip() == EVERYTHING:
            everything = True
            continue
        try:
            good[parse_symbol(text)] = None
        except InvalidSymbol as error:
            rejected.append(Rejected(error.given, error.code, error.reason))
    if subscribe:
        after = _added(before, good, rejected, known=known, limit=limit, everything=everything)
    elif everything:
        after = Subscription()
    elif before.everything:
        if good:
            return Refused(
                "subscribed_to_all",
                "you are subscribed to all symbols; unsubscribe from * and subscribe to some",
            )
        after = before
    else:
        # Not `-`: for a frozenset and a dictionary's keys it makes a set, which has no hash.
        after = Subscription(before.symbols.difference(good))
    # Return the existing one: a second, equal one would double the memory for the client.
    return Changed(before if after == before else after, _shortened(rejected))


def _added(
    before: Subscription,
    good: Iterable[Symbol],
    rejected: list[Rejected],
    *,
    known: Callable[[Symbol], Symbol | Refusal],
    limit: int,
    everything: bool,
) -> Subscription:
    everything = everything or before.everything
    after = set(before.symbols)
    for named in good:
        symbol = known(named)
        if isinstance(symbol, Refusal):
            rejected.append(Rejected(named, *symbol))
        elif everything or symbol in after:
            continue
        elif len(after) >= limit:
            reason = f"at most {limit} symbols by name; * is exempt"
            rejected.append(Rejected(symbol, "too_many_symbols", reason))
        else:
            after.add(symbol)
    return Subscription(everything=True) if everything else Subscription(frozenset(after))


def _shortened(rejected: list[Rejected]) -> tuple[Rejected, ...]:
    more = len(rejected) - MOST_REJECTED
    if more <= 0:
        return tuple(rejected)
    return (*rejected[:MOST_REJECTED], Rejected("...", "and_more", f"{more} more were rejected"))


@dataclass(frozen=True, slots=True)
class _Tell:
    """Time to tell the feeds."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Time to sweep."""


class SubscriptionManager(Actor):
    """See the module."""

    def __init__(
        self,
        tables: Tables,
        connections: Connections,
        feeds: Sequence[str],
        *,
        symbol_limit: int,
        membership: str | None = None,
    ) -> None:
        """`feeds` are the names of the actors that are told the demand; in a cluster it is the
        `membership`, which adds up that of all nodes.
        """
        self._tables = tables
        self._feed_names = tuple(feeds)
        self._membership_name = membership
        self._connections = connections
        self._limit = symbol_limit
        self._counts: Counter[Symbol] = Counter()
        self._texts: dict[Symbol, Symbol] = {}  # of what is counted
        self._holders: Counter[Subscription] = Counter()
        self._shared: dict[Subscription, Subscription] = {}
        self._everything = 0
        self._subscribers = 0
        self._telling = False

    async def init(self) -> None:
        """Count what the table holds, and tell it."""
        self._feeds = [self.system.ref(name) for name in self._feed_names]
        name = self._membership_name
        self._membership = None if name is None else self.system.ref(name)
        for subscription in self._tables.subscriptions.rows.values():
            self._count(subscription, 1)
        self._tell()
        self.send_every(LOOK_SECONDS, _Look())

    @handles(GetPresence)
    def _on_presence(self, _request: GetPresence) -> Presence:
        return Presence(
            connections=len(self._connections),
            subscribed=self._subscribers,
            everything=self._everything,
            symbols=dict(self._counts.most_common()),
        )

    @handles(Change)
    def _on_change(self, request: Change) -> Changed | Refused:
        before = self._tables.subscriptions.get(request.connection) or Subscription()
        answer = changed(
            before,
            request.symbols,
            subscribe=request.subscribe,
            known=self._known,
            limit=self._limit,
        )
        if isinstance(answer, Changed) and answer.subscription != before:
            _log.debug("subscription", connection=request.connection)
            # One object for all clients with the same subscription: a set of 20 symbols is 2 KB.
            after = self._shared.get(answer.subscription, answer.subscription)
            self._replace(request.connection, before, after)
            answer = replace(answer, subscription=after)
        return answer

    @handles(Forget)
    def _on_forget(self, message: Forget) -> None:
        before = self._tables.subscriptions.get(message.connection)
        if before is not None:
            self._replace(message.connection, before, Subscription())

    @handles(DemandWanted)
    def _on_wanted(self, _message: DemandWanted) -> None:
        self._tell()

    @handles(_Tell)
    def _on_tell(self, _message: _Tell) -> None:
        self._telling = False
        self._tell()

    @handles(_Look)
    def _on_look(self, _message: _Look) -> None:
        # A connection is attached before it can subscribe. So a row without a connection is left
        # over from one that closed while this actor was down.
        for number in list(self._tables.subscriptions):
            if number not in self._connections:
                self._on_forget(Forget(number))

    def _known(self, symbol: Symbol) -> Symbol | Refusal:
        if symbol not in self._tables.quotes:
            if knows_all(self._tables, symbol):
                return NOT_LISTED
            if not is_routed(symbol, self._tables):
                return NO_ROUTE
        return self._texts.get(symbol, symbol)

    def _replace(self, connection: int, before: Subscription, after: Subscription) -> None:
        self._count(before, -1)
        self._count(after, 1)
        if after == Subscription():
            self._tables.subscriptions.delete(connection)
        else:
            self._tables.subscriptions.put(connection, after)
        if not self._telling:
            self._telling = True
            self.send_after(TELL_SECONDS, _Tell())

    def _count(self, subscription: Subscription, by: int) -> None:
        if subscription == Subscription():
            return
        self._holders[subscription] += by
        if self._holders[subscription]:
            self._shared.setdefault(subscription, subscription)
        else:
            del self._holders[subscription], self._shared[subscription]
        self._subscribers += by
        self._everything += by * subscription.everything
        for symbol in subscription.symbols:
            self._counts[symbol] += by
            if self._counts[symbol] == 0:
                del self._counts[symbol], self._texts[symbol]
            else:
                self._texts.setdefault(symbol, symbol)

    def _tell(self) -> None:
        if self._membership is not None:
            counts, connections = dict(self._counts), len(self._connections)
            self._membership.cast(
                LocalDemand(counts, self._everything, self._subscribers, connections)
            )
            return
        demand = Demand(frozenset(self._counts), self._everything > 0, self._subscribers)
        for feed in self._feeds:
            feed.cast(demand)
