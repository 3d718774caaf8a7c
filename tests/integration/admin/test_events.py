"""The event stream over real sockets: its lines, its ends, its bounds."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio
import trio.testing
from quart_trio import QuartTrio

import web.admin.stream
from stockstream.telemetry.event_log import KEPT_ENTRIES
from supervision import RestartScheduled
from tests.integration.admin.operators import by_token, events
from tests.support.tree import Tree, running_tree
from web.admin.stream import MOST_STREAMS

if TYPE_CHECKING:
    import pytest


async def test_it_begins_with_what_was_and_goes_on_with_what_happens() -> None:
    """The start of the tree is there; a kill comes as it happens, with the decision about it."""
    async with running_tree() as tree, events(tree) as reader:
        hello = await reader.next()
        assert hello is not None
        assert hello["type"] == "hello"
        assert hello["last"] > 0
        await reader.until(kind="started", path="root")
        tree.system.ref("market/streamer").kill()
        gone = await reader.until(kind="exited", path="market/streamer")
        assert (gone["reason"], gone["decision"], gone["generation"]) == ("killed", "restart", 1)
        back = await reader.until(kind="started", path="market/streamer")
        assert back["generation"] == 2
        assert 0 < back["down_ms"] < 5_000
        numbers = [line["event"]["number"] for line in reader.lines if line["type"] == "event"]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_reader_goes_on_where_it_left_also_after_a_kill_of_web() -> None:
    """The stream ends with `web`; the next one, from the last number on, has no hole, no twin."""
    async with running_tree() as tree:
        async with events(tree) as reader:
            last = (await reader.until(kind="started", path="root"))["number"]
            tree.system.ref("web").kill()
            with trio.fail_after(20):
                rest = await reader.rest()
            assert all(line["type"] == "event" for line in rest)
            last += len(rest)
        await tree.until(
            lambda: tree.actors()["web"].generation == 2 and tree.actors()["web"].state == "running"
        )
        async with events(tree, since=last) as reader:
            await reader.until(kind="started", path="web", generation=2)
            numbers = [line["event"]["number"] for line in reader.lines if line["type"] == "event"]
            assert numbers == list(range(last + 1, last + 1 + len(numbers)))


async def test_it_says_goodbye_when_the_server_stops_in_order() -> None:
    """An open stream does not hold the stop up: it ends with a line that says so."""
    async with running_tree(drain_timeout=6.0) as tree:
        async with events(tree) as reader:
            await reader.until(kind="started", path="root")
            began = trio.current_time()
            tree.system.stop()
            lines = await reader.rest()
            assert lines[-1] == {"type": "bye", "reason": "web stops"}
        with trio.fail_after(5):
            await tree.ended.wait()
        assert trio.current_time() - began < 5.0, "the drain waited for the stream"


async def test_silence_is_filled_with_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader can tell a quiet server from a lost one."""
    monkeypatch.setattr(web.admin.stream, "HEARTBEAT_SECONDS", 0.1)
    async with running_tree() as tree, events(tree) as reader:
        await reader.until(kind="started", path="root")
        beats = [await reader.next() for _ in range(3)]
        assert [beat and beat["type"] for beat in beats] == ["heartbeat"] * 3


async def test_no_limit_for_ordinary_answers_cuts_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The framework gives an answer a minute; a stream outlives that limit."""
    config = QuartTrio.default_config | {"RESPONSE_TIMEOUT": 0.2}
    monkeypatch.setattr(QuartTrio, "default_config", config)
    monkeypatch.setattr(web.admin.stream, "HEARTBEAT_SECONDS", 0.1)
    async with running_tree() as tree, events(tree) as reader:
        await reader.until(kind="started", path="root")
        beats = [await reader.next() for _ in range(5)]
        assert [beat and beat["type"] for beat in beats] == ["heartbeat"] * 5


async def test_a_reader_that_was_away_for_too_long_is_told_what_it_missed() -> None:
    """Entries that are not kept any more are a gap with a number, never silence."""
    async with running_tree() as tree:
        for attempt in range(KEPT_ENTRIES + 100):
            tree.system.emit(RestartScheduled(f"path{attempt}", attempt, 0.0))
        async with events(tree, since=1) as reader:
            hello = await reader.next()
            gap = await reader.next()
            first = await reader.next()
        assert hello is not None
        assert gap is not None
        assert first is not None
        assert gap["type"] == "gap"
        assert first["event"]["number"] == 1 + gap["lost"] + 1
        assert first["event"]["number"] == hello["last"] - KEPT_ENTRIES + 1


async def test_a_reader_that_does_not_read_costs_no_memory_and_is_told_its_losses() -> None:
    """What a stalled reader misses is not queued for it: each number is a line or in a gap."""
    async with running_tree() as tree, events(tree) as reader:
        hello = await reader.next()
        assert hello is not None
        for burst in range(100):
            for number in range(1_000):
                tree.system.emit(RestartScheduled(f"path{burst}.{number}", number, 0.0))
            await trio.testing.wait_all_tasks_blocked()
        tree.system.ref("pubsub").kill()
        await reader.until(kind="started", path="pubsub", generation=2)
        lost = sum(line["lost"] for line in reader.lines if line["type"] == "gap")
        numbers = [line["event"]["number"] for line in reader.lines if line["type"] == "event"]
        assert lost > 10_000, "the socket took it all, so this shows nothing"
        assert numbers == sorted(set(numbers))
        assert lost + len(numbers) == numbers[-1]


async def test_a_number_of_another_run_hides_nothing_that_is_new() -> None:
    """A reader that asks from beyond the end gets what happens from now on."""
    async with running_tree() as tree, events(tree, since=10**9) as reader:
        assert (await reader.next() or {})["type"] == "hello"
        tree.system.ref("pubsub").kill()
        await reader.until(kind="exited", path="pubsub")


async def _open_streams(tree: Tree) -> int:
    async with by_token(tree) as program:
        return int((await program.get("/admin/api/overview")).json()["event_streams"])


async def test_streams_are_bounded_and_one_that_leaves_makes_room() -> None:
    """The seventeenth is refused; when one has gone, the next is let in."""
    async with running_tree() as tree:
        async with AsyncExitStack() as stack:
            for _ in range(MOST_STREAMS):
                reader = await stack.enter_async_context(events(tree))
                await reader.next()
            assert await _open_streams(tree) == MOST_STREAMS
            async with events(tree, status=503):
                pass
        with trio.fail_after(20):
            while await _open_streams(tree) > 0:  # noqa: ASYNC110 - told by a request only
                await trio.sleep(0.02)
        async with events(tree) as reader:
            assert (await reader.next() or {})["type"] == "hello"
