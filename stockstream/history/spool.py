"""The spool: batches on disk, first in first out, while the database is away. No actor here.

Segments of 16 MB in one folder, named by the time they were begun. A record is a header (length
of the body, its CRC-32, the batch's number) and the body in msgpack; it counts once it is synced.
What a crash tore at a segment's end is cut when the folder is opened. How far the first segment
has been taken stands in the file `position`; one that has been taken whole is deleted. Position
and deletion may be behind after a crash: batches are handed out again then, and the ledger in
the database knows them. All of this blocks, so an actor calls it in a thread.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from stockstream.history.recording import TickBatch
from stockstream.times import now_ns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SEGMENT_BYTES = 16 * 1024 * 1024
READ_BYTES = 1024 * 1024
_HEADER = struct.Struct(">IIQ")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(TickBatch).decode


@dataclass(frozen=True, slots=True)
class Lost:
    """What had to be dropped, because there was no room."""

    batches: int = 0
    ticks: int = 0

    def __add__(self, other: Lost) -> Lost:
        return Lost(self.batches + other.batches, self.ticks + other.ticks)


@dataclass(slots=True)
class _Segment:
    path: Path
    size: int = 0
    batches: int = 0

    @property
    def number(self) -> int:
        return int(self.path.stem)


def encode_record(batch: TickBatch) -> bytes:
    """A batch as it stands in a segment."""
    body = _encode(batch)
    return _HEADER.pack(len(body), zlib.crc32(body), batch.number) + body


def read_records(data: bytes) -> Iterator[tuple[TickBatch, int]]:
    """The whole and sound records at the front of `data`, each with the offset behind it."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, checksum, _ = _HEADER.unpack_from(data, offset)
        end = offset + _HEADER.size + length
        body = data[offset + _HEADER.size : end]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        try:
            batch = _decode(body)
        except msgspec.DecodeError:
            return
        yield batch, end
        offset = end


class Spool:
    """See the module. Has one owner at a time, who calls from one thread at a time."""

    def __init__(self, folder: Path, limit: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open the folder, make it if need be, and cut what was torn. `limit` is in bytes.

        Raises:
            OSError: it cannot be made, read or written.
        """
        self._folder = folder
        self._limit = limit
        self._segment_bytes = segment_bytes
        self._descriptor: int | None = None
        self._peeked = 0, 0
        self.torn_bytes = 0
        """Cut when the folder was opened."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._segments = [self._recover(path) for path in sorted(folder.glob("*.spool"))]
        self._position, self._taken = self._read_position()
        self._drop_taken()

    @property
    def batches(self) -> int:
        """Batches that wait."""
        return sum(segment.batches for segment in self._segments) - self._taken

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, batches: Sequence[TickBatch]) -> Lost:
        """Write and sync; what had to be dropped for it: the oldest segments give way.

        Raises:
            OSError: it cannot be written, whatever gives way. Nothing of it is kept then.
        """
        data = b"".join(map(encode_record, batches))
        lost = Lost()
        while len(self._segments) > 1 and self.size + len(data) > self._limit:
            lost += self.drop_oldest()
        while True:
            try:
                self._write(data, len(batches))
            except OSError:
                if len(self._segments) < 2:
                    raise
                lost += self.drop_oldest()
            else:
                return lost

    def peek(self, ticks: int) -> list[TickBatch]:
        """The oldest batches, of about `ticks` ticks in all but at least one; [] when empty."""
        found: list[TickBatch] = []
        if self.batches == 0:
            return found
        segment, held, position = self._segments[0], 0, self._position
        with segment.path.open("rb") as file:
            wanted = READ_BYTES
            while not found:
                file.seek(position)
                data = file.read(min(wanted, segment.size - position))
                for batch, end in read_records(data):
                    found.append(batch)
                    self._peeked = position + end, len(found)
                    held += len(batch.ticks)
                    if held >= ticks:
                        break
                if wanted > segment.size:
                    break
                wanted *= 8  # a single batch may be larger than what was read
        return found

    def take(self) -> None:
        """Forget what the last `peek` handed out: it is safe elsewhere.

        Raises:
            OSError: the position could not be written; it is kept in memory all the same.
        """
        self._position, count = self._peeked
        self._taken += count
        self._peeked = self._position, 0
        self._drop_taken()
        draft = self._folder / "position.draft"
        number = self._segments[0].number if self._segments else 0
        draft.write_text(f"{number} {self._position}", encoding="ascii")
        draft.replace(self._folder / "position")

    def drop_oldest(self) -> Lost:
        """Give up the first segment: there is no room, or it cannot be read any more."""
        segment = self._segments[0]
        data = segment.path.read_bytes()[self._position : segment.size]
        ticks = sum(len(batch.ticks) for batch, _ in read_records(data))
        lost = Lost(segment.batches - self._taken, ticks)
        self._position = segment.size
        self._drop_taken()
        return lost

    def close(self) -> None:
        """Give back the descriptor."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    # Segments

    def _recover(self, path: Path) -> _Segment:
        data = path.read_bytes()
        segment = _Segment(path)
        for _, end in read_records(data):
            segment.size = end
            segment.batches += 1
        if segment.size < len(data):
            self.torn_bytes += len(data) - segment.size
            os.truncate(path, segment.size)
        return segment

    def _write(self, data: bytes, batches: int) -> None:
        if self._descriptor is None or self._segments[-1].size >= self._segment_bytes:
            self._begin_segment()
        assert self._descriptor is not None  # noqa: S101 - for the type checker
        segment = self._segments[-1]
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, segment.size)
            raise
        segment.size += len(data)
        segment.batches += batches

    def _begin_segment(self) -> None:
        self.close()
        # By the clock, so that an old position can never fit a new segment.
        number = max(now_ns(), self._segments[-1].number + 1 if self._segments else 0)
        path = self._folder / f"{number:020}.spool"
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        self._segments.append(_Segment(path))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)  # the name must outlive a crash too
        finally:
            os.close(folder)

    def _drop_taken(self) -> None:
        """Delete the first segments as long as they were taken whole."""
        while self._segments and self._position >= self._segments[0].size:
            if self._descriptor is not None and len(self._segments) == 1:
                self.close()
            segment = self._segments.pop(0)
            segment.path.unlink(missing_ok=True)
            self._position = self._taken = 0
        self._peeked = self._position, 0

    def _read_position(self) -> tuple[int, int]:
        """Offset in the first segment, and the batches before it."""
        try:
            text = (self._folder / "position").read_text(encoding="ascii")
            number, offset = map(int, text.split())
        except (OSError, ValueError):
            return 0, 0
        if not self._segments or self._segments[0].number != number:
            return 0, 0
        data = self._segments[0].path.read_bytes()
        ends = [end for _, end in read_records(data)]
        return (offset, ends.index(offset) + 1) if offset in ends else (0, 0)
