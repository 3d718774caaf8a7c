"""What every codec does, whoever its provider is: each one against the stub's tape of it."""

import json
import math
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.market.providers.frames import LARGEST_FRAME
from stockstream.market.providers.push import (
    Prices,
    PushProvider,
    Refused,
    Trouble,
    Turn,
    Unread,
)
from stockstream.market.providers.push_registry import PUSH_PROVIDERS
from stockstream.quotes import LATEST_TIMESTAMP, DayFigures, Symbol, TopOfBook
from tests.unit.market.providers.contract import (
    BEGIN,
    NOBODY,
    TAPES,
    Line,
    by_rest,
    price_frame,
    symbols_of,
    without_flows,
)

PROVIDERS = tuple(PUSH_PROVIDERS.values())
SILENT_ABOUT_UNKNOWN = {"binance", "finnhub", "massive"}
"""They take any name and tell nothing of it."""
BEGIN_MS = round(BEGIN.timestamp() * 1000)
HOSTILE = (None, True, -1, 0, 10**400, -0.0, 1e308, "", "NaN", "-1", "0", "1_0", "x", [], {}, [[]])

FILLED = tuple(provider for provider in PROVIDERS if provider.latest is not None)
KEYED = tuple(provider for provider in PROVIDERS if provider.needs_key)

each = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.scheme)
each_filled = pytest.mark.parametrize("provider", FILLED, ids=lambda one: one.scheme)


def opened(provider: PushProvider, *more: Symbol, seconds: float = 3.0, **faults: object) -> Line:
    line = Line(provider, **faults)
    line.want(*symbols_of(provider)[:2], *more)
    line.open()
    line.run(seconds)
    return line


def sound(turn: Turn) -> None:
    """No price that nobody could trade at, no time that is none, and no figure of a day either."""
    for event in turn.events:
        if isinstance(event, Prices):
            for one in event.observations:
                assert math.isfinite(one.price)
                assert one.price > 0
                assert 0 < one.timestamp <= LATEST_TIMESTAMP
                assert one.previous_close is None or 0 < one.previous_close < math.inf
                told = one.figures or DayFigures()
                prices = (told.high, told.low, told.open)
                assert all(value is None or 0 < value < math.inf for value in prices)
                assert told.volume is None or 0 <= told.volume < math.inf
                top = one.top or TopOfBook()
                assert top.bid is None or 0 < top.bid < math.inf
                assert top.ask is None or 0 < top.ask < math.inf
                assert None in (top.bid, top.ask) or top.bid <= top.ask  # type: ignore[operator]
        if isinstance(event, Unread):
            assert event.count >= 1
            assert event.kind


@each
def test_what_is_asked_for_is_acknowledged_and_told(provider: PushProvider) -> None:
    """In the product's spelling, with prices that move, their currency and the time of now."""
    line = opened(provider)
    wanted = frozenset(symbols_of(provider)[:2])
    assert line.subscribed == wanted
    assert {one.symbol for one in line.prices} == wanted
    assert len({one.price for one in line.prices}) > 2
    assert all(abs(one.timestamp - line.wall) < 4000 for one in line.prices)
    assert all(one.exchange for one in line.prices)
    assert all(one.currency for one in line.prices)
    assert not line.refused
    assert not line.troubles
    assert not line.unread
    assert line.player.unmatched is None


@each
def test_a_symbol_that_is_not_there_costs_no_other(provider: PushProvider) -> None:
    """It is refused, once, or never told; the connection goes on."""
    line = opened(provider, NOBODY, seconds=15.0)
    assert line.refused in ([], [NOBODY])
    if provider.scheme not in SILENT_ABOUT_UNKNOWN:
        assert line.refused == [NOBODY]
    assert {one.symbol for one in line.prices} == set(symbols_of(provider)[:2])
    assert not line.troubles
    before = list(line.refused)
    line.want(*symbols_of(provider)[:3], NOBODY)
    line.run(3.0)
    assert line.refused == before, "it is asked for again on the next connection alone"


@each
def test_symbols_come_and_go_on_an_open_connection(provider: PushProvider) -> None:
    """What is no longer wanted stops; what still comes of it is neither told nor a fault."""
    first, second, third = symbols_of(provider)[:3]
    line = opened(provider)
    old = [frame for frame in line.frames if _tells(line, frame, first)][-1]
    line.want(second, third)
    line.events.clear()
    line.hear(old)
    assert first not in {one.symbol for one in line.prices}
    line.run(0.05)
    line.run(3.0)
    assert {one.symbol for one in line.prices} == {second, third}
    assert line.subscribed == {third}
    assert not line.unread
    assert not line.troubles
    line.want(first, second, third)
    line.run(3.0)
    assert first in {one.symbol for one in line.prices}


@each
def test_what_was_wanted_before_the_connection_is_asked_for_after_it(
    provider: PushProvider,
) -> None:
    """A new connection, as after a cut or beside one that is replaced, begins from nothing."""
    line = Line(provider)
    line.want(*symbols_of(provider))
    assert not line.sent
    line.open()
    line.run(3.0)
    assert line.subscribed == set(symbols_of(provider))


@each
def test_a_duplicate_and_a_late_price_are_told_as_they_came(provider: PushProvider) -> None:
    """With the time that the provider said. Which is news is judged behind: there alone one knows
    what all sources told.
    """
    line = opened(provider)
    frame = price_frame(line)
    first = line.codec.received(frame, line.now, line.wall)
    line.run(20.0)
    late = [line.hear(frame), line.hear(frame)]
    said = [without_flows(turn.events) for turn in (first, *late)]
    assert said[0] == said[1] == said[2]
    sound(late[0])
    (told,) = (event for event in late[0].events if isinstance(event, Prices))
    assert all(one.timestamp < line.wall - 10_000 for one in told.observations)


@pytest.mark.parametrize("name", ["alpaca", "finnhub", "massive"])
def test_what_was_traded_is_summed_up_over_a_connection(name: str) -> None:
    """By the sizes of all trades of a symbol, told twice or late; of another connection anew. A
    size that is none is left out and costs nothing else.
    """
    line = opened(PUSH_PROVIDERS[name])
    line.run(5.0)
    symbol = line.prices[0].symbol
    flows = [one.flow for one in line.prices if one.symbol == symbol]
    assert None not in flows
    known = [flow for flow in flows if flow is not None]
    assert len({flow.since for flow in known}) == 1
    volumes = [flow.volume for flow in known]
    assert volumes == sorted(volumes)
    assert volumes[-1] > volumes[0] > 0
    size = {"alpaca": "s", "finnhub": "v", "massive": "s"}[name]
    document = json.loads(price_frame(line))
    (whole,) = (event for event in line.hear(json.dumps(document)).events)
    assert isinstance(whole, Prices)
    for bad in (-1, True, "x", "inf", [1]):
        for place in _objects(document):
            if "p" in place and size in place:
                place[size] = bad
        prices, unread = line.hear(json.dumps(document)).events
        assert prices == whole
        assert isinstance(unread, Unread)
        assert unread.kind == "optional_field"


@each
def test_a_provider_that_says_nothing_is_left(provider: PushProvider) -> None:
    """No answer to the greeting or to a subscription ends the connection, if one comes at all."""
    line = opened(provider, seconds=25.0, mute="all")
    assert not line.prices
    if line.codec.acknowledges:  # type: ignore[attr-defined]
        assert line.troubles
        assert set(line.troubles) <= {"unanswered", "not_let_in"}


@each
def test_a_mute_provider_is_no_trouble_of_the_codec(provider: PushProvider) -> None:
    """Whether silence is a fault depends on the hour, which the feed judges."""
    line = opened(provider, seconds=30.0, mute="prices")
    assert not line.prices
    assert line.subscribed
    assert not line.troubles


@each
def test_garbage_is_counted_and_the_rest_is_read(provider: PushProvider) -> None:
    """A third of the frames is no JSON."""
    line = opened(provider)
    line.faults = type(line.faults)(garbage=0.33)
    line.events.clear()
    line.run(20.0)
    assert line.unread["not_json"] > 3
    assert len(line.prices) > 3


@each
def test_a_wrong_key_is_said_to_be_one(provider: PushProvider) -> None:
    """By the provider's own answer, where it is given in a message and not in the address."""
    tape = TAPES[provider.scheme]
    if not provider.needs_key or tape.refusals:
        return
    line = Line(provider, key="wrong")
    line.want(*symbols_of(provider)[:2])
    line.open()
    line.run(3.0)
    (trouble,) = line.of(type(line.events[0]))
    assert trouble.fatal
    assert "wrong" not in trouble.detail


@each
def test_one_connection_too_many_is_tried_again_later(provider: PushProvider) -> None:
    """Where the provider has words for it; nothing is wrong with the key."""
    if TAPES[provider.scheme].limit is None:
        return
    line = Line(provider)
    line.want(*symbols_of(provider)[:2])
    line.open(one_too_many=True)
    line.run(3.0)
    assert line.troubles[0] == "connection_limit"
    assert not line.events[0].fatal  # type: ignore[union-attr]


@each
def test_a_changed_field_costs_its_item_only(provider: PushProvider) -> None:
    """Each field of a price and each message around it, null, of another type, zero, huge: nothing
    raises, no bad price is told, and what is left out is counted.
    """
    line = opened(provider)
    document = json.loads(price_frame(line))
    for changed in _changed(document):
        text = json.dumps(changed)
        turn = line.codec.received(text, line.now, line.wall)
        sound(turn)
        # What is told by no event at all is at least a known message or an optional field.
        assert not turn.frames
    first = line.codec.received(json.dumps(document), line.now, line.wall)
    assert any(isinstance(event, Prices) for event in first.events)


@each
def test_new_fields_change_nothing(provider: PushProvider) -> None:
    """Providers add them at any time."""
    line = opened(provider)
    document = json.loads(price_frame(line))
    before = line.codec.received(json.dumps(document), line.now, line.wall)
    for place in list(_objects(document)):
        place["brand_new_field"] = {"of": [None, "any", 1]}
    after = line.codec.received(json.dumps(document), line.now, line.wall)
    assert after.frames == before.frames
    assert without_flows(after.events) == without_flows(before.events)


@each
@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("", "empty"),
        (b"", "empty"),
        ("{", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        ("[" * 100_000, "not_json"),
        ('{"price":1e999}', "not_json"),
        ("x" * 2_000_000, "too_large"),
        (json.dumps({"a": "x" * LARGEST_FRAME}), "too_large"),
        ("5", "wrong_type"),
        ("null", "wrong_type"),
        ('"text"', "wrong_type"),
        ('[{"T":"brand new","ev":"brand new"}]', None),
        ('{"type":"brand new","event":"brand new","e":"brand new"}', None),
        ("[[1],2,null]", "wrong_type"),
    ],
)
def test_what_cannot_be_read_is_counted_by_kind(
    provider: PushProvider, frame: str | bytes, kind: str | None
) -> None:
    """An unknown message too: it may be the one that matters."""
    line = opened(provider)
    (unread,) = {event.kind for event in line.hear(frame).events if isinstance(event, Unread)}
    assert kind is None or unread == kind
    line.events.clear()
    line.run(3.0)
    assert line.prices


def asked_at_once(provider: PushProvider) -> tuple[Symbol, ...]:
    assert provider.latest is not None
    return symbols_of(provider)[: min(2, provider.latest.symbols)]


@each_filled
def test_the_latest_prices_are_read(provider: PushProvider) -> None:
    """Of all that was asked for, with currency and time; what is not there is refused."""
    assert provider.latest is not None
    symbols = asked_at_once(provider)
    status, body = by_rest(provider, *symbols)
    (prices,) = provider.latest.read(frozenset(symbols), status, body, 5_000).events
    assert isinstance(prices, Prices)
    assert {one.symbol for one in prices.observations} == set(symbols)
    assert all(one.exchange and one.currency for one in prices.observations)
    assert all(one.timestamp in {5_000, BEGIN_MS} for one in prices.observations)
    status, body = by_rest(provider, NOBODY)
    (refused,) = provider.latest.read(frozenset({NOBODY}), status, body, 5_000).events
    assert isinstance(refused, Refused)
    assert (refused.symbol, refused.code) == (NOBODY, "unknown_symbol")


@each_filled
def test_a_refusal_by_rest_is_said(provider: PushProvider) -> None:
    """A wrong key is asked with no more often than every 5 minutes, a limit heeded; a body that
    is none of theirs is a trouble and tells no price.
    """
    assert provider.latest is not None
    symbols = frozenset(asked_at_once(provider))
    for status, kind, wait in ((401, "auth_failed", 300), (429, "rate_limited", 60)):
        (trouble,) = provider.latest.read(symbols, status, b'{"error":"no"}', 5_000).events
        assert isinstance(trouble, Trouble)
        assert (trouble.kind, trouble.retry_after, trouble.said) == (kind, wait, "no")
    for status, body in ((200, b""), (200, b"<html>"), (200, b"5"), (500, b"away")):
        (trouble,) = provider.latest.read(symbols, status, body, 5_000).events
        assert isinstance(trouble, Trouble)


@each_filled
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_answer_by_rest_makes_a_codec_raise_or_tell_a_bad_price(
    provider: PushProvider, data: st.DataObject
) -> None:
    """The good one with a part of it replaced, or anything."""
    assert provider.latest is not None
    symbols = asked_at_once(provider)
    document = json.loads(by_rest(provider, *symbols)[1])
    places = list(_places(document))
    container, key = data.draw(st.sampled_from(places))
    container[key] = data.draw(JSON | st.sampled_from(HOSTILE))
    status = data.draw(st.sampled_from([200, 200, 400, 403, 500]))
    body = data.draw(st.just(json.dumps(document).encode()) | st.binary(max_size=20))
    sound(provider.latest.read(frozenset(symbols), status, body, 5_000))


@pytest.mark.parametrize("provider", KEYED, ids=lambda one: one.scheme)
def test_the_key_is_sent_where_the_stub_wants_it_and_shown_nowhere(provider: PushProvider) -> None:
    """In the address, a header or a message; what is made of it has it in no repr."""
    line = opened(provider)
    assert line.prices
    access = line.access
    endpoint = provider.endpoint(access)
    sent = [endpoint.url, *(value for _, value in endpoint.headers), *line.sent]
    for secret in filter(None, (access.key, access.secret)):
        assert any(secret in one for one in sent)
        assert secret not in f"{access!r} {endpoint!r} {line.events}"
    tape = TAPES[provider.scheme]
    assert tape.refusals or any("wrong" in json.dumps(cue.pattern) for cue in tape.cues)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=8), one, max_size=3),
    max_leaves=8,
)  # fmt: skip


@each
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_frame_makes_a_codec_raise_or_tell_a_bad_price(
    provider: PushProvider, data: st.DataObject
) -> None:
    """Arbitrary text, bytes and JSON, and frames of the provider with a part of them replaced."""
    line = Line(provider)
    line.want(*symbols_of(provider)[:2])
    line.open()
    line.run(1.5)
    frames = [json.loads(frame) for frame in line.frames]
    for _ in range(6):
        kind = data.draw(st.sampled_from(["text", "bytes", "json", "changed", "changed"]))
        if kind == "text":
            frame: str | bytes = data.draw(st.text(max_size=30))
        elif kind == "bytes":
            frame = data.draw(st.binary(max_size=30))
        elif kind == "json" or not frames:
            frame = json.dumps(data.draw(JSON))
        else:
            document = json.loads(json.dumps(data.draw(st.sampled_from(frames))))
            places = list(_places(document))
            if places:
                container, key = data.draw(st.sampled_from(places))
                container[key] = data.draw(JSON)
            frame = json.dumps(document)
        turn = line.hear(frame)
        sound(turn)
        if kind in {"text", "bytes"} and not _is_object_or_list(frame):
            assert any(isinstance(event, Unread) for event in turn.events)
    sound(line.codec.due(line.now + 1))


def _tells(line: Line, frame: str, symbol: Symbol) -> bool:
    events = line.codec.received(frame, line.now, line.wall).events
    told = [one for event in events if isinstance(event, Prices) for one in event.observations]
    return symbol in {one.symbol for one in told}


def _is_object_or_list(frame: str | bytes) -> bool:
    try:
        return isinstance(json.loads(frame), dict | list)
    except (ValueError, RecursionError):
        return False


def _changed(document: object) -> Iterator[object]:
    text = json.dumps(document)
    for number in range(len(list(_places(document)))):
        for value in HOSTILE:
            copy = json.loads(text)
            container, key = list(_places(copy))[number]
            container[key] = value
            yield copy
        copy = json.loads(text)
        container, key = list(_places(copy))[number]
        del container[key]
        yield copy


def _places(value: object) -> Iterator[tuple]:  # type: ignore[type-arg]
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in list(inner):
        yield value, key
        yield from _places(part)


def _objects(value: object) -> Iterator[dict]:  # type: ignore[type-arg]
    if isinstance(value, dict):
        yield value
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _objects(part)


BY_SOCKET = {
    "kraken": {"high", "low", "open", "volume", "rolling"},
    "coinbase": {"high", "low", "open", "volume", "rolling"},
    "binance": {"high", "low", "open", "volume", "rolling"},
    "twelvedata": {"volume"},
}
"""The figures of the day that come with each price; of the others, with none."""
BY_REST = {
    "finnhub": {"high", "low", "open"},
    "massive": {"high", "low", "open", "volume"},
    "twelvedata": {"high", "low", "open", "volume"},
    "alpaca": {"high", "low", "open", "volume"},
}
"""Those that come when the latest price is asked for, and the previous close with them."""


def told_in(figures: DayFigures | None) -> set[str]:
    return set() if figures is None else set(msgspec.to_builtins(figures))


@each
def test_the_figures_of_the_day_are_taken(provider: PushProvider) -> None:
    """As far as they are told, and none of them is bad."""
    line = opened(provider)
    told = set().union(*(told_in(seen.figures) for seen in line.prices))
    assert told == BY_SOCKET.get(provider.scheme, set())
    with_both = [seen.top is not None and seen.top.at is None for seen in line.prices]
    assert set(with_both) == {provider.scheme in {"kraken", "coinbase", "binance"}}
    assert line.unread["optional_field"] == 0


@each_filled
def test_the_figures_of_the_day_are_taken_by_rest(provider: PushProvider) -> None:
    """With the previous close; the range has the price in it."""
    assert provider.latest is not None
    symbol = symbols_of(provider)[0]
    status, body = by_rest(provider, symbol)
    events = provider.latest.read(frozenset({symbol}), status, body, BEGIN_MS).events
    ((seen,),) = [event.observations for event in events if isinstance(event, Prices)]
    assert seen.previous_close is not None
    assert seen.figures is not None
    wanted = BY_REST[provider.scheme]
    # The tape has not moved yet, and what is not traded has no volume.
    assert wanted - {"volume"} <= told_in(seen.figures) <= wanted
    assert seen.figures.low <= seen.price <= seen.figures.high
    assert (seen.top is not None) is (provider.scheme in {"massive", "alpaca"})
    assert seen.top is None or seen.top.bid <= seen.price <= seen.top.ask
    assert not [event for event in events if isinstance(event, Unread)]
