"""The ASGI lifespan protocol: tell the app when serving begins and ends."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveEvent, ASGISendEvent, LifespanScope

__all__ = ["StartupFailed", "lifespan"]

logger = logging.getLogger("web.server")


class StartupFailed(Exception):
    """The app reported that it could not start, or took too long; the text says which."""


class _Lifespan:
    def __init__(self, app: ASGIFramework, state: dict[str, Any]) -> None:
        self._app = app
        self._state = state
        self._shutdown_asked = trio.Event()
        self._asked = 0
        self.started = trio.Event()
        self.stopped = trio.Event()
        self.failure: str | None = None
        self.supported = True

    async def run(self) -> None:
        scope: LifespanScope = {
            "type": "lifespan",
            "asgi": {"spec_version": "2.0", "version": "3.0"},
            "state": self._state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:
            if self.started.is_set():
                raise  # a background task of the app crashed: serving on would hide it
            # The ASGI specification: such an app does not know lifespan; serve it without.
            self.supported = False
            logger.debug("the app does not support lifespan events", exc_info=True)
        finally:
            self.started.set()
            self.stopped.set()

    def ask_shutdown(self) -> None:
        self._shutdown_asked.set()

    async def _receive(self) -> ASGIReceiveEvent:
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self._shutdown_asked.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: ASGISendEvent) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self.started.set()
            case "lifespan.startup.failed":
                self.failure = message.get("message", "") or "no reason given"
                self.started.set()
            case "lifespan.shutdown.complete":
                self.stopped.set()
            case "lifespan.shutdown.failed":
                logger.error("the app failed to shut down: %s", message.get("message", ""))
                self.stopped.set()
            case other:
                raise ValueError(f"unexpected lifespan message {other!r}")


@asynccontextmanager
async def lifespan(
    app: ASGIFramework,
    state: dict[str, Any],
    *,
    startup_timeout: float,
    shutdown_timeout: float,
) -> AsyncGenerator[None, None]:
    """Run the app's startup before the body and its shutdown after it.

    `state` is the app's to fill; requests get copies. Raises StartupFailed. When the body is
    cancelled, so is the app: no shutdown event. An app whose lifespan task crashes while serving
    ends the body with that error.
    """
    async with trio.open_nursery() as nursery:
        task = _Lifespan(app, state)
        nursery.start_soon(task.run)
        with trio.move_on_after(startup_timeout) as limit:
            await task.started.wait()
        if limit.cancelled_caught:
            task.failure = f"not ready within {startup_timeout} s"
        if task.failure is not None:
            nursery.cancel_scope.cancel()
        else:
            yield
            task.ask_shutdown()
            with trio.move_on_after(shutdown_timeout) as limit:
                await task.stopped.wait()
            if limit.cancelled_caught:
                logger.error("the app did not shut down within %s s", shutdown_timeout)
            nursery.cancel_scope.cancel()
    if task.failure is not None:
        raise StartupFailed(task.failure)
