"""asyncio in a thread of its own, as a trio task sees it. On real threads and real time."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
import structlog
import trio
import trio.lowlevel
import trio.testing

from stockstream import asyncio_thread, asyncio_turns
from stockstream.asyncio_thread import (
    AsyncioLoop,
    AsyncioThread,
    AsyncioThreadLost,
    CancelledUnderAsyncio,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_SECONDS = 10.0

variable: ContextVar[str] = ContextVar("variable", default="unset")


@contextmanager
def a_loop() -> Iterator[AsyncioLoop]:
    with AsyncioThread().use() as loop:
        yield loop


async def _twice(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


def _threads() -> int:
    return sum(thread.name == "asyncio" for thread in threading.enumerate())


async def _until_no_thread() -> None:
    with trio.fail_after(WAIT_SECONDS):
        while _threads():  # noqa: ASYNC110 - a thread tells nobody of its end
            await trio.sleep(0.002)


async def test_a_coroutine_runs_in_the_thread_and_its_value_comes_back() -> None:
    """With the context variables of who asks, so that a log line carries its correlation id."""

    async def look() -> tuple[str, str]:
        return threading.current_thread().name, variable.get()

    variable.set("mine")
    with a_loop() as loop:
        assert await loop.run(_twice, 21) == 42
        assert await loop.run(look) == ("asyncio", "mine")


async def test_an_error_comes_back_with_its_traceback_and_leaves_no_cycle() -> None:
    """It says where in the coroutine it was raised; what the coroutine held is free at once."""

    class Held:
        pass

    async def culprit(held: Held) -> None:
        raise ValueError("why")

    with a_loop() as loop:
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(ValueError, match="why") as caught:
                await loop.run(culprit, Held())
            frames = traceback.extract_tb(caught.value.__traceback__)
            assert frames[-1].name == "culprit"
            del caught, frames
            await loop.run(_twice, 1)  # what the thread holds of the call before is gone with it
            assert not [x for x in gc.get_objects() if isinstance(x, Held)]
        finally:
            gc.enable()


@pytest.mark.proves("H2")
async def test_a_cancelled_task_cancels_its_coroutine_and_waits_for_its_end() -> None:
    """The coroutine may clean up; trio's task goes on once it has."""
    ended: list[str] = []

    async def clean() -> None:
        try:
            await _forever()
        finally:
            await asyncio.sleep(0.02)
            ended.append("clean")

    with a_loop() as loop:
        with trio.move_on_after(0.02) as scope:
            await loop.run(clean)
        assert scope.cancelled_caught
        assert ended == ["clean"]


@pytest.mark.proves("H2")
async def test_a_coroutine_that_swallows_its_cancellation_holds_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither one that answers all the same, whose answer is discarded, nor one that never ends."""
    monkeypatch.setattr(asyncio_thread, "END_SECONDS", 0.05)
    discarded: list[int] = []

    async def answer() -> int:
        try:
            await _forever()
        except asyncio.CancelledError:
            return 5
        return 0

    async def go_on() -> None:
        while True:
            try:
                await _forever()
            except asyncio.CancelledError:
                if over:
                    raise

    over: list[int] = []
    with a_loop() as loop:
        with trio.move_on_after(0.02) as scope:
            await loop.run(answer, discard=discarded.append)
        assert scope.cancelled_caught
        await loop.run(_twice, 1)
        assert discarded == [5]
        began = time.monotonic()
        with trio.move_on_after(0.02) as scope, structlog.testing.capture_logs() as logs:
            await loop.run(go_on)
        assert scope.cancelled_caught
        assert time.monotonic() - began < 2
        assert [line["event"] for line in logs] == ["what was cancelled under asyncio does not end"]
        over.append(1)


async def test_a_call_that_is_called_off_before_it_begins_is_never_made() -> None:
    """A kill may come between trio's side and asyncio's: no coroutine is left unawaited, which
    would be said at some later time (the tests take that for a failure).
    """
    begun: list[int] = []

    async def begin() -> None:
        begun.append(1)

    busy = threading.Event()
    with a_loop() as loop:
        for moment in (0.0, 0.01):
            loop.post(busy.wait, WAIT_SECONDS)
            with trio.move_on_after(moment) as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(loop.run, begin)
                    with trio.CancelScope(shield=True):
                        await trio.sleep(0.02)
                    busy.set()
            assert scope.cancelled_caught
            await loop.run(_twice, 1)
            busy.clear()
    gc.collect()
    assert begun == []


async def test_a_cancellation_under_asyncio_is_an_error_here() -> None:
    """Not trio's cancellation, and not an exception that passes every `except Exception`."""

    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with a_loop() as loop:
        with pytest.raises(CancelledUnderAsyncio):
            await loop.run(cancel_myself)
        assert await loop.run(_twice, 4) == 8


async def test_gateways_share_one_thread_and_the_last_to_leave_ends_it() -> None:
    """Nobody waits for that. The next to come finds a new one."""
    await _until_no_thread()
    shared = AsyncioThread()
    with shared.use() as first:
        with shared.use() as second:
            assert second is first
        assert await first.run(_twice, 1) == 2
        assert _threads() == 1
    with pytest.raises(AsyncioThreadLost):
        await first.run(_twice, 1)
    await _until_no_thread()
    with shared.use() as third:
        assert third is not first
        assert await third.run(_twice, 3) == 6
    await _until_no_thread()


async def test_what_still_runs_is_cancelled_when_the_thread_ends() -> None:
    """Also what was left behind: its cleanup runs before the loop is closed."""
    ended = threading.Event()

    async def work() -> None:
        try:
            await _forever()
        finally:
            ended.set()

    async def leave_behind() -> None:
        kept.append(asyncio.create_task(work()))
        await asyncio.sleep(0)

    kept: list[asyncio.Task[None]] = []
    with a_loop() as loop:
        await loop.run(leave_behind)
    await _until_no_thread()
    assert ended.is_set()


async def test_a_thread_that_ends_fails_all_who_wait_for_it_and_is_started_again() -> None:
    """Asyncio lets SystemExit out of a callback, and the loop ends. It is logged, and told."""

    def leave() -> None:
        raise SystemExit(3)

    async def wait() -> None:
        with pytest.raises(AsyncioThreadLost, match="SystemExit: 3"):
            await loop.run(_forever)

    shared = AsyncioThread()
    with structlog.testing.capture_logs() as logs, trio.fail_after(WAIT_SECONDS):
        with shared.use() as loop:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
                loop.post(leave)
                with pytest.raises(AsyncioThreadLost, match="SystemExit: 3"):
                    await loop.watch()
        with shared.use() as other:
            assert await other.run(_twice, 2) == 4
    assert [line["event"] for line in logs] == ["the asyncio thread has ended"]
    await _until_no_thread()


async def test_a_loop_that_hangs_is_told_and_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log says in which callback; a new loop serves, and the old thread ends when it can."""
    monkeypatch.setattr(asyncio_thread, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(asyncio_thread, "MISSED_BEATS", 3)
    release = threading.Event()

    def hang_in_a_callback() -> None:
        release.wait(WAIT_SECONDS)

    await _until_no_thread()
    shared = AsyncioThread()
    with structlog.testing.capture_logs() as logs, trio.fail_after(WAIT_SECONDS):
        with shared.use() as loop:
            loop.post(hang_in_a_callback)
            with pytest.raises(AsyncioThreadLost, match="not answered"):
                await loop.watch()
        assert "hang_in_a_callback" in logs[0]["stack"]
        with pytest.raises(AsyncioThreadLost):
            await loop.run(_twice, 1)
        with shared.use() as other:
            assert await other.run(_twice, 2) == 4
            assert _threads() == 2
        release.set()
    await _until_no_thread()


async def test_a_loop_that_answers_is_watched_and_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """For many beats, however long trio itself stands still in between."""
    # A thread of a busy machine may wait as long for its turn as a few beats of thousandths take.
    monkeypatch.setattr(asyncio_thread, "BEAT_SECONDS", 0.02)
    with a_loop() as loop:
        with trio.move_on_after(0.6):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop.watch)
                await trio.sleep(0.05)
                time.sleep(0.3)  # noqa: ASYNC251 - as a process that was stopped
        assert not loop.is_lost


def test_the_end_of_the_process_waits_for_no_callback_and_no_look_up() -> None:
    """A callback that hangs, and a name that nobody resolves for half a minute."""
    program = """
import asyncio, time, trio
from stockstream.asyncio_thread import AsyncioThread

async def look_up():
    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)

async def main():
    with AsyncioThread().use() as loop:
        await loop.run(look_up)
        loop.post(time.sleep, 60)
        await trio.sleep(0.05)

trio.run(main)
"""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
    assert time.monotonic() - began < 20


async def test_look_ups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may run is refused as a name that cannot be resolved now; places come free."""
    monkeypatch.setattr(asyncio_thread, "LOOKUPS", 2)
    release = threading.Event()

    async def look_up() -> None:
        loop = asyncio.get_running_loop()
        under_way = [loop.run_in_executor(None, release.wait, WAIT_SECONDS) for _ in range(2)]
        with pytest.raises(OSError, match="look-ups"):
            loop.run_in_executor(None, release.wait, 0)
        release.set()
        await asyncio.gather(*under_way)
        assert await loop.run_in_executor(None, release.wait, 0)

    with a_loop() as loop:
        await loop.run(look_up)


async def test_look_ups_are_bounded_for_all_lives_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is killed again and again while a name server hangs leaves no more threads."""
    monkeypatch.setattr(asyncio_thread, "LOOKUPS", 2)
    release, refused = threading.Event(), []
    thread = AsyncioThread()

    async def look_up() -> None:
        try:
            asyncio.get_running_loop().run_in_executor(None, release.wait, WAIT_SECONDS)
        except OSError as error:
            refused.append(str(error))

    for _ in range(4):
        with thread.use() as loop:
            await loop.run(look_up)
    assert refused == ["[Errno -3] 2 look-ups of names are under way"] * 2
    release.set()


async def test_a_look_up_for_which_there_is_no_thread_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It fails as one that could not be begun, and the next one finds the place free."""
    monkeypatch.setattr(asyncio_thread, "LOOKUPS", 1)

    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def look_up() -> int:
        loop = asyncio.get_running_loop()
        with monkeypatch.context() as without_threads:
            without_threads.setattr(threading.Thread, "start", start)
            with pytest.raises(OSError, match="new thread"):
                loop.run_in_executor(None, int, "1")
        return await loop.run_in_executor(None, int, "2")

    with a_loop() as loop:
        assert await loop.run(look_up) == 2


async def test_an_error_in_a_callback_is_logged_with_its_traceback() -> None:
    """Nobody waits for it. What a driver leaves behind of a cut connection is not worth a line."""

    def fail() -> None:
        raise ValueError("in a callback")

    async def leave_a_future() -> None:
        asyncio.get_running_loop().create_future().set_exception(OSError("cut"))

    with structlog.testing.capture_logs() as logs, a_loop() as loop:
        loop.post(fail)
        await loop.run(leave_a_future)
        await loop.run(_twice, 1)
    [line] = [line for line in logs if line["log_level"] != "debug"]
    assert isinstance(line["exc_info"], ValueError)
    assert line["exc_info"].__traceback__ is not None


async def test_asyncio_has_its_turn_while_trio_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing begins there while a task of trio's runs, though that releases the interpreter; not
    for ever, where trio never waits.
    """
    monkeypatch.setattr(asyncio_turns, "PATIENCE_SECONDS", 0.3)
    ran = threading.Event()

    async def set_soon() -> None:
        asyncio.get_running_loop().call_later(0.02, ran.set)

    with a_loop() as loop:
        await loop.run(_twice, 1)
        loop.post(ran.set)
        assert not ran.wait(0.1)
        await trio.lowlevel.checkpoint()
        with trio.fail_after(WAIT_SECONDS):
            while not ran.is_set():  # noqa: ASYNC110 - a thread's event
                await trio.sleep(0.001)
        ran.clear()
        await loop.run(set_soon)
        assert ran.wait(WAIT_SECONDS)


async def test_what_trio_posts_goes_over_at_once_when_it_waits() -> None:
    """The loop is woken once for all of it, in order; what fails holds up nothing behind it."""
    ran: list[object] = []
    with structlog.testing.capture_logs() as logs, a_loop() as loop:
        await loop.run(_twice, 1)
        for number in range(3):
            loop.post(ran.append, number)
        loop.post(ran.index, "missing")
        loop.post(ran.append, 3)
        await loop.run(_twice, 1)
    assert ran == [0, 1, 2, 3]
    assert [line["log_level"] for line in logs if "exc_info" in line] == ["error"]


async def test_a_loop_that_was_lost_is_stopped_once_all_have_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when a new one serves already: no thread stays, and trio has no instrument left."""
    monkeypatch.setattr(asyncio_thread, "BEAT_SECONDS", 0.02)
    await _until_no_thread()
    release = threading.Event()
    shared = AsyncioThread()
    with shared.use() as one, structlog.testing.capture_logs():
        with shared.use() as same:
            assert same is one
            one.post(release.wait, WAIT_SECONDS)
            with pytest.raises(AsyncioThreadLost):
                await one.watch()
        with shared.use() as other:
            assert other is not one
            release.set()
            assert await other.run(_twice, 1) == 2
    await _until_no_thread()
