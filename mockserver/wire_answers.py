"""Writes answers: through ASGI where that can say it, on the socket itself where it cannot.

ASGI has no words for a reason phrase of one's own, nor for a broken connection.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final

import trio
from hypercorn.typing import ASGISendEvent, HTTPScope

from mockserver.faults import Fault
from mockserver.responses import BODILESS, Answer
from web.server import Wire, wire_of

Send = Callable[[ASGISendEvent], Awaitable[None]]

# What Latin-1, the charset of HTTP's heads, or a head's lines cannot hold; WireMock writes a space
# or a question mark for it. Vertical tab and form feed are white space to some parsers.
_UNSENT: Final = re.compile(r"[^\x01-\x09\x0e-\xff]")
# Neither a chunk nor a status line in any reading of HTTP.
_GARBAGE: Final = b"\x00\xffthis is not HTTP\x17\x03\x99]['/;.lskdu"


async def write_answer(scope: HTTPScope, send: Send, answer: Answer) -> None:
    """Send `answer` after its delay, or break the connection as it says."""
    if answer.delay_seconds > 0:
        await trio.sleep(answer.delay_seconds)
    if answer.fault is not None:
        await _break(wire_of(scope), answer.fault)
    elif answer.reason is not None:
        await _write_raw(wire_of(scope), answer, with_body=scope["method"] != "HEAD")
    else:
        await _write_asgi(send, answer, with_body=scope["method"] != "HEAD")


async def _write_asgi(send: Send, answer: Answer, *, with_body: bool) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), header_bytes(value)) for name, value in _headers(answer)],
        }
    )
    body = answer.body if with_body else b""
    if answer.dribble and body:

        async def write(piece: bytes) -> None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        await _write_body(answer, write)
        body = b""
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _write_raw(wire: Wire, answer: Answer, *, with_body: bool) -> None:
    """A response with its own reason phrase; the connection ends with it."""
    reason = _UNSENT.sub("?", answer.reason or "")
    lines = [f"HTTP/1.1 {answer.status} {reason}".encode("latin-1")]
    lines += [name.encode() + b": " + header_bytes(value) for name, value in _headers(answer)]
    head = b"\r\n".join([*lines, b"Connection: close", b"", b""])
    try:
        await wire.write(head)
        if with_body:
            await _write_body(answer, wire.write)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return  # the client has left; there is nobody to tell
    wire.close()


async def _write_body(answer: Answer, write: Callable[[bytes], Awaitable[None]]) -> None:
    pieces = answer.dribble.pieces(answer.body) if answer.dribble else [answer.body]
    for piece in pieces:
        if answer.dribble:
            await trio.sleep(answer.dribble.seconds / len(pieces))
        await write(piece)


async def _break(wire: Wire, fault: Fault) -> None:
    try:
        if fault is Fault.CONNECTION_RESET_BY_PEER:
            wire.abort()
        elif fault is Fault.RANDOM_DATA_THEN_CLOSE:
            await wire.write(_GARBAGE)
        elif fault is Fault.MALFORMED_RESPONSE_CHUNK:
            await wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _GARBAGE)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
    wire.close()


def header_bytes(value: str) -> bytes:
    """A header's value as it is sent: one line of Latin-1, with a space for all else."""
    if value.isascii() and value.isprintable():
        return value.strip(" ").encode()
    return _UNSENT.sub(" ", value).encode("latin-1").strip(b" \t")


def _headers(answer: Answer) -> list[tuple[str, str]]:
    if answer.status in BODILESS:
        return list(answer.headers)
    return [*answer.headers, ("Content-Length", str(len(answer.body)))]
