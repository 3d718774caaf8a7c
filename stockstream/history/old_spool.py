"""Segments of the first format, which all nodes kept in one folder without a lock. Read only.

A record was a header (length of the body, its CRC-32, the batch's number) and the body in msgpack.
The file `position` held how far the first segment had been taken. Records behind a damaged one
cannot be found.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import msgspec

from stockstream.history.recording import TickBatch

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = struct.Struct(">IIQ")
_decode = msgspec.msgpack.Decoder(TickBatch).decode


def read_segment(path: Path) -> tuple[list[TickBatch], int]:
    """The batches of a segment that were not taken yet, and how many bytes cannot be read.

    A record at the end that was not written whole never counted.
    """
    data = path.read_bytes()
    found: list[TickBatch] = []
    offset = _taken(path, len(data))
    while offset + _HEADER.size <= len(data):
        length, checksum, _ = _HEADER.unpack_from(data, offset)
        end = offset + _HEADER.size + length
        if end > len(data):
            return found, 0
        body = data[offset + _HEADER.size : end]
        try:
            batch = _decode(body) if zlib.crc32(body) == checksum else None
        except msgspec.DecodeError:
            batch = None
        if batch is None:
            return found, len(data) - offset
        found.append(batch)
        offset = end
    return found, 0


def _taken(path: Path, size: int) -> int:
    try:
        number, offset = map(int, path.with_name("position").read_text("ascii").split())
    except (OSError, ValueError):
        return 0
    return offset if number == int(path.stem) and offset <= size else 0
