"""A receiver of webhooks: a real HTTP server that keeps what it was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11
import trio

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

WAIT_SECONDS = 20.0


@dataclass
class Post:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """Answers with `statuses` one after another, then with 200; 0 stands for no answer at all.

    `answered` counts the answers that were taken whole. With `tls` it speaks TLS only.
    """

    statuses: list[int] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    url: str = ""
    answered: int = 0
    tls: ssl.SSLContext | None = None

    async def start(self, nursery: trio.Nursery) -> None:
        self._came = trio.Event()
        self._scope = trio.CancelScope()
        listeners: Sequence[trio.abc.Listener[Any]] = await trio.open_tcp_listeners(
            0, host="127.0.0.1"
        )
        port = listeners[0].socket.getsockname()[1]  # type: ignore[attr-defined]
        if self.tls is not None:
            listeners = [trio.SSLListener(one, self.tls) for one in listeners]
        scheme = "http" if self.tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{port}/hook?key=1"
        nursery.start_soon(self._run, listeners)

    async def stop(self) -> None:
        self._scope.cancel()

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds`, looked at after each request."""
        with trio.fail_after(WAIT_SECONDS):
            while not holds():
                await self._came.wait()

    async def _run(self, listeners: Sequence[trio.abc.Listener[Any]]) -> None:
        with self._scope:
            await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, stream: trio.abc.Stream) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            async with stream:
                await self._answer(stream, connection)
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            pass  # the other side has left; what came of its request is kept

    async def _answer(self, stream: trio.abc.Stream, connection: h11.Connection) -> None:
        head, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65_536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        assert head is not None
        headers = {name.decode(): value.decode() for name, value in head.headers}
        self.posts.append(Post({**headers, ":target": head.target.decode()}, body))
        self._came.set()
        self._came = trio.Event()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            await trio.sleep_forever()
        given = [*self.headers, ("content-length", str(len(self.body))), ("connection", "close")]
        data = connection.send(h11.Response(status_code=status, headers=given)) or b""
        await stream.send_all(data + self.body)
        self.answered += 1
