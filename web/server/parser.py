"""Requests out of a stream of bytes: h11, which is given one head at a time."""

import re

import h11

from .known_heads import MAX_KNOWN_SIZE, is_plain

__all__ = ["RequestParser"]

_EMPTY_LINES = re.compile(rb"(?:\r\n)*")
_END_OF_HEAD = re.compile(rb"\n\r?\n")  # h11's own rule: a bare LF ends a line too
_ENDING = {h11.MUST_CLOSE, h11.CLOSED}
_TOO_LONG = 431
_SHOWN = 200  # characters of an error that may repeat what was sent


class RequestParser:
    """h11's server side for one connection, in the shape that Hypercorn expects.

    The end of a head is found here, for three reasons. A head gets an exact limit: h11 compares it
    with the rest after a read, and lets twice as much pass. Empty lines before a request are
    ignored (RFC 9112, section 2.2). Data after the last request of a connection is no error.

    A plain head that comes again on its connection, alone and byte for byte, is not read again:
    what h11 made of it is handed out once more. h11 hears of such a request only if something else
    happens than an answer that was written before as well. Then it is given the head after all, and
    is where it would have been.
    """

    __slots__ = (
        "_answered",
        "_h11",
        "_input",
        "_known",
        "_known_request",
        "_limit",
        "_searched",
        "_skipped",
        "_unread",
        "error",
        "plain",
    )

    plain: bool
    """Whether the request under way is one whose head may be kept."""

    error: str
    """The error of a request that could not be read; begins with a small letter."""

    def __init__(self, max_head_size: int) -> None:
        self._limit = max_head_size
        self._h11 = self._new()
        self._input = bytearray()  # not h11's yet
        self._searched = self._skipped = 0
        self.error = ""
        self.plain = False
        self._known = b""  # the last plain head
        self._known_request: h11.Request | None = None
        self._unread = b""  # the known head of the request under way, which h11 has not been given
        self._answered = False  # so is its answer

    def _new(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._limit)

    @property
    def idle(self) -> bool:
        """Whether a request may come, and nothing of it has."""
        return not self._input and self.their_state is h11.IDLE

    @property
    def begun(self) -> bool:
        """Whether part of a head has come."""
        return bool(self._input) and self.their_state is h11.IDLE

    @property
    def answering(self) -> bool:
        """Whether a whole request has come, whose answer is not complete."""
        return self.their_state not in {h11.IDLE, h11.SEND_BODY, h11.ERROR}

    # What Hypercorn calls

    @property
    def our_state(self) -> type[object]:
        """As h11's."""
        if self._unread:
            return h11.DONE if self._answered else h11.SEND_RESPONSE
        return self._h11.our_state

    @property
    def their_state(self) -> type[object]:
        """As h11's."""
        return h11.DONE if self._unread else self._h11.their_state

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        """As h11's."""
        return self._h11.they_are_waiting_for_100_continue

    @property
    def trailing_data(self) -> tuple[bytes, bool]:
        """Data that is not part of a request yet; whether the stream has ended behind it."""
        rest, ended = self._h11.trailing_data
        return rest + bytes(self._input), ended

    def receive_data(self, data: bytes) -> None:
        """Take received data."""
        if self._h11.their_state in _ENDING:
            return  # no request comes after the last; old clients send a CRLF behind a body
        self._input += data

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """As h11's. Raises h11.RemoteProtocolError, and `error` says why."""
        try:
            return self._next_event()
        except h11.RemoteProtocolError as error:
            self.error = str(error)[:_SHOWN]
            raise

    def send(self, event: h11.Event) -> bytes | None:
        """As h11's."""
        if self._unread:
            self._give()
        return self._h11.send(event)

    def start_next_cycle(self) -> None:
        """As h11's."""
        self.plain = False
        self._searched = self._skipped = 0
        if self._answered:
            self._unread = b""
            self._answered = False
            return
        if self._unread:
            self._give()
        self._h11.start_next_cycle()
        rest, _ = self._h11.trailing_data
        if rest:  # came in one read with a body, and so went to h11
            self._input[:0] = rest
            self._h11 = self._new()

    # What Hypercorn does not know

    def known_request(self) -> h11.Request | None:
        """The request that has come, if its head is known and nothing is behind it.

        It has no body, and its end is not told. Of all others `next_event` tells.
        """
        known = self._known_request
        if known is None or self._skipped or self._unread or self._input != self._known:
            return None
        if self._h11.their_state is not h11.IDLE:
            return None
        self._input.clear()
        self._unread = self._known
        self.plain = True
        return known

    def skip_answer(self) -> bool:
        """Have the answer taken for sent, all of it; False if h11 has to write it."""
        if not self._unread or self._answered:
            return False
        self._answered = True
        return True

    # The inside

    def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self._unread:
            return h11.PAUSED if self._input else h11.NEED_DATA
        state = self._h11.their_state
        if state is h11.IDLE:
            return self._read_head()
        if state is h11.SEND_BODY:
            if self._input:
                self._h11.receive_data(bytes(self._input))
                self._input.clear()
        elif state in _ENDING:
            self._input.clear()
            return h11.NEED_DATA
        elif self._input and state is not h11.ERROR:
            return h11.PAUSED
        return self._h11.next_event()

    def _read_head(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        head = self._take_head()
        if head is None:
            return h11.NEED_DATA
        self._h11.receive_data(head)
        event = self._h11.next_event()
        if isinstance(event, h11.Request) and is_plain(event):
            self.plain = True
            if len(head) <= MAX_KNOWN_SIZE:
                self._known, self._known_request = head, event
        return event

    def _give(self) -> None:
        """Have h11 read the head of the request under way after all."""
        head, self._unread = self._unread, b""
        self._h11.receive_data(head)
        self._h11.next_event()
        self._h11.next_event()  # its end

    # The head of a request

    def _take_head(self) -> bytes | None:
        """The next head, with its empty line; None while it is not complete."""
        if self._input[:2] == b"\r\n":
            self._drop_empty_lines()
        found = _END_OF_HEAD.search(self._input, self._searched)
        size = len(self._input) if found is None else found.end()
        if size + self._skipped > self._limit:
            raise h11.RemoteProtocolError(
                f"the head of a request is limited to {self._limit} bytes",
                error_status_hint=_TOO_LONG,
            )
        if found is None and not self._is_hopeless():
            self._searched = max(0, size - 2)
            return None
        self._searched = 0
        head = bytes(self._input[:size])
        del self._input[:size]
        return head

    def _drop_empty_lines(self) -> None:
        found = _EMPTY_LINES.match(self._input)
        if found is not None:
            self._skipped += found.end()
            del self._input[: found.end()]

    def _is_hopeless(self) -> bool:
        """Whether no request line begins so: h11 then says it now, to a TLS client for example."""
        return bool(self._input) and self._input[0] <= 0x20 and self._input != b"\r"
