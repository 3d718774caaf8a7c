"""What becomes of a line to each provider, by what its network and its tape do. Virtual time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from mockserver.streams.stream_faults import StreamFaults
from stockstream.market.feeds.line import SEND_SECONDS, Line, LineTimes
from stockstream.market.feeds.push_socket import Ended
from tests.unit.market.providers.contract import NOBODY, symbols_of
from tests.unit.market.providers.memory_lines import Provider, Told, line_to, playing
from tests.unit.market.providers.test_contract import SILENT_ABOUT_UNKNOWN, each

if TYPE_CHECKING:
    from trio.testing import MockClock

    from stockstream.market.providers.push import PushProvider
    from stockstream.quotes import Symbol

TIMES = LineTimes()
SILENCE = {"kraken": 10.0, "coinbase": 10.0, "finnhub": 130.0}
"""Heartbeats, by the pages of the providers: each second, each second, each minute; others none."""
LOOK = 1.5
"""Lines look each second."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def begun(stub: Provider, *more: Symbol) -> tuple[Line, Told]:
    """A line that has two symbols, and prices of them."""
    line, told = line_to(stub)
    wanted = frozenset(symbols_of(stub.codec)[:2])
    line.want(wanted | set(more))
    stub.nursery.start_soon(line.run)
    with trio.fail_after(30):
        await line.answered.wait()
        await told.until(lambda: told.prices and line.subscribed >= wanted)
    assert line.end is None
    return line, told


async def end_of(line: Line, within: float) -> tuple[str, float]:
    """How it ends, and after how long."""
    started = trio.current_time()
    with trio.fail_after(within):
        await line.leaving.wait()
    assert line.end is not None
    assert not line.end.fatal
    return line.end.kind, trio.current_time() - started


@each
async def test_a_network_that_drops_everything_ends_a_line(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """By the heartbeat that is missed or the ping that is not answered, whichever is sooner."""
    async with playing(provider, monkeypatch) as stub:
        line, _ = await begun(stub)
        stub.wires[0].lost = True
        kind, after = await end_of(line, 60)
        assert kind in {"ping_unanswered", "silent"}
        assert after <= TIMES.ping + TIMES.pong + LOOK


@each
async def test_a_heartbeat_that_stops_ends_a_line(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Though pings are answered. Where there is no heartbeat the pings are the sign of life."""
    assert provider.silence == SILENCE.get(provider.scheme)
    async with playing(provider, monkeypatch) as stub:
        line, _ = await begun(stub)
        stub.faults = StreamFaults(mute="all")
        if provider.silence is None:
            await trio.sleep(300)
            assert line.end is None
            assert line.last_frame is not None
            assert trio.current_time() - line.last_frame <= TIMES.ping + LOOK
            return
        kind, after = await end_of(line, provider.silence + 30)
        assert kind == "silent"
        assert provider.silence - 1 <= after <= provider.silence + 2 * LOOK


@each
async def test_a_mute_line_lives(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """Heartbeats and pongs go on, and no price comes: whether that is a fault the feed judges."""
    async with playing(provider, monkeypatch) as stub:
        line, told = await begun(stub)
        stub.faults = StreamFaults(mute="prices")
        await trio.sleep(1)
        told.events.clear()
        await trio.sleep(400)
        assert line.end is None
        assert not told.prices
        stub.faults = StreamFaults()
        await trio.sleep(10)
        assert told.prices


@each
async def test_a_provider_that_reads_nothing_is_left(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A message that nobody takes, while prices still come."""
    async with playing(provider, monkeypatch) as stub:
        line, told = await begun(stub)
        stub.wires[0].full = True
        told.events.clear()
        line.want(frozenset(symbols_of(provider)[:3]))
        kind, after = await end_of(line, 60)
        assert kind == "not_read"
        assert after <= TIMES.ping + SEND_SECONDS + LOOK
        assert told.prices


@each
async def test_a_server_that_had_no_time_blames_nobody_and_loses_nothing(
    provider: PushProvider,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    """A pong and frames wait to be read when the time for them is over: they count as life."""
    async with playing(provider, monkeypatch) as stub:
        line, told = await begun(stub)
        told.events.clear()
        assert line.opened is not None
        pinged = line.opened
        for _ in range(6):
            await trio.sleep_until(pinged + TIMES.ping - 0.01)
            stub.wires[0].hold()
            await trio.sleep(TIMES.pong - 1)
            stub.wires[0].release()
            autojump_clock.jump(200)
            pinged = trio.current_time()
            await trio.sleep(1)
            assert line.end is None
        times = [seen.timestamp for seen in told.prices if seen.symbol == symbols_of(provider)[0]]
        assert len(times) > 20
        assert times == sorted(times)


@each
@pytest.mark.parametrize(
    ("code", "kind"),
    [(1001, "closed_1001"), (1008, "closed_1008"), (1012, "closed_1012"), (1006, "cut")],
)
async def test_each_way_to_close_ends_a_line_and_the_next_one_has_all(
    provider: PushProvider,
    code: int,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: MockClock,
) -> None:
    """It is no wrong key, and a new line asks for everything anew."""
    async with playing(provider, monkeypatch) as stub:
        line, _ = await begun(stub)
        if code == 1006:
            await trio.aclose_forcefully(stub.sockets[0]._stream)
        else:
            stub.nursery.start_soon(stub.sockets[0].aclose, code)
        assert (await end_of(line, 20))[0] == kind
        again, told = await begun(stub)
        assert again.subscribed == set(symbols_of(provider)[:2])
        assert told.prices


@each
async def test_a_line_is_replaced_by_another_beside_it(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """It says in time that it ends, and tells prices until it is hung up."""
    async with playing(replace(provider, lifetime=30.0), monkeypatch) as stub:
        line, told = await begun(stub)
        with trio.fail_after(40):
            await line.leaving.wait()
        assert line.end is None
        other, _ = await begun(stub)
        await other.settled.wait()
        told.events.clear()
        await trio.sleep(5)
        assert told.prices
        line.hang_up(Ended("replaced", "another has taken its place"))
        await trio.sleep(5)
        assert line.end is not None
        assert line.end.kind == "replaced"
        assert other.end is None


@each
async def test_a_refusal_of_one_symbol_settles_a_line(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The others are told; who tells nothing of unknown ones is asked by REST."""
    async with playing(provider, monkeypatch) as stub:
        line, _ = await begun(stub, NOBODY)
        with trio.fail_after(30):
            await line.settled.wait()
        if provider.scheme not in SILENT_ABOUT_UNKNOWN:
            assert line.refused.keys() == {NOBODY}
            assert line.refused[NOBODY].code in {"unknown_symbol", "invalid_symbol"}
        assert line.subscribed >= set(symbols_of(provider)[:2])
        line.want(frozenset(symbols_of(provider)[:2]))
        assert not line.refused


@each
@pytest.mark.parametrize("status", [401, 402, 403, 429, 451, 500, 503])
async def test_a_handshake_that_is_refused_is_read_alike(
    provider: PushProvider, status: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """A wrong key or plan is fatal; a limit says when to come again."""
    async with playing(provider, monkeypatch) as stub:
        stub.reject = status, [(b"Retry-After", b"77")]
        line, _ = line_to(stub)
        line.want(frozenset(symbols_of(provider)))
        await line.run()
        assert line.end is not None
        assert line.end.kind == f"status_{status}"
        assert line.end.fatal == (status in {401, 402, 403})
        assert line.end.retry_after == 77
        assert line.end.said is not None
        assert "our-key" not in f"{line.end} {line.end.said}"


@each
async def test_messages_keep_to_the_providers_limit(
    provider: PushProvider, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """However often what is wanted changes, and whoever pays by the message."""
    bucket = provider.limits.messages
    async with playing(provider, monkeypatch) as stub:
        line, _ = await begun(stub)
        first, second, third = symbols_of(provider)[:3]
        started = len(stub.heard)
        for step in range(60):
            line.want(frozenset({first, second} if step % 2 else {first, third}))
            await trio.sleep(0.01)
        await trio.sleep(120)
        times = stub.heard[started:]
        assert len(times) >= 60
        assert line.end is None
        for number, at in enumerate(times):
            inside = sum(at <= other < at + 1 for other in times[number:])
            assert inside <= bucket.burst + bucket.rate + 1
