"""Uses that `mypy --strict` refuses; each marked line with the code it names."""

from __future__ import annotations

from dataclasses import dataclass

from supervision import (
    Actor,
    ActorRef,
    Caller,
    ChildSpec,
    Request,
    Restart,
    Table,
    handles,
    replies_later,
    supervisor,
)


@dataclass(frozen=True)
class GetPrice(Request[int]):
    symbol: str


@dataclass(frozen=True)
class Tick:
    number: int


class WrongReply(Actor):
    @handles(GetPrice)  # E: arg-type
    def _get(self, request: GetPrice) -> str:
        return request.symbol


class WrongAsyncReply(Actor):
    @handles(GetPrice)  # E: arg-type
    async def _get(self, request: GetPrice) -> None:
        pass


class WrongCaller(Actor):
    @replies_later(GetPrice)  # E: arg-type
    def _get(self, request: GetPrice, caller: Caller[str]) -> None:
        caller.reply(request.symbol)


class WrongLateReply(Actor):
    @replies_later(GetPrice)
    def _get(self, request: GetPrice, caller: Caller[int]) -> None:
        caller.reply(request.symbol)  # E: arg-type


class WrongField(Actor):
    @handles(Tick)
    def _tick(self, message: Tick) -> None:
        print(message.price)  # E: attr-defined


class NeedsArguments(Actor):
    def __init__(self, number: int) -> None:
        self.number = number


async def use(ref: ActorRef, table: Table[str, int]) -> None:
    price: str = await ref.call(GetPrice("A"))  # E: arg-type
    await ref.call(Tick(1))  # E: arg-type
    await ref.call(GetPrice(7))  # E: arg-type
    await ref.call(GetPrice("A"), 5.0)  # E: call-arg|misc
    ref.call(GetPrice("A"))  # E: unused-coroutine
    table.put("a", price)  # E: arg-type
    table.rows["a"] = 1  # E: index
    ChildSpec("a", Tick)  # E: arg-type
    ChildSpec("a", NeedsArguments, restart="permanent")  # E: arg-type
    ChildSpec("a", NeedsArguments, restart=Restart.PERMANENT, shutdown="kill")  # E: arg-type
    supervisor("s", [Actor])  # E: list-item
    ref.stop("done")  # E: arg-type
