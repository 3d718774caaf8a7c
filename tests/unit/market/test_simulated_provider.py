"""The market that makes itself up, and how providers are chosen."""

from __future__ import annotations

import itertools

import pytest
import trio

from stockstream.market.providers import (
    HttpProvider,
    InvalidProviderUrl,
    SimulatedProvider,
    from_url,
)
from stockstream.quotes import parse_symbol
from stockstream.times import now_ms


async def fetched(url, times=3, symbols=None):
    provider = SimulatedProvider.from_url(url)
    batches = [(await provider.fetch(symbols)).observations for _ in range(times)]
    await provider.aclose()
    return batches


async def test_the_same_seed_gives_the_same_prices():
    def prices(batches):
        return [[(seen.symbol, seen.price) for seen in batch] for batch in batches]

    first = prices(await fetched("sim://?symbols=50&seed=7"))
    assert prices(await fetched("sim://?symbols=50&seed=7")) == first
    assert prices(await fetched("sim://?symbols=50&seed=8")) != first


async def test_the_well_known_symbols_come_first():
    [batch] = await fetched("sim://?symbols=8", times=1)
    assert [seen.symbol for seen in batch] == [
        "AAPL", "GOOGL", "MSFT", "TSLA", "AMZN", "NFLX", "S0007", "S0008",
    ]  # fmt: skip
    [batch] = await fetched("sim://?symbols=2", times=1)
    assert [seen.symbol for seen in batch] == ["AAPL", "GOOGL"]


async def test_every_name_is_a_symbol_and_none_is_there_twice():
    [batch] = await fetched("sim://?symbols=100000", times=1)
    names = {seen.symbol for seen in batch}
    assert len(names) == 100_000
    assert all(parse_symbol(name) == name for name in names)


async def test_prices_walk_in_cents_and_stay_above_zero():
    batches = await fetched("sim://?symbols=20&seed=1", times=500)
    moved = sum(
        before.price != after.price
        for earlier, later in itertools.pairwise(batches)
        for before, after in zip(earlier, later, strict=True)
    )
    assert moved > 0.8 * 499 * 20
    for batch in batches:
        for seen in batch:
            assert seen.price >= 0.01
            assert round(seen.price, 2) == seen.price


async def test_a_subset_can_be_asked_for():
    [batch] = await fetched("sim://", times=1, symbols=frozenset({"TSLA", "NOSUCH"}))
    assert [seen.symbol for seen in batch] == ["TSLA"]


async def test_times_are_now():
    [batch] = await fetched("sim://", times=1)
    assert abs(batch[0].timestamp - now_ms()) < 5_000


async def test_a_fetch_can_be_cancelled():
    provider = SimulatedProvider()
    with trio.CancelScope() as scope:
        scope.cancel()
        await provider.fetch(None)
    assert scope.cancelled_caught


def test_the_interval_is_the_provider_s_own():
    assert SimulatedProvider.from_url("sim://?interval=0.05").interval == 0.05
    assert SimulatedProvider.from_url("sim://").interval is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sim://?symbols=0", "symbols must be a whole number from 1 to 100000, not '0'"),
        ("sim://?symbols=100001", "symbols must be"),
        ("sim://?symbols=six", "symbols must be"),
        ("sim://?symbols=", "symbols must be a whole number from 1 to 100000, not ''"),
        ("sim://?symbols=%C2%B2", "symbols must be"),
        ("sim://?symbols=" + "9" * 5000, "symbols must be"),
        ("sim://?interval=0", "interval must be from 0.001 to 3600 seconds, not '0'"),
        ("sim://?interval=nan", "interval must be"),
        ("sim://?interval=-1", "interval must be"),
        ("sim://?interval=soon", "interval must be"),
        ("sim://?seed=-1", "seed must be"),
        ("sim://?seed=1&seed=2", "seed is given twice"),
        (
            "sim://?symbol=5",
            "unknown parameter 'symbol'; there are symbols, interval, seed, volume and book",
        ),
        ("sim://market?symbols=5", "no host or path"),
        ("ftp://prices.example", "unknown scheme 'ftp'; use http://, https:// or sim://"),
        ("localhost:1080", "no scheme; use http://, https:// or sim://"),
        ("", "no scheme"),
        ("http://", "looks like http://localhost:1080"),
        ("http://[::1", "not a URL"),
        ("http://host:port", "not a URL"),
    ],
)
def test_a_bad_address_gives_one_clear_error(url, message):
    with pytest.raises(InvalidProviderUrl) as refused:
        from_url(url)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


async def test_the_scheme_chooses_the_provider():
    for url, kind in (
        ("SIM://?symbols=3", SimulatedProvider),
        ("http://localhost:1080", HttpProvider),
        ("https://prices.example/v2/", HttpProvider),
    ):
        provider = from_url(url)
        assert isinstance(provider, kind)
        await provider.aclose()
        await provider.aclose()


async def test_an_address_is_told_whole_and_without_credentials():
    provider = from_url("https://user:hunter2@prices.example:8443/v2?apikey=hunter2&hunter2")
    assert provider.address == (
        "https://********@prices.example:8443/v2/api/stock-prices?apikey=********&********"
    )
    await provider.aclose()
    assert SimulatedProvider(symbols=6).address == "sim://?symbols=6"


async def test_a_volume_of_the_day_grows_where_it_is_asked_for_and_begins_anew_with_the_day():
    """The same for a seed, whose prices are the same without it."""
    now = 86_400_000 * 20_000 + 1_000

    def clock():
        return now

    def market():
        return SimulatedProvider(3, seed=7, volume=True, clock=clock)

    async def volumes(provider):
        return [seen.figures.volume for seen in (await provider.fetch(None)).observations]

    one, other = market(), market()
    course = [await volumes(one) for _ in range(20)]
    assert course == [await volumes(other) for _ in range(20)]
    for of_one in zip(*course, strict=True):
        assert list(of_one) == sorted(of_one)
        assert of_one[-1] > of_one[0] >= 0
    now += 86_400_000
    assert all(volume < 400 for volume in await volumes(one))
    [[*priced], [*quiet]] = [
        *await fetched("sim://?symbols=5&seed=7&volume=true", times=1),
        *await fetched("sim://?symbols=5&seed=7&volume=false", times=1),
    ]
    assert [seen.price for seen in priced] == [seen.price for seen in quiet]
    assert {seen.figures for seen in quiet} == {None}
    with pytest.raises(InvalidProviderUrl, match="volume must be true or false, not 'yes'"):
        SimulatedProvider.from_url("sim://?volume=yes")
