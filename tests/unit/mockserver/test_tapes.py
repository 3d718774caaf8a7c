"""What a tape may hold, and what it comes to when a client speaks."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from mockserver.json_types import Json
from mockserver.server import BUNDLED_TAPES
from mockserver.streams.market import WIDEST, Market
from mockserver.streams.patterns import matched
from mockserver.streams.player import Close, Player
from mockserver.streams.stream_faults import StreamFaults
from mockserver.streams.tape import load_tapes
from mockserver.stub_files import StubFileError
from tests.unit.mockserver.support import NOW, SEED

pytestmark = pytest.mark.proves("M22")

MARKET: Json = {"dir": "market", "prices": {"A/USD": 10.0, "B/USD": 20.0}}


def write(directory: Path, *lines: Json) -> Path:
    folder = directory / "example"
    folder.mkdir()
    (folder / "tape.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return directory


def player(directory: Path, *lines: Json, faults: StreamFaults | None = None) -> Player:
    tape = load_tapes(write(directory, MARKET, *lines))["example"]
    dice = random.Random(SEED)
    market = Market(tape.prices, dice)
    given = faults or StreamFaults()
    made = Player(tape, market, lambda: given, dice=dice, clock=lambda: NOW)
    made.opened(0.0)
    return made


def said(frames: Sequence[str | Close]) -> list[object]:
    return [json.loads(one) if isinstance(one, str) else one for one in frames]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"dir": "sideways"}, "dir is 'sideways', none of market, out, in"),
        ({"dir": "out", "frame": 1, "eveyr": 5}, "eveyr: there is no such field (is it 'every'?)"),
        (
            {"dir": "out", "frame": {"p": "$prise"}},
            "$prise is no value; there are ask, ask_text, bid, bid_text",
        ),
        ({"dir": "out", "frame": 1, "at": -1}, "at: -1 is not between 0 and 86400000"),
        ({"dir": "out", "frame": 1, "each": "all"}, "'all' is none of held, known, new, unknown"),
        ({"dir": "in"}, "frame is missing"),
        ({"dir": "rest", "path": "/a", "frame": {"k": "$key"}}, "$key is no value"),
        ({"dir": "market", "prices": {"a": 1}}, "written with capital letters"),
        ([], "expected an object, found a list"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: Json, words: str) -> None:
    """With its file and number, before anything is served."""
    with pytest.raises(StubFileError) as failure:
        load_tapes(write(tmp_path, MARKET, line))
    assert "example/tape.jsonl:2: " in str(failure.value)
    assert words in str(failure.value)


def test_a_tape_without_symbols_or_of_no_json_is_refused(tmp_path: Path) -> None:
    """So is a folder that is not there."""
    with pytest.raises(StubFileError, match="no line has the dir 'market'"):
        load_tapes(write(tmp_path, {"dir": "out", "frame": 1}))
    (tmp_path / "example" / "tape.jsonl").write_text('{"dir":"market"\n')
    with pytest.raises(StubFileError, match=r"tape\.jsonl:1:\d+: "):
        load_tapes(tmp_path)
    with pytest.raises(StubFileError, match="there is no such directory"):
        load_tapes(tmp_path / "none")


def test_the_bundled_tapes_can_be_read() -> None:
    """Each has symbols, an answer to a subscription, and prices."""
    tapes = load_tapes(BUNDLED_TAPES)
    assert "kraken" in tapes
    for tape in tapes.values():
        assert any(cue.holds for cue in tape.cues)
        assert any(out.tells_prices and out.every for out in tape.opening)


@pytest.mark.parametrize(
    ("pattern", "frame", "symbols"),
    [
        ({"params": "T.$symbols"}, {"params": "T.AAPL,T.MSFT", "more": 1}, ["AAPL", "MSFT"]),
        ({"params": ["$symbols@mini"]}, {"params": ["a@mini", "b@mini"]}, ["a", "b"]),
        ({"symbol": "$symbols"}, {"symbol": "AAPL"}, ["AAPL"]),
        ({"params": "T.$symbols"}, {"params": "T.AAPL,Q.AAPL"}, None),
        ({"params": ["$symbols"]}, {"params": []}, None),
        ({"params": ["$symbols"]}, {"params": [5]}, None),
        ({"a": 1}, {"a": True}, None),
        ({"a": 1}, {"b": 1}, None),
        ({"a": 1}, [], None),
    ],
)
def test_a_pattern_takes_symbols_out_of_a_frame(
    pattern: Json, frame: Json, symbols: list[str] | None
) -> None:
    """Whether they stand in a list, alone, or with commas between them."""
    captured = matched(pattern, frame)
    assert (None if captured is None else captured.symbols) == symbols


def test_a_client_is_told_what_it_asks_for_and_no_more(tmp_path: Path) -> None:
    """Known symbols are acknowledged and told until they are dropped, unknown ones refused."""
    ask: Json = {"op": "ask", "of": ["$symbols"], "id": "$id"}
    stub = player(
        tmp_path,
        {"dir": "out", "frame": {"hello": "$count"}},
        {"dir": "out", "at": 1000, "every": 1000, "each": "held", "frame": {"of": "$symbol"}},
        {"dir": "in", "frame": ask, "holds": True},
        {"dir": "out", "each": "known", "frame": {"yes": "$symbol", "id": "$id"}},
        {"dir": "out", "each": "unknown", "frame": {"no": "to $symbol"}},
        {"dir": "out", "frame": {"all": ["$held"], "at": [{"$each": "held", "is": "$price"}]}},
        {"dir": "in", "frame": {"op": "drop", "of": ["$symbols"]}, "drops": True},
    )
    assert said(stub.due(0.0)) == [{"hello": 1}]
    assert said(stub.due(1.0)) == []
    stub.received('{"op":"ask","of":["A/USD","C/USD"],"id":7}', 1.5)
    assert said(stub.due(1.5)) == [
        {"yes": "A/USD", "id": 7},
        {"no": "to C/USD"},
        {"all": ["A/USD"], "at": [{"is": 10.0}]},
    ]
    assert stub.next_due == 2.0
    assert said(stub.due(2.0)) == said(stub.due(3.0)) == [{"of": "A/USD"}]
    stub.received('{"op":"drop","of":["A/USD"]}', 3.5)
    assert said(stub.due(4.0)) == []
    assert stub.unmatched is None
    stub.received("hello", 4.0)
    assert stub.unmatched == "hello"


def test_a_state_is_needed_until_it_is_set(tmp_path: Path) -> None:
    """As with a login: the same frame fits another line after it."""
    stub = player(
        tmp_path,
        {"dir": "in", "frame": {"login": "$key"}, "sets": "in"},
        {"dir": "in", "frame": {"ask": 1}, "needs": "in"},
        {"dir": "out", "frame": {"welcome": True}},
        {"dir": "in", "frame": {"ask": 1}},
        {"dir": "out", "frame": {"who": "are you"}, "close": 4000},
    )
    stub.received('{"ask":1}', 0.0)
    assert said(stub.due(0.0)) == [{"who": "are you"}, Close(4000)]
    stub.received('{"login":"k"}', 0.0)
    stub.received('{"ask":1}', 0.0)
    assert said(stub.due(0.0)) == [{"welcome": True}]


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (StreamFaults(), [{"beat": 1}, {"p": 10.0}]),
        (StreamFaults(mute="prices"), [{"beat": 1}]),
        (StreamFaults(mute="all"), []),
    ],
)
def test_a_mute_stream_tells_no_prices(
    tmp_path: Path, faults: StreamFaults, told: list[object]
) -> None:
    """With its heartbeats, as the well-known fault is, or with nothing at all."""
    stub = player(
        tmp_path,
        {"dir": "out", "frame": {"beat": 1}},
        {"dir": "in", "frame": {"of": "$symbols"}, "holds": True},
        {"dir": "out", "each": "known", "frame": {"p": "$price"}},
        faults=faults,
    )
    stub.received('{"of":"A/USD"}', 0.0)
    assert said(stub.due(0.0)) == told


def test_prices_walk_for_as_long_as_one_likes() -> None:
    """Never twice the same, never far from where they began, in their own decimals."""
    market = Market({"A": 0.8123, "B": 105899.4}, random.Random(SEED))
    for name, first, decimals in (("A", 0.8123, 4), ("B", 105899.4, 2)):
        last = market.price(name).last
        for _ in range(3_000):
            market.move(name.lower())
            price = market.price(name)
            assert price.last != last
            assert abs(price.last / first - 1) <= WIDEST + 0.001
            assert price.last == round(price.last, decimals)
            assert price.low <= price.last <= price.high
            last = price.last


def test_a_line_may_be_for_frames_of_known_symbols_only(tmp_path: Path) -> None:
    """So a refusal in part has other words; an object may have a member for each symbol."""
    ask: Json = {"of": "$symbols"}
    by_name: Json = {"$each": "known", "$symbol": {"is": "$price"}}
    stub = player(
        tmp_path,
        {"dir": "in", "frame": ask, "when": "one"},
        {"dir": "out", "frame": {"one": by_name}},
        {"dir": "in", "frame": ask, "when": "all"},
        {"dir": "out", "frame": {"all": by_name}},
        {"dir": "in", "frame": ask},
        {"dir": "out", "frame": {"some": by_name}},
    )
    for asked, told in (
        ("A/USD", {"one": {"A/USD": {"is": 10.0}}}),
        ("A/USD,B/USD", {"all": {"A/USD": {"is": 10.0}, "B/USD": {"is": 20.0}}}),
        ("A/USD,NO/PE", {"some": {"A/USD": {"is": 10.0}}}),
        ("NO/PE", {"some": {}}),
    ):
        stub.received(json.dumps({"of": asked}), 0.0)
        assert said(stub.due(0.0)) == [told]
