"""Uses that `mypy --strict` accepts, and the types it must find in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import assert_type

from supervision import (
    Actor,
    ActorRef,
    Caller,
    ChildSpec,
    Conflate,
    Continue,
    Down,
    ExitReason,
    Groups,
    MailboxPolicy,
    Monitor,
    Request,
    Slot,
    Table,
    TaskSupervisor,
    dynamic_supervisor,
    handles,
    partition,
    replies_later,
    start_child,
    supervisor,
)


@dataclass(frozen=True)
class Quote:
    cents: int


@dataclass(frozen=True)
class GetQuote(Request[Quote | None]):
    symbol: str


@dataclass(frozen=True)
class GetAll(Request[list[Quote]]):
    pass


@dataclass(frozen=True)
class Set:
    symbol: str
    quote: Quote


def key(message: object) -> str | None:
    return message.symbol if isinstance(message, Set) else None


class Prices(Actor):
    owns_tasks = True
    mailbox = MailboxPolicy(bound=100, overflow=Conflate(key))

    def __init__(self, table: Table[str, Quote]) -> None:
        self.table = table
        self.waiting: list[Caller[list[Quote]]] = []

    async def init(self) -> Continue:
        self.monitor(self.system.ref("other"))
        return Continue(Set("A", Quote(1)))

    @handles(GetQuote)
    def _get(self, request: GetQuote) -> Quote | None:
        return self.table.get(request.symbol)

    @handles(Set)
    async def _set(self, message: Set) -> None:
        self.table.put(message.symbol, message.quote)

    @replies_later(GetAll)
    def _all(self, _request: GetAll, caller: Caller[list[Quote]]) -> None:
        self.waiting.append(caller)
        caller.reply([Quote(1)])

    @handles(Down)
    def _down(self, message: Down) -> None:
        assert_type(message.reason, ExitReason)

    async def terminate(self, reason: ExitReason) -> None:
        assert_type(self.ref, ActorRef)


class Narrower(Prices):
    @handles(GetQuote)
    async def _get_async(self, request: GetQuote) -> Quote:
        return Quote(len(request.symbol))


async def use(ref: ActorRef, table: Table[str, Quote]) -> None:
    assert_type(await ref.call(GetQuote("A")), Quote | None)
    assert_type(await ref.call(GetAll(), timeout=1.0), list[Quote])
    ref.cast(Set("A", Quote(2)))
    assert_type(ref.monitor(), Monitor)
    assert_type(await ref.monitor().wait(), ExitReason)
    assert_type(table.get("A"), Quote | None)
    spec = ChildSpec("prices", partial(Prices, table))
    assert_type(await start_child(ref, spec), ActorRef | None)
    assert_type(await start_child(ref, spec, monitor=True), Monitor | None)
    supervisor("root", [spec, dynamic_supervisor("many")], intensity=1)


async def price_of(symbol: str) -> Quote:
    return Quote(len(symbol))


async def later(ref: ActorRef, groups: Groups[str], slot: Slot[Quote]) -> None:
    tasks = TaskSupervisor(ref)
    assert_type(await (await tasks.run(price_of, "A")).wait(), Quote)
    done = await tasks.map(price_of, ["A", "B"], at_once=2)
    assert_type(done[0].result(), Quote)
    assert_type(partition(ref, "A"), ActorRef)
    assert_type(groups.members("A"), list[ActorRef])
    assert_type(slot.value, Quote | None)
    assert_type(ref.send_after(1.0, Set("A", Quote(1))).remaining, float | None)
    await ref.stop_and_wait()


class Router(Actor):
    @handles(object)
    def _other(self, message: object) -> None:
        self.postpone()

    @replies_later(Request)
    def _any(self, request: Request[object], caller: Caller[object]) -> None:
        caller.fail(LookupError(request))
