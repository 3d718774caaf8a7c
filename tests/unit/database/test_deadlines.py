"""A limit for what awaits the driver, whatever the driver does. On a real asyncio loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from stockstream.database import deadlines
from stockstream.database.deadlines import within


class Driver:
    """Never wakes who waits, and may not even end when it is cancelled."""

    def __init__(self, *, stubborn: int = 0) -> None:
        self.cut = 0
        self.cancelled = 0
        self._stubborn = stubborn

    def end(self) -> None:
        self.cut += 1

    async def hang(self) -> None:
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.cancelled += 1
                if self.cancelled > self._stubborn:
                    raise


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "GRACE_SECONDS", 0.05)
    monkeypatch.setattr(deadlines, "END_SECONDS", 0.05)


async def _in_time() -> int:
    await asyncio.sleep(0)
    return 7


async def _failing() -> int:
    raise ValueError("why")


def test_what_ends_in_time_is_the_answer() -> None:
    """And nothing is cut for it; an error goes through."""
    driver = Driver()
    assert asyncio.run(within(1.0, _in_time(), driver.end)) == 7
    with pytest.raises(ValueError, match="why"):
        asyncio.run(within(1.0, _failing(), driver.end))
    assert driver.cut == 0


@pytest.mark.proves("H2")
@pytest.mark.parametrize("stubborn", [0, 1])
def test_nobody_waits_beyond_the_limit(stubborn: int) -> None:
    """The connection is cut and the await cancelled, also one that takes no notice of that."""
    driver = Driver(stubborn=stubborn)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(within(0.05, driver.hang(), driver.end))
    assert time.monotonic() - began < 10
    assert driver.cut == 1
    assert driver.cancelled == stubborn + 1  # the loop's own end cancels what is left


@pytest.mark.proves("H2")
def test_a_caller_that_is_cancelled_takes_the_query_with_it() -> None:
    """A killed gateway: cut, cancelled, and no wait for the limit."""
    driver = Driver()

    async def main() -> None:
        task = asyncio.create_task(within(60.0, driver.hang(), driver.end))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
        assert task.cancelled()

    asyncio.run(main())
    assert (driver.cut, driver.cancelled) == (1, 1)


def test_an_answer_that_is_there_is_taken_though_the_loop_was_busy() -> None:
    """The limit passed while the loop did other work: what came meanwhile counts."""
    driver = Driver()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        came: asyncio.Future[int] = loop.create_future()

        async def wait() -> int:
            return await came

        def busy() -> None:
            time.sleep(0.1)
            loop.call_later(0.01, came.set_result, 3)

        loop.call_soon(busy)
        return await within(0.05, wait(), driver.end)

    assert asyncio.run(main()) == 3
    assert driver.cut == 0


@pytest.mark.proves("H2")
def test_what_comes_after_all_is_discarded() -> None:
    """A connection that is made in the very moment its caller is cancelled is not left open."""
    discarded: list[int] = []

    async def main() -> None:
        came = asyncio.Event()

        async def connect() -> int:
            await came.wait()
            return 5

        task = asyncio.create_task(within(60.0, connect(), Driver().end, discarded.append))
        await asyncio.sleep(0.01)
        came.set()
        await asyncio.sleep(0)  # the connection is there, and its caller not told yet
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
        assert task.cancelled()

    asyncio.run(main())
    assert discarded == [5]
