"""The volume of candles: the sum of the parts, however cut; and of spools of other versions."""

from __future__ import annotations

from functools import reduce

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from stockstream.history.candles import Candle, Tick, fold
from stockstream.history.recording import TickBatch
from stockstream.history.records import encode_record, read_records
from stockstream.times import MINUTE_MS

ticks = st.lists(
    st.builds(
        lambda ts, price, volume: Tick("AAPL", None, price, ts, ts, 1, 1, volume=volume),
        st.integers(0, MINUTE_MS - 1),
        st.integers(1, 99).map(float),
        st.none() | st.integers(0, 1_000).map(float),
    ),
    min_size=1,
    max_size=12,
)


@given(ticks, st.data())
def test_a_candle_has_the_volume_of_its_ticks_in_whatever_parts_they_come(
    given_ticks: list[Tick], data: st.DataObject
) -> None:
    known = [tick.volume for tick in given_ticks if tick.volume is not None]
    whole = sum(known) if known else None
    (folded,) = fold(given_ticks)
    assert folded.volume == whole
    order = data.draw(st.permutations(given_ticks))
    cut = data.draw(st.integers(1, len(order)))
    parts = [part for part in (order[:cut], order[cut:]) if part]
    joined = reduce(Candle.joined, (candle for part in parts for candle in fold(part)))
    assert joined.volume == whole


class OlderTick(msgspec.Struct, frozen=True, array_like=True):
    symbol: str
    exchange: str | None
    price: float
    ts: int
    received: int
    epoch: int
    seq: int
    currency: str | None = None
    source: str | None = None


class OlderBatch(msgspec.Struct, frozen=True, array_like=True):
    node: str
    boot: int
    number: int
    ticks: tuple[OlderTick, ...]


FIELDS = "AAPL", "SIM", 1.5, 1_000, 1_100, 9, 7, "USD", "us"


def test_a_spool_of_an_older_program_is_read() -> None:
    """Of its ticks no volume is known."""
    written = encode_record(OlderBatch("node", 1, 2, (OlderTick(*FIELDS),)))  # type: ignore[arg-type]
    (found,) = read_records(written)
    assert found.ticks == (Tick(*FIELDS),)
    assert found.ticks[0].volume is None


def test_an_older_program_reads_a_spool_of_this_one() -> None:
    """It is rolled back: the volume is lost, and nothing else."""
    record = encode_record(TickBatch("node", 1, 2, (Tick(*FIELDS, 3.25),)))
    (body,) = (entry for entry in read_records(record))
    found = msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=OlderBatch)
    assert found.ticks == (OlderTick(*FIELDS),)
