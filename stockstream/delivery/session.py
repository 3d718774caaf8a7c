"""A session: the actor that handles what one client says.

It parses, limits and decides; it never writes to the socket. The connection calls it with the
client's messages, one at a time. The connection outlives it, and gives a message that was not
answered to its successor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio
from msgspec import UNSET

from stockstream import paths, spans
from stockstream.delivery.limits import (
    BAD_MESSAGES,
    BAD_MESSAGES_SECONDS,
    ClientLimits,
    Strikes,
    TokenBucket,
)
from stockstream.delivery.messages import (
    Answer,
    Change,
    Close,
    Command,
    Refused,
    Say,
    Served,
)
from stockstream.delivery.protocol import (
    BadMessage,
    Error,
    Ping,
    Pong,
    ServerMessage,
    Subscribe,
    Unsubscribe,
    decode,
    encode,
    mark,
)
from stockstream.messages import EpochSeen
from stockstream.quotes import InvalidSymbol, Symbol, Version, iso_utc, parse_symbol
from stockstream.shards import MOST_BROUGHT_AHEAD_MS
from supervision import IGNORE, Actor, CallError, CallingSelf, UnhandledRequest, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.delivery.lanes import Connections
    from stockstream.shards import Shard, Sharding
    from supervision import ActorRef, Ignore, Request

R = TypeVar("R")

PARTNER_SECONDS = 4.0
"""How long a restarting partner is waited for, before the connection is given up."""
PARTNER_RETRY_SECONDS = 0.02
PARTNER_CALL_SECONDS = 2.0

LENIENCY = 10
"""A client may be refused a burst of messages, and after that this part of its rate."""

NAMES_PER_TOKEN = 100
"""A message counts once more for each so many names: a thousand take as long as some ten pings."""

EPOCHS_SECONDS = 1.0

CODE_POLICY = 1008
CODE_LOST = 4000

_log: BoundLogger = structlog.get_logger("delivery.session")


class Session(Actor):
    """See the module. `number` is its connection's."""

    def __init__(
        self,
        number: int,
        limits: ClientLimits,
        wall_clock_ms: Callable[[], int],
        connections: Connections,
        adopt: Callable[[ActorRef], bool],
        sharding: Sharding | None = None,
    ) -> None:
        """`adopt` gives the session to its connection; False when that has left, or has one.

        The connection cannot learn of the session from the answer to its `start_child`: it may be
        cancelled while it waits, and then nobody would stop the session that starts nevertheless.
        In a cluster the symbols of the upstreams are in shards; a single node has no `sharding`.
        """
        self._number = number
        self._limits = limits
        self._wall_clock_ms = wall_clock_ms
        self._connections = connections
        self._adopt = adopt
        self._sharding = sharding
        self._epochs_told = -math.inf

    async def init(self) -> Ignore | None:
        """Begin with a full bucket and no strikes: a predecessor's are forgiven."""
        now = trio.current_time()
        limits = self._limits
        self._bucket = TokenBucket(limits.rate, limits.burst, now)
        # Messages beyond the rate are refused with an error; beyond this the connection is closed.
        self._leniency = TokenBucket(limits.rate / LENIENCY, limits.burst, now)
        self._bad = Strikes(BAD_MESSAGES, BAD_MESSAGES_SECONDS)
        self._manager = self.system.ref(paths.SUBSCRIPTION_MANAGER)
        self._broadcaster = self.system.ref(paths.BROADCASTER)
        self._membership = self.system.ref(paths.MEMBERSHIP)
        return None if self._adopt(self.ref) else IGNORE

    @handles(Command)
    async def _on_command(self, command: Command) -> Served | Close:
        if self._was_answered(command):
            return Served()
        _log.debug("command", connection=self._number, command=command.number)
        try:
            return await self._serve(command, command.received)
        except CallError as error:
            _log.warning("a client could not be served", connection=self._number, error=str(error))
            return Close(CODE_LOST, "the server could not serve you; come back")

    def _was_answered(self, command: Command) -> bool:
        """Whether this command was answered already, by a predecessor that was killed then.

        Serving it twice is harmful because of the limits: a command that the predecessor refused
        would be done now, and the client would never hear of it.
        """
        lane = self._connections.get(self._number)
        return lane is not None and command.number <= lane.answered

    async def _serve(self, command: Command, now: float) -> Served | Close:
        if not self._bucket.take(now):
            return await self._limit_rate(command, now)
        try:
            message = decode(command.message)
        except BadMessage as error:
            return await self._refuse_message(command, error, now)
        match message:
            case Subscribe() | Unsubscribe():
                if not self._bucket.take(now, self._more_tokens(message)):
                    return await self._limit_rate(command, now)
                with _span_of(message):
                    await self._change(command, message)
            case Ping():
                await self._say(command, Pong(iso_utc(self._wall_clock_ms()), message.id))
        return Served()

    def _more_tokens(self, message: Subscribe | Unsubscribe) -> int:
        """What a message counts beyond one, by what it costs to serve; half a burst at most."""
        if not isinstance(message.symbols, str):
            names = len(message.symbols)
        elif isinstance(message, Subscribe):
            names = len(self._connections.book) // 2  # ready as they are: half the work
        else:
            names = 0
        if isinstance(message, Subscribe):
            names += len(message.since)
        return min(names // NAMES_PER_TOKEN, self._limits.burst // 2)

    async def _change(self, command: Command, message: Subscribe | Unsubscribe) -> None:
        symbols = (message.symbols,) if isinstance(message.symbols, str) else message.symbols
        if len(symbols) > self._limits.symbols:
            most = f"a message may name {self._limits.symbols} symbols, and names {len(symbols)}"
            await self._say(command, Error("too_many_symbols", most, id=message.id))
            return
        since: dict[Symbol, Version] = {}
        seconds_between = None
        if isinstance(message, Subscribe):
            since = _versions(message.since, self._wall_clock_ms() + MOST_BROUGHT_AHEAD_MS)
            self._tell_epochs(since)
            seconds_between = None if message.max_rate is None else 1 / message.max_rate
        change = Change(self._number, tuple(symbols), isinstance(message, Subscribe))
        answer = await self._ask(self._manager, change)
        if isinstance(answer, Refused):
            await self._say(command, Error(answer.code, answer.reason, id=message.id))
            return
        await self._ask(
            self._broadcaster,
            Answer(self._number, command.number, answer, message.id, since, seconds_between),
        )

    def _tell_epochs(self, since: Mapping[Symbol, Version]) -> None:
        """Have the membership know of versions above ours: whoever gave them may be dead.

        Without that the client would wait until the clock has come there. A client may make them
        up, so it is heard once a second, with the highest of each shard.
        """
        if self._sharding is None:
            return  # nobody else gives versions
        book, now = self._connections.book, trio.current_time()
        highest: dict[Shard, EpochSeen] = {}
        for symbol in since.keys() & book.symbols:
            epoch, row = since[symbol].epoch, book[symbol].row
            shard = self._sharding.of(row.source, symbol)
            known = highest.get(shard)
            if epoch > row.quote.version.epoch and (known is None or epoch > known.epoch):
                highest[shard] = EpochSeen(symbol, epoch)
        if highest and now - self._epochs_told >= EPOCHS_SECONDS:
            self._epochs_told = now
            for seen in highest.values():
                self._membership.cast(seen)

    async def _limit_rate(self, command: Command, now: float) -> Served | Close:
        if not self._leniency.take(now):
            return Close(CODE_POLICY, "rate limited, and it went on")
        limits = self._limits
        reason = f"at most {limits.rate:g} messages per second, {limits.burst} at once"
        await self._say(
            command, Error("rate_limited", reason, temporary=True, id=mark(command.message))
        )
        return Served()

    async def _refuse_message(
        self, command: Command, error: BadMessage, now: float
    ) -> Served | Close:
        if self._bad.add(now):
            return Close(CODE_POLICY, f"{BAD_MESSAGES} bad messages within a minute")
        await self._say(command, Error("bad_message", error.reason, id=error.id))
        return Served()

    async def _say(self, command: Command, message: ServerMessage) -> None:
        await self._ask(self._broadcaster, Say(self._number, command.number, encode(message)))

    async def _ask(self, partner: ActorRef, request: Request[R]) -> R:
        """Call a partner that may be restarting: both requests may be given twice."""
        give_up_at = trio.current_time() + PARTNER_SECONDS
        while True:
            try:
                return await partner.call(request, timeout=PARTNER_CALL_SECONDS)
            except (CallingSelf, UnhandledRequest):
                raise
            except CallError:
                if trio.current_time() >= give_up_at:
                    raise
                await trio.sleep(PARTNER_RETRY_SECONDS)


def _span_of(message: Subscribe | Unsubscribe) -> spans.Span:
    """The span of a command whose client has sent what it is a part of; else there is none."""
    if message.traceparent is UNSET:
        return spans.NOT_TRACED
    origin = spans.origin_of(message.traceparent, believed=False)
    if origin is None:
        return spans.NOT_TRACED
    name = "subscribe" if isinstance(message, Subscribe) else "unsubscribe"
    return spans.root(name, "server", origin=origin)


def _versions(since: dict[str, tuple[int, int]], latest: int) -> dict[Symbol, Version]:
    """What the client has. Invalid symbols are left out: nobody can subscribe to them.

    So are versions of an epoch after `latest`: no node gives such.
    """
    versions: dict[Symbol, Version] = {}
    for text, (epoch, seq) in since.items():
        if epoch > latest:
            continue
        try:
            versions[parse_symbol(text)] = Version(epoch, seq)
        except InvalidSymbol:
            continue
    return versions
