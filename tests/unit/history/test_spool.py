"""The spool on a real disk: order, crashes at any byte, a limit that is kept and told."""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
import zlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.history.candles import Tick
from stockstream.history.recording import TickBatch
from stockstream.history.records import HEADER_BYTES, Tally, encode_record, read_records, scan
from stockstream.history.rejected import put_aside
from stockstream.history.segments import Lost
from stockstream.history.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 64_000_000


def batch(number: int, ticks: int = 3) -> TickBatch:
    quotes = tuple(
        Tick(f"S{place:04}", "SIM", 1.5 + number, 1_000 * number, 1_000 * number, 9, number)
        for place in range(ticks)
    )
    return TickBatch("node", 1, number, quotes)


def numbers(spool: Spool) -> list[int]:
    """Take everything; the numbers in the order they came out."""
    found = []
    while batches := spool.peek(10):
        found += [batch.number for batch in batches]
        assert spool.take() == Lost()
    return found


def salvaged(spool: Spool) -> tuple[list[int], Lost]:
    """Take everything; the numbers that came out, and what did not."""
    found, lost = [], Lost()
    while not spool.is_empty:
        found += [batch.number for batch in spool.peek(10)]
        lost += spool.take()
    return found, lost


def segment_of(spool: Spool) -> Path:
    (path,) = spool.folder.glob("*.spool")
    return path


@pytest.mark.proves("H8")
def test_what_goes_in_comes_out_in_order_over_many_segments(tmp_path: Path) -> None:
    """First in, first out, whole, though segments change; what was taken leaves no file."""
    spool = Spool(tmp_path, "a", LIMIT, segment_bytes=1_000)
    for number in range(0, 100, 2):
        assert spool.append([batch(number), batch(number + 1)]) == Lost()
    assert len(list(tmp_path.glob("*/*.spool"))) > 5
    assert spool.batches == 100
    assert spool.peek(1)[0] == batch(0)
    assert numbers(spool) == list(range(100))
    assert spool.batches == 0
    assert spool.size == 0
    assert list(tmp_path.glob("*/*.spool")) == []


@pytest.mark.proves("H8")
def test_a_successor_finds_what_was_synced_and_not_taken(tmp_path: Path) -> None:
    """Killed anywhere, a spool is followed by one that knows the position, and goes on behind."""
    first = Spool(tmp_path, "a", LIMIT)
    first.append([batch(number) for number in range(10)])
    assert [b.number for b in first.peek(10)] == [0, 1, 2, 3]
    first.take()
    first.close()
    second = Spool(tmp_path, "a", LIMIT)
    assert second.batches == 6
    second.append([batch(10)])
    assert numbers(second) == [4, 5, 6, 7, 8, 9, 10]
    second.close()
    assert list(tmp_path.iterdir()) == []
    assert Spool(tmp_path, "a", LIMIT).batches == 0


@pytest.mark.proves("H8")
@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_tail_torn_at_any_byte_is_cut(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Whole records before the tear are kept; after it, new ones can be read again."""
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("torn")
    whole = Spool(folder, "a", LIMIT)
    whole.append([batch(number) for number in range(8)])
    whole.close()
    (segment,) = folder.glob("*/*.spool")
    data = segment.read_bytes()
    cut = rng.randrange(len(data))
    garbage = rng.randbytes(rng.randrange(30))
    segment.write_bytes(data[:cut] + garbage)
    kept = sum(entry.end <= cut for entry in scan(data))
    after = Spool(folder, "a", LIMIT)
    after.append([batch(100)])
    found, lost = salvaged(after)
    assert found == [*range(kept), 100]
    # What is behind a tear may look like damage; it is never more than that one batch.
    assert lost.batches + lost.unread <= 1


@pytest.mark.proves("H8", "H24")
def test_a_flipped_bit_costs_the_batch_it_hits(tmp_path: Path) -> None:
    """Any bit of any record: all others come out, whole, and the one is counted, in ticks where its
    header or what stands around it tells them, else as a batch of so many bytes.
    """
    batches = [batch(number) for number in range(3)]
    before = Tally()
    data = b""
    ends = [0]
    for one in batches:
        data += encode_record(one, before)
        before = before.plus(1, 3)
        ends.append(len(data))
    for place in range(len(data)):
        folder = tmp_path / str(place)
        folder.mkdir()
        bad = bytearray(data)
        bad[place] ^= 0x10
        (folder / "5.spool").write_bytes(bytes(bad))
        spool = Spool(tmp_path, str(place), LIMIT)
        hit = next(n for n in range(3) if place < ends[n + 1])
        found, lost = salvaged(spool)
        spool.close()
        assert found == [n for n in range(3) if n != hit], place
        in_last_header = ends[2] <= place < ends[2] + HEADER_BYTES
        if in_last_header:
            assert (lost.unread, lost.unread_bytes) == (1, ends[3] - ends[2]), place
        else:
            assert (lost.batches, lost.ticks, lost.unread) == (1, 3, 0), place


@pytest.mark.proves("H8", "H24")
def test_damage_while_it_runs_is_counted_in_ticks(tmp_path: Path) -> None:
    """Whoever wrote a segment knows what it held, also what cannot be read any more."""
    spool = Spool(tmp_path, "a", LIMIT)
    spool.append([batch(number) for number in range(12)])
    path = segment_of(spool)
    data = bytearray(path.read_bytes())
    data[len(data) // 12 + 3] ^= 0x01  # the second record's marker
    path.write_bytes(bytes(data))
    found, lost = salvaged(spool)
    assert found == [0, *range(2, 12)]
    assert (lost.batches, lost.ticks) == (1, 3)
    spool.append([batch(number) for number in range(5)])
    os.truncate(segment_of(spool), HEADER_BYTES + 1)
    assert salvaged(spool) == ([], Lost(5, 15, why=lost.why))


@pytest.mark.proves("H8", "H24")
@pytest.mark.parametrize("gone", ["file", "folder", "root"])
def test_a_segment_that_vanishes_is_written_anew(tmp_path: Path, gone: str) -> None:
    """What is open can still be read: nothing of it is lost, and what comes next has a file."""
    root = tmp_path / "spool"
    spool = Spool(root, "a", LIMIT)
    spool.append([batch(number) for number in range(5)])
    spool.peek(1)
    spool.take()
    if gone == "file":
        segment_of(spool).unlink()
    else:
        shutil.rmtree(spool.folder if gone == "folder" else root)
    assert spool.append([batch(5)]) == Lost()
    spool.close()
    assert numbers(Spool(root, "a", LIMIT)) == [1, 2, 3, 4, 5]


@pytest.mark.proves("H9", "H24")
def test_a_segment_that_was_closed_and_vanished_is_counted(tmp_path: Path) -> None:
    """In ticks: how much it held is known."""
    spool = Spool(tmp_path, "a", LIMIT, segment_bytes=1_000)
    spool.append([batch(0) for _ in range(10)])
    spool.append([batch(number) for number in range(1, 3)])
    first, _ = sorted(spool.folder.glob("*.spool"))
    first.unlink()
    found, lost = salvaged(spool)
    assert found == [1, 2]
    assert lost == Lost(10, 30, why="a file of the spool is gone")


@pytest.mark.proves("H23")
def test_only_folders_that_nobody_has_are_adopted(tmp_path: Path) -> None:
    """A life that is over leaves its batches and its position to any other; one that goes on keeps
    them, also what it writes while others look.
    """
    over, alive = Spool(tmp_path, "b-1", LIMIT), Spool(tmp_path, "b-2", LIMIT)
    over.append([batch(number) for number in range(8)])
    over.peek(10)
    over.take()
    over.close()
    put_aside(tmp_path / "b-1" / "rejected", batch(90))
    alive.append([batch(20)])
    mine = Spool(tmp_path, "a-1", LIMIT)
    mine.append([batch(30)])
    assert mine.adopt() == Lost()
    assert mine.adopted == ["b-1"]
    mine.append([batch(31)])
    alive.append([batch(21)])
    assert sorted(numbers(mine)) == [4, 5, 6, 7, 30, 31]
    assert numbers(alive) == [20, 21]
    assert [path.name for path in (mine.folder / "rejected").iterdir()] == ["1-90.batch"]
    assert not (tmp_path / "b-1").exists()
    alive.close()
    mine.adopt()
    assert mine.is_empty


@pytest.mark.proves("H23")
def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    """The second is refused, with a line that says so; when the first is closed, it gets it."""
    first = Spool(tmp_path, "a", LIMIT)
    with pytest.raises(BlockingIOError, match="another process uses it"):
        Spool(tmp_path, "a", LIMIT)
    first.close()
    Spool(tmp_path, "a", LIMIT).close()


@pytest.mark.proves("H8", "H23")
def test_what_waits_in_the_layout_of_before_is_kept(tmp_path: Path) -> None:
    """One folder for all, records without a marker: read from its position on, then deleted."""

    def old_record(one: TickBatch) -> bytes:
        body = msgspec.msgpack.encode(one)
        return struct.pack(">IIQ", len(body), zlib.crc32(body), one.number) + body

    records = [old_record(batch(number)) for number in range(4)]
    (tmp_path / f"{7:020}.spool").write_bytes(b"".join(records))
    (tmp_path / f"{8:020}.spool").write_bytes(old_record(batch(4)) + records[0][:50])
    (tmp_path / f"{9:020}.spool").write_bytes(records[0][:-1] + b"?" + records[1])
    (tmp_path / "position").write_text(f"7 {len(records[0])}")
    put_aside(tmp_path / "rejected", batch(90))
    spool = Spool(tmp_path, "a", LIMIT)
    lost = spool.adopt()
    assert (lost.unread, lost.unread_bytes) == (1, len(records[0]) + len(records[1]))
    assert numbers(spool) == [1, 2, 3, 4]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (spool.folder / "rejected").iterdir()] == ["1-90.batch"]


@pytest.mark.proves("H9")
def test_a_full_spool_drops_its_oldest_segment_and_says_so(tmp_path: Path) -> None:
    """The limit holds, the newest stay, and every dropped tick is counted."""
    spool = Spool(tmp_path, "a", 20_000, segment_bytes=2_000)
    lost = Lost()
    for number in range(400):
        lost += spool.append([batch(number)])
        assert spool.size <= 20_000
    left = numbers(spool)
    assert left == list(range(400 - len(left), 400))
    assert lost == Lost(400 - len(left), 3 * (400 - len(left)), why=lost.why)


@pytest.mark.proves("H9")
def test_a_write_that_fails_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills in the middle of a record: it is cut off again, and the next one is whole."""
    spool = Spool(tmp_path, "a", LIMIT)
    spool.append([batch(1)])
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return real(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        spool.append([batch(2)])
    monkeypatch.undo()
    spool.append([batch(3)])
    spool.close()
    assert numbers(Spool(tmp_path, "a", LIMIT)) == [1, 3]


@pytest.mark.proves("H9", "H24")
def test_what_gives_way_in_vain_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room, whatever is dropped for it: what was dropped is told all the same. For a disk that
    fails nothing is dropped.
    """
    spool = Spool(tmp_path, "a", LIMIT, segment_bytes=1_000)
    for number in range(3):
        spool.append([batch(number) for _ in range(10)])

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def broken(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="Input/output"):
        spool.append([batch(9)])
    assert (spool.settle(), spool.batches) == (Lost(), 30)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        spool.append([batch(9)])
    assert spool.settle() == Lost(30, 90, why="the spool is full")
    assert spool.settle() == Lost()
    monkeypatch.undo()
    assert spool.append([batch(10)]) == Lost()
    assert numbers(spool) == [10]


@pytest.mark.proves("H8")
def test_a_batch_larger_than_what_is_read_at_once_comes_out(tmp_path: Path) -> None:
    """A whole market in one batch is one record of several megabytes."""
    spool = Spool(tmp_path, "a", LIMIT)
    large = batch(1, ticks=60_000)
    spool.append([large])
    spool.append([batch(2)])
    assert spool.peek(10) == [large]
    spool.take()
    assert numbers(spool) == [2]


@pytest.mark.proves("H8")
def test_refused_batches_are_kept_up_to_a_size(tmp_path: Path) -> None:
    """The oldest give way to later ones, and are counted."""
    size = len(encode_record(batch(1)))
    gone = [put_aside(tmp_path / "rejected", batch(n), limit=3 * size) for n in range(1, 6)]
    assert gone == [0, 0, 0, 1, 1]
    kept = sorted((tmp_path / "rejected").iterdir())
    assert [next(read_records(path.read_bytes())).number for path in kept] == [3, 4, 5]
