"""A stream to a server that has no TLS, over a real socket."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from stockstream.http_client import open_stream


async def test_a_stream_without_its_tls_is_closed_at_once(nursery: trio.Nursery) -> None:
    """Not when the error that tells of it is forgotten: a feed tries again and again."""
    ended = trio.Event()

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 400 No TLS here\r\n\r\n")
        async for _ in stream:
            pass
        ended.set()

    serve = partial(trio.serve_tcp, answer, 0, host="127.0.0.1")
    (listener,) = await nursery.start(serve)
    port = listener.socket.getsockname()[1]
    with pytest.raises(trio.BrokenResourceError) as kept:
        await open_stream("127.0.0.1", port, secure=True)
    with trio.fail_after(5):
        await ended.wait()
    assert kept.value.__traceback__ is not None
    nursery.cancel_scope.cancel()
