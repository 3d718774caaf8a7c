"""The file format of batches: damage costs only the records that it hits. Pure.

A record is a header and a body in msgpack. The header begins with a marker, by which a reader finds
the next record behind a damaged one. It has a checksum of its own, so that the same bytes inside a
body are not taken for a header. It tells how many batches and ticks come before it in the file, so
missing records between two others are counted without being read.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stockstream.history.recording import TickBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = b"\xabSTKREC\n"
# Marker, length and CRC-32 of the body, batches and ticks before it, ticks in it.
_FIELDS = struct.Struct(">8sIIIII")
_CHECK = struct.Struct(">I")
HEADER_BYTES = _FIELDS.size + _CHECK.size
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TickBatch).decode


class Tally(NamedTuple):
    """Batches, and ticks in them."""

    batches: int = 0
    ticks: int = 0

    def plus(self, batches: int, ticks: int) -> Tally:
        """With so many more."""
        return Tally(self.batches + batches, self.ticks + ticks)


class Entry(NamedTuple):
    """A sound record: its offsets, and the counts of the file before it and up to its end."""

    start: int
    end: int
    before: Tally
    upto: Tally
    body: bytes

    def batch(self) -> TickBatch | None:
        """The batch in it; None where another program wrote something else."""
        try:
            return _decode(self.body)
        except msgspec.DecodeError:
            return None


NONE = Tally()


def encode_record(batch: TickBatch, before: Tally = NONE) -> bytes:
    """A batch encoded as a record; the header has the counts of the file before it."""
    body = _encode(batch)
    fields = _FIELDS.pack(MARKER, len(body), zlib.crc32(body), *before, len(batch.ticks))
    return fields + _CHECK.pack(zlib.crc32(fields)) + body


def scan(data: bytes, start: int = 0) -> Iterator[Entry]:
    """The sound records from `start` on; damaged bytes between them are skipped."""
    while True:
        start = data.find(MARKER, start)
        if start < 0 or start + HEADER_BYTES > len(data):
            return
        header = _header(data, start)
        if header is None:
            start += 1
            continue
        length, checksum, before, ticks = header
        end = start + HEADER_BYTES + length
        body = data[start + HEADER_BYTES : end]
        if len(body) == length and zlib.crc32(body) == checksum:
            yield Entry(start, end, before, before.plus(1, ticks), body)
            start = end
        else:
            start += HEADER_BYTES


def read_records(data: bytes) -> Iterator[TickBatch]:
    """All batches that can be read."""
    for entry in scan(data):
        batch = entry.batch()
        if batch is not None:
            yield batch


def claimed(data: bytes) -> Tally:
    """The counts of a file by its sound headers, even if bodies cannot be read."""
    most, start = NONE, -1
    while (start := data.find(MARKER, start + 1)) >= 0 and start + HEADER_BYTES <= len(data):
        header = _header(data, start)
        if header is not None:
            most = max(most, header[2].plus(1, header[3]))
    return most


def torn(rest: bytes) -> bool:
    """Whether the last record of a file was never written whole, and so never counted.

    If not, a record that counted is damaged.
    """
    if len(rest) < HEADER_BYTES or not rest.strip(b"\0"):
        return True
    header = _header(rest, 0)
    return header is not None and HEADER_BYTES + header[0] > len(rest)


def _header(data: bytes, start: int) -> tuple[int, int, Tally, int] | None:
    """Length and checksum of the body, the counts before it, its ticks; None if unsound."""
    fields = data[start : start + _FIELDS.size]
    marker, length, checksum, batches, before, ticks = _FIELDS.unpack(fields)
    (check,) = _CHECK.unpack_from(data, start + _FIELDS.size)
    if marker != MARKER or zlib.crc32(fields) != check:
        return None
    return length, checksum, Tally(batches, before), ticks
