"""What `stockstream watch` makes of messages, of chance and of addresses: no server, no clock."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from stockstream.cli.watch.connecting import Unreadable, read
from stockstream.cli.watch.lines import Lines
from stockstream.cli.watch.nodes import Address, Itinerary, parse_address
from stockstream.cli.watch.printable import printable
from stockstream.cli.watch.standing import RowState
from stockstream.cli.watch.watching import Open, Watching
from stockstream.errors import UsageError
from tests.support.asyncapi import DOCUMENT

NOW = 500_000.0


def message(name: str, number: int = 0, **changes: object) -> dict[str, Any]:
    """An example of the protocol's description, with changes."""
    examples = DOCUMENT["components"]["messages"][name]["examples"]
    return {**examples[number]["payload"], **changes}


def said(watching: Watching, now: float = NOW, **given: Any) -> None:
    """Have it take a message as it comes on the wire."""
    taken = read(json.dumps(given))
    assert taken is not None
    watching.take(taken, now)


def quote(**changes: object) -> dict[str, Any]:
    return {**message("snapshot")["quotes"][0], **changes}


def following(*symbols: str, everything: bool = False) -> Watching:
    """Connected, with a live feed."""
    watching = Watching(symbols, everything=everything)
    watching.linked(Open("one"), NOW)
    said(watching, **message("welcome"))
    said(watching, **message("status", fetched=86_400_900))
    return watching


def stands(watching: Watching, symbol: str, now: float = NOW) -> tuple[str, str]:
    standing = watching.standing(watching.rows[symbol], now)
    return standing.state, standing.note


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_every_message_of_the_description_is_read(name: str) -> None:
    """With fields that a newer server adds; one of a kind that is not known yet is left alone."""
    listened = {
        ref["$ref"].rpartition("/")[2] for ref in DOCUMENT["operations"]["tell"]["messages"]
    }
    for example in DOCUMENT["components"]["messages"][name]["examples"]:
        if name in listened:
            taken = read(json.dumps({**example["payload"], "surprise": 1}))
            assert type(taken).__struct_config__.tag == name
    assert read('{"type":"of_tomorrow","price":1}') is None
    for broken in ("", "[]", "7", '{"type":"prices"}', '{"type":"prices","prices":{}}', b"\xff"):
        with pytest.raises(Unreadable):
            read(broken)


@pytest.mark.proves("W1", "N17")
def test_no_price_goes_back_whichever_node_tells_it() -> None:
    """Lower versions are refused, in snapshots and updates, also after another welcome."""
    watching = following("AAPL")
    said(watching, **message("snapshot", quotes=[quote(version=[200, 7], price=11.0)]))
    said(watching, **message("welcome"))
    said(watching, **message("snapshot", quotes=[quote(version=[100, 9], price=10.0)]))
    update = message("prices")["prices"][0]
    said(watching, **message("prices", prices=[{**update, "version": [200, 6], "price": 9.0}]))
    said(watching, **message("prices", prices=[{**update, "version": [200, 7], "price": 9.0}]))
    held = watching.rows["AAPL"].held
    assert held is not None
    assert (held.price, held.version, watching.prices) == (11.0, (200, 7), 1)
    said(watching, **message("prices", prices=[{**update, "version": [300, 1], "price": 12.0}]))
    assert (held.price, held.version, watching.prices) == (12.0, (300, 1), 2)


@pytest.mark.proves("N17")
def test_only_of_a_live_symbol_a_server_may_leave_out_what_is_known() -> None:
    """Another node may have the same price of a stale one and call it live."""
    watching = following("AAPL", "MSFT", "IBM")
    stale = quote(symbol="MSFT", state="stale", reason="not_told", confirmed=1)
    said(watching, **message("snapshot", quotes=[quote(), stale]))
    assert watching.since(["AAPL", "MSFT", "IBM"]) == {"AAPL": (1795378525327, 42)}


def test_a_symbol_is_stale_by_the_servers_word_by_the_feed_and_without_a_word() -> None:
    """And live again when it is told so, under the version that there is."""
    watching = following("AAPL", "MSFT")
    said(watching, **message("snapshot", quotes=[quote()], fetched=86_400_900))
    assert stands(watching, "AAPL") == (RowState.LIVE, "")
    assert stands(watching, "MSFT") == (RowState.LOADING, "")
    said(watching, **message("prices", 2))  # stale under version 43
    assert stands(watching, "AAPL") == (RowState.STALE, "left out by the provider")
    again = {**message("prices", 2)["prices"][0], "state": "live", "confirmed": 86_408_800}
    said(watching, **message("prices", prices=[again], fetched=86_408_877))
    assert stands(watching, "AAPL") == (RowState.LIVE, "")
    later = NOW + 60_000
    assert stands(watching, "AAPL", later) == (RowState.STALE, "nothing newer could be fetched")
    watching.doubted_since = later
    assert stands(watching, "AAPL", later + 2_000)[1] == "no word from the server"


def test_with_few_messages_asked_for_a_price_is_not_stale_between_them() -> None:
    """One in 20 s: the fetch of 15 s ago is the last that could be told."""
    watching = following("AAPL")
    said(watching, **message("snapshot", quotes=[quote()], fetched=86_400_900))
    assert stands(watching, "AAPL", NOW + 15_000)[0] is RowState.STALE
    watching.told_every = 20_000
    assert stands(watching, "AAPL", NOW + 15_000)[0] is RowState.LIVE


def test_a_symbol_that_is_not_served_is_told_once_and_may_come_back() -> None:
    """After each reconnection it is refused again, which is no news."""
    watching = following("AAPL", "NOPE")
    refusal = {"symbol": "NOPE", "code": "unknown_symbol", "reason": "not listed"}
    for _ in range(2):
        said(watching, type="subscriptions", symbols=["AAPL"], rejected=[refusal])
    assert watching.refused == [("NOPE", "unknown_symbol", "not listed")]
    assert stands(watching, "NOPE") == (RowState.REFUSED, "not listed")
    said(watching, **message("snapshot", quotes=[quote(symbol="NOPE")]))
    assert stands(watching, "NOPE")[0] is RowState.LIVE


def test_every_symbol_gets_a_row_when_all_are_wanted_and_none_otherwise() -> None:
    """A server that sends what nobody asked for does not fill the table."""
    asked, every = following("MSFT"), following(everything=True)
    for watching in (asked, every):
        said(watching, **message("snapshot"))
        said(
            watching,
            **message("prices", prices=[{**message("prices")["prices"][0], "symbol": "X"}]),
        )
    assert list(asked.rows) == ["MSFT"]
    assert list(every.rows) == ["AAPL", "X"]


HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\nfoo\u202e\u009b31m\u2028"


def test_nothing_a_server_says_steers_the_terminal() -> None:
    """Escape sequences, C1 controls, line ends and marks of direction, in every text there is."""
    assert printable("Äpfel · 日本 50 %") == "Äpfel · 日本 50 %"
    for as_json in (False, True):
        watching = Watching(("AAPL", "X"))
        watching.linked(Open(printable(HOSTILE)), NOW)
        said(watching, **message("status", 1, reason=HOSTILE))
        hostile = quote(name=HOSTILE, exchange=HOSTILE, currency=HOSTILE, day_zone=HOSTILE,
                        base_at=HOSTILE, timestamp=HOSTILE, state="stale", reason=HOSTILE,
                        basis="day_first")  # fmt: skip
        said(watching, **message("snapshot", quotes=[hostile]))
        watching.refuse("X", HOSTILE, HOSTILE)
        watching.notices.append(HOSTILE)
        text = Lines(watching, as_json=as_json).next(NOW)
        lines = text.removesuffix("\n").split("\n")
        assert len(lines) == 4
        assert all(line.isprintable() for line in lines), text
        if as_json:
            assert text.isascii()
            assert json.loads(lines[3])["name"] == HOSTILE


def test_lines_end_with_the_price_that_was_wanted_last() -> None:
    """A line each for a price and for a state; none for a look at which nothing changed."""
    watching = following("AAPL", "MSFT")
    said(watching, **message("snapshot", quotes=[quote(), quote(symbol="MSFT")]))
    lines = Lines(watching, count=3, as_json=True)
    kinds = [json.loads(line)["type"] for line in lines.next(NOW).splitlines()]
    assert kinds == ["status", "price", "price"]
    assert lines.next(NOW + 10) == ""
    stale = [json.loads(line) for line in lines.next(NOW + 60_000).splitlines()]
    assert [(one["type"], one.get("state", one.get("feed"))) for one in stale] == [
        ("status", "stale"), ("price", "stale"), ("price", "stale"),
    ]  # fmt: skip
    assert not lines.done
    for seq in (43, 44):
        update = {**message("prices")["prices"][0], "version": [1795378525327, seq]}
        said(watching, **message("prices", prices=[update, {**update, "symbol": "MSFT"}]))
    assert len(lines.next(NOW + 60_000).splitlines()) == 1
    assert lines.done


@pytest.mark.parametrize(
    ("text", "shown", "host_header"),
    [
        ("http://localhost:4000", "http://localhost:4000", "localhost:4000"),
        ("https://a.example/stocks/", "https://a.example/stocks", "a.example"),
        ("wss://a.example:443/stocks/ws", "https://a.example/stocks", "a.example"),
        ("http://[::1]:4000/", "http://[::1]:4000", "[::1]:4000"),
        ("https://me:s%40cret@a.example", "https://a.example", "a.example"),
    ],
)
def test_addresses_of_servers(text: str, shown: str, host_header: str) -> None:
    """With a path that the server is below, and without the password when they are shown."""
    address = parse_address(text)
    assert (str(address), address.netloc) == (shown, host_header)
    sent = dict(address.headers)
    assert sent == ({} if "@" not in text else {b"authorization": b"Basic bWU6c0BjcmV0"})


@pytest.mark.parametrize(
    "text",
    ["", "localhost:4000", "ftp://a", "http://", "http://a:b", "http://a?b", "http://a#b",
     "http://a b", "http://[::1", "http://me:secret@a?b"],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_its_name(text: str) -> None:
    """Before anything is connected, and without a password in the message."""
    with pytest.raises(UsageError, match="address of a server") as refused:
        parse_address(text)
    assert "secret" not in str(refused.value)


def itinerary(*urls: str, seed: int = 1) -> Itinerary:
    return Itinerary([parse_address(url) for url in urls], Random(seed).random)


def hosts(addresses: list[Address]) -> list[str]:
    return [address.host for address in addresses]


def test_a_single_server_is_tried_ever_more_slowly_by_chance() -> None:
    """From half a second, doubling to a minute; from the beginning after a good connection."""
    way = itinerary("http://a")
    pauses = [step.seconds for _ in range(9) if (step := way.lost()) is not None]
    for number, pause in enumerate(pauses):
        ceiling = min(60.0, 2.0**number)
        assert ceiling / 2 <= pause <= ceiling, pauses
    way.was_good()
    step = way.lost()
    assert step is not None
    assert step.seconds <= 1.0
    asked = way.lost(asked=3.5)
    assert asked is not None
    assert asked.seconds == 3.5


def test_with_several_servers_the_next_one_is_tried_soon_and_a_round_in_vain_slows_down() -> None:
    """All of them are tried before anybody is tried twice."""
    way = itinerary("http://a", "http://b", "http://c")
    steps = [step for _ in range(9) if (step := way.lost()) is not None]
    assert hosts([step.address for step in steps]) == ["b", "c", "a"] * 3
    assert all(step.seconds <= 0.25 for step in steps[:3])
    assert all(step.seconds >= 0.15 for step in steps[3:])
    assert sum(step.seconds for step in steps[6:]) >= sum(step.seconds for step in steps[3:6])


@pytest.mark.proves("N18")
def test_the_other_nodes_that_a_server_tells_of_are_tried_after_those_that_were_named() -> None:
    """Once each, without what is no address; who told is come back to as well."""
    way = itinerary("http://a")
    assert not way.others
    way.learn(["http://b", "https://c", "http://a", "nonsense", "http://u:p@d", "http://b/"])
    assert way.ring[0].host == "a"
    assert sorted(hosts(way.ring)) == ["a", "b", "c"]
    assert way.others
    first = way.moved().address
    way.learn(["http://e"])
    assert hosts(way.ring) in (["a", "e", first.host], ["a", first.host, "e"])


def test_nobody_is_sent_from_tls_to_plain_text_nor_told_a_password() -> None:
    """A server may only send its clients to others as safe as itself."""
    way = itinerary("https://me:secret@a")
    way.learn(["http://b", "https://c"])
    assert [(one.host, one.headers) for one in way.ring[1:]] == [("c", [])]


def test_a_token_is_shown_to_the_server_that_was_named_and_to_the_nodes_that_it_tells_of() -> None:
    """Who tells of them has it already. It is shown nobody else, and stands in no text."""
    named = parse_address("https://a/stocks", "ss_secret")
    assert named == parse_address("https://a/stocks"), "it makes no other server of it"
    way = Itinerary([named], Random(1).random)
    way.learn(["https://c", "http://b"])
    bearer = [(b"authorization", b"Bearer ss_secret")]
    assert [(one.host, one.headers) for one in way.ring] == [("a", bearer), ("c", bearer)]
    assert "secret" not in str(named) + repr(named)
    with pytest.raises(UsageError, match="one of both"):
        parse_address("https://me:secret@a", "ss_secret")


def test_a_server_that_does_not_want_a_client_back_is_asked_no_more() -> None:
    """And when none is left, that is the end."""
    way = itinerary("http://a", "http://b")
    way.bar()
    step = way.lost()
    assert step is not None
    assert step.address.host == "b"
    way.bar()
    assert way.lost() is None


def test_what_a_provider_refuses_is_said_and_still_waited_for() -> None:
    """Until it is served again, by name or by a price; a new connection tells it anew."""
    watching = following("AAPL", "NO-SUCH")
    said(watching, **message("snapshot"))
    lines = Lines(watching, as_json=False)
    lines.next(NOW)
    said(watching, **message("not_served"))
    assert stands(watching, "NO-SUCH") == (RowState.REFUSED, "crypto does not know it")
    assert "NO-SUCH is not served: crypto does not know it\n" in lines.next(NOW)
    assert not watching.nothing_left
    said(watching, **message("not_served", 1))
    assert stands(watching, "NO-SUCH") == (RowState.LOADING, "")
    assert "NO-SUCH is served again, and has no price yet\n" in lines.next(NOW)
    said(watching, **message("not_served"))
    said(watching, **message("welcome"))
    assert stands(watching, "NO-SUCH") == (RowState.LOADING, "")
    said(watching, **message("not_served"))
    said(watching, **message("snapshot", quotes=[quote(symbol="NO-SUCH")]))
    assert stands(watching, "NO-SUCH")[0] == RowState.LIVE
    said(watching, **message("not_served"))
    assert stands(watching, "NO-SUCH")[0] == RowState.LIVE
