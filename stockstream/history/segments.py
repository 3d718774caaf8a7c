"""A segment of the spool: a file of records, and how far it has been taken. Blocks."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stockstream.history.claims import is_at
from stockstream.history.records import NONE, Tally, claimed, encode_record, scan, torn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stockstream.history.recording import TickBatch
    from stockstream.history.records import Entry

READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lost:
    """Batches that are lost, and why. The `unread` batches (`unread_bytes` long) held an unknown
    number of ticks; they are not among `batches`.
    """

    batches: int = 0
    ticks: int = 0
    unread: int = 0
    unread_bytes: int = 0
    why: str = ""

    def __add__(self, other: Lost) -> Lost:
        return Lost(
            self.batches + other.batches,
            self.ticks + other.ticks,
            self.unread + other.unread,
            self.unread_bytes + other.unread_bytes,
            self.why if self else other.why if other else "",
        )

    def __bool__(self) -> bool:
        return self.batches > 0 or self.unread > 0


NOTHING = Lost()
DAMAGED = "a file of the spool is damaged"
GONE = "a file of the spool is gone"


@dataclass(slots=True)
class Segment:
    """`held` counts all that was written, `taken` what was taken, up to the offset `position`.

    The segment that is written to has a descriptor. It is read by it, too: the file may be removed.
    """

    path: Path
    size: int = 0
    held: Tally = NONE
    position: int = 0
    taken: Tally = NONE
    descriptor: int | None = field(default=None, repr=False)

    @property
    def number(self) -> int:
        """The order of segments."""
        return int(self.path.stem)

    @property
    def waiting(self) -> Tally:
        """What was not taken yet."""
        return Tally(*self.missing(self.held))

    def missing(self, upto: Tally, taken: Tally | None = None) -> tuple[int, int]:
        """Batches and ticks between what was taken and what stands at `upto`."""
        since = self.taken if taken is None else taken
        return max(0, upto.batches - since.batches), max(0, upto.ticks - since.ticks)

    @property
    def is_over(self) -> bool:
        """Whether all of it was taken."""
        return self.position >= self.size

    @property
    def has_its_name(self) -> bool:
        """Whether the file that is written to is still the one in the folder."""
        return self.descriptor is not None and is_at(self.descriptor, self.path)

    def write(self, batches: Sequence[TickBatch]) -> None:
        """Append and sync.

        Raises:
            OSError: it cannot be written. Nothing of it is kept then.
        """
        assert self.descriptor is not None  # noqa: S101 - for the type checker
        held, records = self.held, []
        for batch in batches:
            records.append(encode_record(batch, held))
            held = held.plus(1, len(batch.ticks))
        data = b"".join(records)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self.descriptor, view) :]
            os.fsync(self.descriptor)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(data)
        self.held = held

    def read(self, offset: int, length: int) -> bytes:
        """Raises `FileNotFoundError` where the file is gone."""
        if self.descriptor is not None:
            return os.pread(self.descriptor, length, offset)
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    def entries(self, ticks: int | None = None) -> list[tuple[Entry, TickBatch]]:
        """The next sound records, of about `ticks` ticks in all but at least one, if there is one;
        all that are left if None. Their offsets count from `position`.

        Raises:
            FileNotFoundError: the file is gone.
        """
        left = self.size - self.position
        wanted = left if ticks is None else READ_BYTES
        while True:
            found: list[tuple[Entry, TickBatch]] = []
            held = 0
            for entry in scan(self.read(self.position, min(wanted, left))):
                batch = entry.batch()
                if batch is not None:
                    found.append((entry, batch))
                    held += len(batch.ticks)
                    if ticks is not None and held >= ticks:
                        break
            if found or wanted >= left:
                return found
            wanted *= 8  # a single batch may be larger than what was read

    def close(self) -> None:
        """Give back the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def recover(path: Path, position: int) -> tuple[Segment, int]:
    """A segment that another life has left, taken up to `position`; bytes of its end were torn, and
    are cut. A position at which no record ends is ignored.

    Raises:
        OSError: it cannot be read, or not be cut.
    """
    data = path.read_bytes()
    segment = Segment(path)
    for entry in scan(data):
        segment.size, segment.held = entry.end, entry.upto
        if entry.end == position:
            segment.position, segment.taken = position, entry.upto
    rest = data[segment.size :]
    if torn(rest):
        if rest:
            os.truncate(path, segment.size)
        return segment, len(rest)
    segment.size, segment.held = len(data), claimed(data)
    return segment, 0
