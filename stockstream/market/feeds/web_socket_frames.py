"""What comes on a WebSocket from a server, frame by frame: RFC 6455, the reading half. Pure.

A provider sends thousands of small frames a second, and hundreds of them come in one piece of the
stream. So a piece is read in one go, and a frame that is whole and small costs little.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
WHOLE_TEXT = 0x80 | TEXT
_CONTINUATION = 0
_KINDS = frozenset({_CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})
_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_LONGEST_CONTROL = 125
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_LONGEST_OF_TWO = 0xFFFF
PROTOCOL_ERROR, NOT_UTF8, TOO_LARGE = 1002, 1007, 1009
NO_STATUS = 1005
"""What a close frame without a code counts as; it is never sent."""
_CODES = range(1000, 5000)
_NEVER_SENT = frozenset({NO_STATUS, 1006, 1015})
"""Codes by which an end of one's own is told of, never the other side's (RFC 6455, 7.4.1)."""


class BadFrame(Exception):
    """What came is no frame of a server. `code` is what the close frame is to say of it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Close:
    """The other side ends the connection."""

    code: int
    reason: str


@dataclass(slots=True)
class Arrived:
    """What a piece of the stream held, in order: whole messages, and beside them what is for the
    connection itself. Nothing counts after a `close` or a `fault`, which ends the connection.
    """

    messages: list[str | bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: Close | None = None
    fault: BadFrame | None = None


class FrameReader:
    """Takes the stream in any pieces. A message of more than `largest` bytes is refused."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._data = bytearray()
        self._parts: bytearray | None = None
        self._kind = TEXT

    def take(self, data: bytes) -> Arrived:
        """The next piece of the stream."""
        self._data += data
        arrived = Arrived()
        try:
            self._read(arrived)
        except BadFrame as fault:
            arrived.fault = fault
        return arrived

    def _read(self, arrived: Arrived) -> None:
        buffer, messages = self._data, arrived.messages
        at, size = 0, len(buffer)
        while size - at >= 2 and arrived.close is None:
            first, length = buffer[at], buffer[at + 1]
            start = at + 2
            if length >= _TWO_BYTES:
                start += 2 if length == _TWO_BYTES else 8
                if start > size and length <= _EIGHT_BYTES:
                    break
                length = self._long(length, buffer[at + 2 : start])
            if length > self._largest:
                raise BadFrame(TOO_LARGE, f"a frame of {length} bytes")
            end = start + length
            if end > size:
                _check(first)  # garbage has a length, too, for which it would be waited
                break
            payload = buffer[start:end]
            if first == WHOLE_TEXT and self._parts is None:
                messages.append(_text(payload))
            else:
                self._other(first, payload, arrived)
            at = end
        del buffer[:at]

    def _long(self, length: int, digits: bytearray) -> int:
        if length > _EIGHT_BYTES:
            _bad("a server's frame is masked")
        number = int.from_bytes(digits, "big")
        if number <= (_LONGEST_CONTROL if length == _TWO_BYTES else _LONGEST_OF_TWO):
            _bad("a length is longer than it needs to be")
        return number

    def _other(self, first: int, payload: bytearray, arrived: Arrived) -> None:
        """A frame that is no whole text."""
        _check(first)
        opcode, final = first & _OPCODE, bool(first & _FINAL)
        if opcode >= CLOSE:
            if not final or len(payload) > _LONGEST_CONTROL:
                _bad("a control frame is too long, or in parts")
            self._control(opcode, bytes(payload), arrived)
        elif opcode == _CONTINUATION:
            if self._parts is None:
                _bad("a message goes on that has not begun")
            self._parts += payload
            if len(self._parts) > self._largest:
                raise BadFrame(TOO_LARGE, f"a message of more than {self._largest} bytes")
            if final:
                whole, self._parts = self._parts, None
                arrived.messages.append(_message(self._kind, whole))
        elif self._parts is not None:
            _bad("a message begins within another")
        elif final:
            arrived.messages.append(_message(opcode, payload))
        else:
            self._kind, self._parts = opcode, payload

    def _control(self, opcode: int, payload: bytes, arrived: Arrived) -> None:
        if opcode == PING:
            arrived.pings.append(payload)
        elif opcode == PONG:
            arrived.pongs.append(payload)
        else:
            arrived.close = _close(payload)


def _check(first: int) -> None:
    if first & _RESERVED:
        _bad("reserved bits are set")
    if first & _OPCODE not in _KINDS:
        _bad(f"there are no frames of kind {first & _OPCODE}")


def _bad(message: str) -> NoReturn:
    raise BadFrame(PROTOCOL_ERROR, message)


def _message(kind: int, payload: bytearray) -> str | bytes:
    return _text(payload) if kind == TEXT else bytes(payload)


def _text(payload: bytes | bytearray) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise BadFrame(NOT_UTF8, "a text is not UTF-8") from None


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    if len(payload) == 1:
        _bad("half a code in a close frame")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CODES or code in _NEVER_SENT:
        _bad(f"a close frame says {code}, which none may")
    return Close(code, _text(payload[2:]))


def masked(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """A whole frame from a client; `mask` are four random bytes."""
    size = len(payload)
    if size <= _LONGEST_CONTROL:
        head = bytes((_FINAL | opcode, 0x80 | size))
    elif size <= _LONGEST_OF_TWO:
        head = bytes((_FINAL | opcode, 0x80 | _TWO_BYTES)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, 0x80 | _EIGHT_BYTES)) + size.to_bytes(8, "big")
    key = (mask * (size // 4 + 1))[:size]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + hidden.to_bytes(size, "big")
