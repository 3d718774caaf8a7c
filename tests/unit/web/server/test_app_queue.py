"""The one message an app has not received yet, in virtual time."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from web.server.app_tasks import UTF8_MESSAGE, AppQueue


def text(payload: str) -> dict:
    return {"type": UTF8_MESSAGE, "bytes": payload.encode()}


def received(payload: str) -> dict:
    return {"type": "websocket.receive", "bytes": None, "text": payload}


GONE = {"type": "websocket.disconnect", "code": 1001}


@pytest.mark.proves("D5", "D8")
async def test_a_second_message_waits_until_the_first_is_received(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    queue = AppQueue(lambda: False)
    await queue.put(text("1"))
    second = trio.Event()

    async def put_second() -> None:
        await queue.put(text("2"))
        second.set()

    nursery.start_soon(put_second)
    await trio.sleep(3600)
    assert not second.is_set()
    assert await queue.receive() == received("1")
    await wait_all_tasks_blocked()
    assert second.is_set()
    assert await queue.receive() == received("2")


@pytest.mark.proves("D5", "W16")
async def test_a_large_message_holds_the_reader_until_it_is_received(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """Or it would read another one meanwhile: two of 64 KiB for each client that floods."""
    left = False
    queue = AppQueue(lambda: left)
    large = "x" * 5000
    done: list[str] = []

    async def put(payload: str) -> None:
        await queue.put(text(payload))
        done.append(payload)

    for payload in (large, large + "2"):
        nursery.start_soon(put, payload)
        await trio.sleep(3600)
        assert payload not in done
        assert await queue.receive() == received(payload)
        await wait_all_tasks_blocked()
        assert done[-1] == payload
    nursery.start_soon(put, large + "3")
    await trio.sleep(60)
    left = True
    await trio.sleep(1.01)
    assert done[-1] == large + "3"
    assert await queue.receive() == received(large + "3")
    assert (await queue.receive())["type"] == "websocket.disconnect"


@pytest.mark.proves("D8")
async def test_a_disconnect_never_waits_and_comes_after_what_was_before(
    nursery: trio.Nursery,
) -> None:
    """It ends a waiting put, whose message is dropped, and is told every time."""
    queue = AppQueue(lambda: False)
    await queue.put(text("1"))
    nursery.start_soon(queue.put, text("2"))
    await wait_all_tasks_blocked()
    await queue.put(GONE)
    await queue.put({"type": "websocket.disconnect", "code": 1006})
    assert await queue.receive() == received("1")
    assert await queue.receive() == GONE
    assert await queue.receive() == GONE


@pytest.mark.proves("D8")
async def test_a_full_queue_notices_within_a_second_that_its_client_has_left(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    left = False
    queue = AppQueue(lambda: left)
    await queue.put(text("1"))
    started = trio.current_time()
    nursery.start_soon(queue.put, text("2"))
    await trio.sleep(60)
    left = True
    await trio.sleep(1.01)
    assert await queue.receive() == received("1")
    gone = await queue.receive()
    assert (gone["type"], gone["code"]) == ("websocket.disconnect", 1006)
    assert trio.current_time() - started < 62


async def test_a_request_body_is_kept_for_a_client_that_half_closed(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    """The end of an HTTP client's stream is not its end: the app gets the whole body."""
    queue = AppQueue(lambda: True)
    parts = [{"type": "http.request", "body": b"%d" % n, "more_body": True} for n in range(3)]

    async def put_all() -> None:
        for part in parts:
            await queue.put(part)

    nursery.start_soon(put_all)
    for part in parts:
        await trio.sleep(5)
        assert await queue.receive() == part


async def test_receive_waits_and_can_be_cancelled() -> None:
    queue = AppQueue(lambda: False)
    with trio.move_on_after(0) as cancelled:
        await queue.receive()
    assert cancelled.cancelled_caught
    await queue.put(text("kept"))
    assert await queue.receive() == received("kept")
