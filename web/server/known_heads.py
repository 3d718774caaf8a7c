"""Which heads need not be read or written twice.

A client that asks again and again on one connection sends the same head each time, byte for byte.
What h11 has read of it once is handed out again, to that connection only. The head of its answer,
which h11 has written once, goes out again too. Only plain heads are kept, and none with a secret.
"""

from http import HTTPStatus
from typing import Final

import h11

__all__ = [
    "MAX_ANSWERS",
    "MAX_KNOWN_HEADERS",
    "MAX_KNOWN_SIZE",
    "REASONS",
    "AnswerHead",
    "answer_head",
    "is_plain",
]

MAX_KNOWN_SIZE: Final = 2 * 1024
"""Bytes of a request's head that a connection keeps; programs that ask again send far less."""
_MAX_ANSWER_SIZE: Final = 4 * 1024  # a stub may make a head as large as a body
MAX_KNOWN_HEADERS: Final = 10
"""Of them: each that is plain, and two of them once more."""
MAX_ANSWERS: Final = 256
"""Heads of answers that are kept: those of the last second, on a server with many kinds."""
REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
"""By status; clients that show it show it."""

# All else may be a secret, or change how a request or its answer is framed, or who asks.
_PLAIN_HEADERS: Final = frozenset({
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"cache-control",
    b"connection",
    b"host",
    b"pragma",
    b"user-agent",
})  # fmt: skip
_BODILESS: Final = frozenset({204, 304})
# With one of these, h11 frames the answer in another way, or the connection ends behind it.
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})


def is_plain(request: h11.Request) -> bool:
    """Whether a request, as it came, is one whose head may be kept.

    That is a GET by HTTP/1.1 for a path without query, with a few harmless headers. It has no body,
    and the connection goes on behind it. Many small headers cost twenty times their bytes.
    """
    if request.method != b"GET" or request.http_version != b"1.1":
        return False
    target: bytes = request.target
    if not target.startswith(b"/") or b"?" in target or len(request.headers) > MAX_KNOWN_HEADERS:
        return False
    return all(
        name in _PLAIN_HEADERS and (name != b"connection" or value.lower() == b"keep-alive")
        for name, value in request.headers
    )


class AnswerHead:
    """The head of an answer, each header of which h11 has checked."""

    __slots__ = ("_length", "_written", "response")

    response: h11.Response

    def __init__(self, status: int, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        """Raises h11.LocalProtocolError for what no head may hold."""
        reason = REASONS.get(status, b"")
        self.response = h11.Response(status_code=status, headers=list(headers), reason=reason)
        self._length = _known_length(self.response)
        self._written = b""

    def keep(self, written: bytes) -> None:
        """Keep what h11 wrote of it, as the answer to a plain request."""
        if self._length is not None:
            self._written = written

    def before(self, body: bytes) -> bytes:
        """What h11 wrote of it, if `body` is all that follows it; else nothing."""
        return self._written if len(body) == self._length else b""


def _known_length(response: h11.Response) -> int | None:
    """How many bytes follow a head that is written alike for all plain requests."""
    lengths = [value for name, value in response.headers if name == b"content-length"]
    if len(lengths) != 1 or response.status_code in _BODILESS:
        return None
    if any(name in _FRAMING for name, _ in response.headers):
        return None
    return int(lengths[0])


def answer_head(status: int, headers: tuple[tuple[bytes, bytes], ...]) -> AnswerHead:
    """The head of an answer, checked; out of memory if the same was there before.

    Most answers of a second are alike. One that sets a cookie is for one client and is not kept.
    Raises h11.LocalProtocolError for what no head may hold.
    """
    key = (status, headers)
    head = _kept.get(key)
    if head is None:
        head = AnswerHead(status, headers)
        size = sum(len(name) + len(value) for name, value in headers)
        if size <= _MAX_ANSWER_SIZE and all(name.lower() != b"set-cookie" for name, _ in headers):
            if len(_kept) >= MAX_ANSWERS:
                del _kept[next(iter(_kept))]  # the oldest: it has a date
            _kept[key] = head
    return head


_kept: Final[dict[tuple[int, tuple[tuple[bytes, bytes], ...]], AnswerHead]] = {}
