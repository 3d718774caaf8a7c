"""Server-to-client WebSocket frames as bytes (RFC 6455, section 5.2).

A server does not mask its frames, so one frame's bytes serve every client.
"""

import struct

__all__ = ["MAX_CONTROL_PAYLOAD", "encode_ping", "encode_text_frame", "text_frame_head"]

MAX_CONTROL_PAYLOAD = 125  # section 5.5

_FIN = 0x80
_TEXT = 0x1
_PING = 0x9
_LARGEST_IN_7_BITS = 125
_LARGEST_IN_16_BITS = 0xFFFF


def text_frame_head(size: int) -> bytes:
    """Return what stands before a payload of `size` bytes in one final, unmasked text frame."""
    if size <= _LARGEST_IN_7_BITS:
        return bytes((_FIN | _TEXT, size))
    if size <= _LARGEST_IN_16_BITS:
        return struct.pack("!BBH", _FIN | _TEXT, 126, size)
    return struct.pack("!BBQ", _FIN | _TEXT, 127, size)


def encode_text_frame(payload: bytes) -> bytes:
    """Return one final, unmasked text frame around `payload`, which must be UTF-8."""
    return text_frame_head(len(payload)) + payload


def encode_ping(payload: bytes = b"") -> bytes:
    """Return one unmasked ping frame.

    Raises ValueError for more than 125 bytes (section 5.5).
    """
    if len(payload) > MAX_CONTROL_PAYLOAD:
        raise ValueError(f"a ping carries at most {MAX_CONTROL_PAYLOAD} bytes, not {len(payload)}")
    return bytes((_FIN | _PING, len(payload))) + payload
