"""The spool on a real disk: order, crashes at any byte, a limit that is kept and told."""

from __future__ import annotations

import errno
import os
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.history.candles import Tick
from stockstream.history.recording import TickBatch
from stockstream.history.rejected import put_aside
from stockstream.history.spool import Lost, Spool, encode_record, read_records

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
        spool.take()
    return found


@pytest.mark.proves("H8")
def test_what_goes_in_comes_out_in_order_over_many_segments(tmp_path: Path) -> None:
    """First in, first out, whole, though segments change; what was taken leaves no file."""
    spool = Spool(tmp_path, LIMIT, segment_bytes=1_000)
    for number in range(0, 100, 2):
        assert spool.append([batch(number), batch(number + 1)]) == Lost()
    assert len(list(tmp_path.glob("*.spool"))) > 5
    assert spool.batches == 100
    assert spool.peek(1)[0] == batch(0)
    assert numbers(spool) == list(range(100))
    assert spool.batches == 0
    assert spool.size == 0
    assert list(tmp_path.glob("*.spool")) == []


@pytest.mark.proves("H8")
def test_a_successor_finds_what_was_synced_and_not_taken(tmp_path: Path) -> None:
    """Killed anywhere, a spool is followed by one that knows the position, and goes on behind."""
    first = Spool(tmp_path, LIMIT)
    first.append([batch(number) for number in range(10)])
    assert [b.number for b in first.peek(10)] == [0, 1, 2, 3]
    first.take()
    second = Spool(tmp_path, LIMIT)
    assert second.batches == 6
    second.append([batch(10)])
    assert numbers(second) == [4, 5, 6, 7, 8, 9, 10]
    assert Spool(tmp_path, LIMIT).batches == 0


@pytest.mark.proves("H8")
@given(st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_tail_torn_at_any_byte_is_cut(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Whole records before the tear are kept; after it, new ones can be read again."""
    rng = random.Random(seed)
    folder = tmp_path_factory.mktemp("torn")
    whole = Spool(folder, LIMIT)
    whole.append([batch(number) for number in range(8)])
    whole.close()
    (segment,) = folder.glob("*.spool")
    data = segment.read_bytes()
    cut = rng.randrange(len(data))
    garbage = rng.randbytes(rng.randrange(30))
    segment.write_bytes(data[:cut] + garbage)
    kept = sum(end <= cut for _, end in read_records(data))
    after = Spool(folder, LIMIT)
    assert after.batches == kept
    after.append([batch(100)])
    assert numbers(after) == [*range(kept), 100]


@pytest.mark.proves("H8")
def test_a_flipped_bit_is_not_taken_for_a_price(tmp_path: Path) -> None:
    """The checksum covers the body: what is read is what was written, or it is not read."""
    data = b"".join(encode_record(batch(number)) for number in range(3))
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 0x10
        for found, end in read_records(bytes(bad)):
            # Only the number beside the body is not covered; the body has its own.
            assert found in (batch(0), batch(1), batch(2)), (place, end)


@pytest.mark.proves("H9")
def test_a_full_spool_drops_its_oldest_segment_and_says_so(tmp_path: Path) -> None:
    """The limit holds, the newest stay, and every dropped tick is counted."""
    spool = Spool(tmp_path, 20_000, segment_bytes=2_000)
    lost = Lost()
    for number in range(400):
        lost += spool.append([batch(number)])
        assert spool.size <= 20_000
    left = numbers(spool)
    assert left == list(range(400 - len(left), 400))
    assert lost == Lost(400 - len(left), 3 * (400 - len(left)))


@pytest.mark.proves("H9")
def test_a_write_that_fails_leaves_no_half_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills in the middle of a record: it is cut off again, and the next one is whole."""
    spool = Spool(tmp_path, LIMIT)
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
    assert numbers(Spool(tmp_path, LIMIT)) == [1, 3]


@pytest.mark.proves("H8")
def test_a_batch_larger_than_what_is_read_at_once_comes_out(tmp_path: Path) -> None:
    """A whole market in one batch is one record of several megabytes."""
    spool = Spool(tmp_path, LIMIT)
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
    assert [next(read_records(path.read_bytes()))[0].number for path in kept] == [3, 4, 5]
