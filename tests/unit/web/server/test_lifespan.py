"""The lifespan protocol against small ASGI apps, in virtual time."""

import pytest
import trio

from web.server.lifespan import StartupFailed, lifespan

LIMITS = {"startup_timeout": 5, "shutdown_timeout": 5}


async def test_the_app_is_told_of_start_and_end_and_may_leave_state() -> None:
    told: list[str] = []

    async def app(scope: dict, receive: object, send: object) -> None:
        scope["state"]["pool"] = "shared"
        for stage in ("startup", "shutdown"):
            told.append((await receive())["type"])
            await send({"type": f"lifespan.{stage}.complete"})

    state: dict[str, object] = {}
    async with lifespan(app, state, **LIMITS):
        assert told == ["lifespan.startup"]
        assert state == {"pool": "shared"}
    assert told == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_app_without_lifespan_is_served_without() -> None:
    """The ASGI specification: an exception at the start means that it does not know it."""

    async def app(scope: dict, receive: object, send: object) -> None:
        raise TypeError(f"unknown scope {scope['type']}")

    async with lifespan(app, {}, **LIMITS):
        pass


async def test_a_failed_start_carries_the_apps_reason() -> None:
    async def app(scope: dict, receive: object, send: object) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "disk full"})

    with pytest.raises(StartupFailed, match="disk full"):
        async with lifespan(app, {}, **LIMITS):
            raise AssertionError("never entered")


async def test_a_shutdown_that_fails_or_hangs_is_logged_and_does_not_hold(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def app_that(ends: object) -> object:
        async def app(scope: dict, receive: object, send: object) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await ends(send)

        return app

    async def fail(send: object) -> None:
        await send({"type": "lifespan.shutdown.failed", "message": "still busy"})

    async def hang(send: object) -> None:
        await trio.sleep_forever()

    async with lifespan(app_that(fail), {}, **LIMITS):
        pass
    assert "still busy" in caplog.text
    async with lifespan(app_that(hang), {}, **LIMITS):
        started = trio.current_time()
    assert trio.current_time() - started == pytest.approx(5)
    assert "did not shut down within 5 s" in caplog.text


async def test_cancelling_the_body_cancels_the_app_without_a_shutdown_event() -> None:
    told: list[str] = []

    async def app(scope: dict, receive: object, send: object) -> None:
        told.append((await receive())["type"])
        await send({"type": "lifespan.startup.complete"})
        told.append((await receive())["type"])

    with trio.CancelScope() as kill:
        async with lifespan(app, {}, **LIMITS):
            kill.cancel()
            await trio.sleep_forever()
    assert told == ["lifespan.startup"]
