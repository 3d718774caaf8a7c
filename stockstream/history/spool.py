"""The spool: batches on disk, first in first out, while the database is away. No actor here.

Each life of the process has a folder of its own under `root`, locked. In it are segments of 16 MB,
named by the time they were begun. A record counts once it is synced; a record that a crash left
torn at a segment's end is cut when the segment is opened. The file `position` tells how far
segments have been taken; a segment that has been taken whole is deleted. After a crash the position
may be old: batches are handed out again then, and the ledger in the database knows them.

Folders without a lock belong to ended processes: their segments are moved into the own folder.
All of this blocks, so an actor calls it in a thread.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from stockstream.history import old_spool
from stockstream.history.claims import LOCK, Claim
from stockstream.history.records import NONE
from stockstream.history.segments import DAMAGED, GONE, NOTHING, Lost, Segment, recover
from stockstream.times import now_ns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stockstream.history.recording import TickBatch

SEGMENT_BYTES = 16 * 1024 * 1024
REJECTED = "rejected"
POSITION = "position"
FULL = "the spool is full"
NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
"""Errors where dropping older prices helps. With a failing disk they would be lost for nothing."""


class Spool:
    """See the module. Has one owner at a time, who calls from one thread at a time."""

    def __init__(
        self, root: Path, name: str, limit: int, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        """Open the own folder `name`. `limit` is in bytes.

        Raises:
            OSError: it cannot be made, locked, read or written.
        """
        self._root = root
        self.folder = root / name
        self.limit = limit
        self._segment_bytes = segment_bytes
        self._claim = Claim(self.folder)
        self._segments: list[Segment] = []
        self._peeked = (0, NONE, NOTHING)
        self._owed = NOTHING
        self.torn_bytes = 0
        """Cut at the ends of segments when they were opened."""
        self.adopted: list[str] = []
        """Names of folders whose segments were taken over."""
        try:
            self._recover()
        except BaseException:
            self.close()
            raise

    @property
    def batches(self) -> int:
        """Batches that wait."""
        return sum(segment.waiting.batches for segment in self._segments)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left, not even something that cannot be read."""
        return not self._segments

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, batches: Sequence[TickBatch]) -> Lost:
        """Write and sync; returns what was dropped for it: the oldest segments go first.

        Raises:
            OSError: it cannot be written, even after drops. Nothing of it is kept then.
        """
        self._owed += self._keep_names()
        while True:
            try:
                self._write(batches)
            except OSError as error:
                if error.errno not in NO_ROOM or len(self._segments) < 2:
                    raise
                self._owed += self.drop_oldest()
            else:
                break
        while len(self._segments) > 1 and self.size > self.limit:
            self._owed += self.drop_oldest()
        return self.settle()

    def settle(self) -> Lost:
        """Losses that were not returned yet, because a method that raises returns nothing."""
        owed, self._owed = self._owed, NOTHING
        return owed

    def peek(self, ticks: int) -> list[TickBatch]:
        """The oldest batches, of about `ticks` ticks in all but at least one.

        None where the spool is empty, or where the rest of a segment cannot be read: `take` then
        tells what was lost.
        """
        self._drop_taken()
        if not self._segments:
            return []
        segment = self._segments[0]
        try:
            found = segment.entries(ticks)
        except FileNotFoundError:
            self._peeked = segment.size, segment.held, Lost(*segment.waiting, why=GONE)
            return []
        taken, offset, lost = segment.taken, segment.position, NOTHING
        for entry, _ in found:
            lost += Lost(*segment.missing(entry.before, taken), why=DAMAGED)
            taken, offset = entry.upto, segment.position + entry.end
        if not found:
            taken, offset = segment.held, segment.size
            lost = Lost(*segment.waiting, why=DAMAGED) or Lost(
                unread=1, unread_bytes=segment.size - segment.position, why=DAMAGED
            )
        self._peeked = offset, taken, lost
        return [batch for _, batch in found]

    def take(self) -> Lost:
        """Forget the batches of the last `peek`, safe elsewhere now; returns unreadable ones."""
        if not self._segments:
            return NOTHING
        segment = self._segments[0]
        segment.position, segment.taken, lost = self._peeked
        self._drop_taken()
        with suppress(OSError):  # kept in memory; old after a crash, but the ledger knows
            self._write_positions()
        return lost

    def drop_oldest(self) -> Lost:
        """Give up the first segment: there is no room."""
        segment = self._segments[0]
        lost = Lost(*segment.waiting, why=FULL)
        segment.position = segment.size
        self._drop_taken()
        return lost

    def adopt(self) -> Lost:
        """Take over the segments of ended processes; returns what cannot be read.

        Raises:
            OSError: it cannot be read or moved.
        """
        for lock in sorted(self._root.glob(f"*/{LOCK}")):
            if lock.parent == self.folder:
                continue
            with suppress(BlockingIOError, FileNotFoundError):
                claim = Claim(lock.parent, make=False)
                try:
                    self._take_over(lock.parent)
                finally:
                    claim.close()
                self.adopted.append(lock.parent.name)
        if any(self._root.glob("*.spool")) or (self._root / REJECTED).is_dir():
            with suppress(BlockingIOError):
                self._convert()
        return self.settle()

    def close(self) -> None:
        """Give back the descriptors and the lock; an empty folder is removed."""
        for segment in self._segments:
            segment.close()
        if self.is_empty:
            with suppress(OSError):
                (self.folder / POSITION).unlink(missing_ok=True)
        self._claim.close()

    # Segments

    def _recover(self) -> None:
        positions = _read_positions(self.folder)
        for path in self.folder.glob("*.spool"):
            segment, cut = recover(path, positions.get(int(path.stem), 0))
            self.torn_bytes += cut
            self._segments.append(segment)
        self._segments.sort(key=lambda segment: segment.number)
        self._drop_taken()

    def _take_over(self, folder: Path) -> None:
        """Move segments, positions first: one whose segment did not come is ignored."""
        positions = _read_positions(folder)
        for segment in self._segments:
            segment.close()  # segments that are moved in may be newer: the next append begins one
        for path in sorted(folder.glob("*.spool")):
            number = int(path.stem)
            while (target := self._path(number)).exists():
                number += 1
            segment, cut = recover(path, positions.get(int(path.stem), 0))
            self.torn_bytes += cut
            segment.path = target
            self._write_positions(segment)
            path.rename(target)
            self._segments.append(segment)
        self._sync_folder()
        self._segments.sort(key=lambda segment: segment.number)
        self._drop_taken()
        self._take_rejected(folder)
        (folder / POSITION).unlink(missing_ok=True)

    def _take_rejected(self, folder: Path) -> None:
        if (folder / REJECTED).is_dir():
            (self.folder / REJECTED).mkdir(mode=0o700, exist_ok=True)
            for path in (folder / REJECTED).iterdir():
                path.rename(self.folder / REJECTED / path.name)
            (folder / REJECTED).rmdir()

    def _convert(self) -> None:
        """Take over the segments in the root, which an older version wrote in another format."""
        claim = Claim(self._root)
        try:
            for path in sorted(self._root.glob("*.spool")):
                batches, unread = old_spool.read_segment(path)
                if batches:
                    self._write(batches)
                path.unlink()
                if unread:
                    self._owed += Lost(unread=1, unread_bytes=unread, why=DAMAGED)
            self._take_rejected(self._root)
            (self._root / POSITION).unlink(missing_ok=True)
        finally:
            (self._root / LOCK).unlink(missing_ok=True)
            claim.close()

    def _keep_names(self) -> Lost:
        """The file that is written to may have been removed. An open one can still be read, and is
        written again; a closed one is reported missing when its turn comes.
        """
        if not self._claim.stands:
            self._claim.close()
            self._claim = Claim(self.folder)
        if not self._segments or self._segments[-1].descriptor is None:
            return NOTHING
        last = self._segments[-1]
        if last.has_its_name:
            return NOTHING
        self._segments.pop()
        try:
            left = [batch for _, batch in last.entries()]
            if left:
                self._write(left)
        except OSError:
            self._segments.append(last)
            raise
        last.close()
        ticks = sum(len(batch.ticks) for batch in left)
        missing = last.waiting.batches - len(left), last.waiting.ticks - ticks
        return NOTHING + Lost(*missing, why=GONE)

    def _write(self, batches: Sequence[TickBatch]) -> None:
        last = self._segments[-1] if self._segments else None
        if last is None or last.descriptor is None or last.size >= self._segment_bytes:
            last = self._begin_segment()
        last.write(batches)

    def _begin_segment(self) -> Segment:
        if self._segments:
            self._segments[-1].close()
        # By the clock, so that an old position can never fit a new segment.
        number = max(now_ns(), self._segments[-1].number + 1 if self._segments else 0)
        path = self._path(number)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        segment = Segment(path, descriptor=os.open(path, flags, 0o600))
        self._segments.append(segment)
        self._sync_folder()
        return segment

    def _sync_folder(self) -> None:
        """Names must outlive a crash too."""
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:020}.spool"

    def _drop_taken(self) -> None:
        """Delete the first segments as long as they were taken whole."""
        while self._segments and self._segments[0].is_over:
            segment = self._segments.pop(0)
            segment.close()
            segment.path.unlink(missing_ok=True)
        first = self._segments[0] if self._segments else Segment(self.folder)
        self._peeked = first.position, first.taken, NOTHING

    def _write_positions(self, *more: Segment) -> None:
        lines = [f"{s.number} {s.position}\n" for s in (*self._segments, *more) if s.position]
        draft = self.folder / f"{POSITION}.draft"
        draft.write_text("".join(lines), encoding="ascii")
        draft.replace(self.folder / POSITION)


def _read_positions(folder: Path) -> dict[int, int]:
    """Offsets by the numbers of segments."""
    try:
        pairs = [line.split() for line in (folder / POSITION).read_text("ascii").splitlines()]
        return {int(number): int(offset) for number, offset in pairs}
    except (OSError, ValueError):
        return {}
