"""Reading clients' messages, and what the errors name."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from stockstream.delivery.protocol import (
    LONGEST_ID,
    LONGEST_REASON,
    BadMessage,
    Error,
    Ping,
    Pong,
    Status,
    Subscribe,
    Unsubscribe,
    decode,
    encode,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"action":"subscribe","symbols":["AAPL"]}', Subscribe(["AAPL"])),
        ('{"action":"subscribe","symbols":"*","id":1}', Subscribe("*", 1)),
        (
            '{"action":"subscribe","symbols":[],"since":{"AAPL":[7,41]},"max_rate":2}',
            Subscribe([], since={"AAPL": (7, 41)}, max_rate=2.0),
        ),
        ('{"action":"unsubscribe","symbols":["*"],"id":"x"}', Unsubscribe(["*"], "x")),
        ('{"action":"ping","id":1.5,"what":"ever"}', Ping(1.5)),
    ],
)
def test_messages_are_read(text: str, message: object) -> None:
    """All of them, with and without what is optional; unknown fields are ignored."""
    assert decode(text) == message


@pytest.mark.proves("W11")
@pytest.mark.parametrize(
    ("text", "named", "mark"),
    [
        ("", "not JSON", UNSET),
        ("{", "not JSON", UNSET),
        ('{"action":"ping"} x', "not JSON", UNSET),
        ('{"action":"ping","id":NaN}', "not JSON", UNSET),
        ("[]", "object", UNSET),
        ("3", "object", UNSET),
        ("{}", "`action`", UNSET),
        ('{"action":"buy","id":3}', "`$.action`", 3),
        ('{"action":7,"id":3}', "`$.action`", 3),
        ('{"action":"subscribe","id":3}', "`symbols`", 3),
        ('{"action":"subscribe","symbols":"AAPL","id":3}', "`$.symbols`", 3),
        ('{"action":"subscribe","symbols":["A",7],"id":"m"}', "`$.symbols[1]`", "m"),
        ('{"action":"subscribe","symbols":null}', "`$.symbols`", UNSET),
        ('{"action":"subscribe","symbols":"*","since":{"A":[1]}}', "`$.since[...]`", UNSET),
        ('{"action":"subscribe","symbols":"*","since":[]}', "`$.since`", UNSET),
        ('{"action":"subscribe","symbols":"*","max_rate":0,"id":3}', "`$.max_rate`", 3),
        ('{"action":"subscribe","symbols":"*","max_rate":-1}', "`$.max_rate`", UNSET),
        ('{"action":"subscribe","symbols":"*","max_rate":"2"}', "`$.max_rate`", UNSET),
        ('{"action":"ping","id":null}', "`$.id`", UNSET),
        ('{"action":"ping","id":true}', "`$.id`", UNSET),
        ('{"action":"ping","id":{}}', "`$.id`", UNSET),
        ('{"action":"ping","id":1e400}', "`$.id`", UNSET),
        ('{"action":"ping","id":' + "1" * 5000 + "}", "`$.id`", UNSET),
        ('{"action":"ping","id":"' + "x" * (LONGEST_ID + 1) + '"}', "`$.id`", UNSET),
        ('{"action":"subscribe","symbols":' + "[" * 30_000, "`$.symbols[0]`", UNSET),
        ('{"action":"subscribe","symbols":[],"x":' + "[" * 1_000_000, "deeply", UNSET),
        (b'{"action":"ping"}', "binary", UNSET),
    ],
)
def test_what_is_no_message_is_refused_by_name(text: str | bytes, named: str, mark: object) -> None:
    """The error names the field, and carries the client's own mark if it can be read."""
    with pytest.raises(BadMessage) as refused:
        decode(text)
    assert named in refused.value.reason
    assert refused.value.id == mark


@given(st.text() | st.binary())
def test_nothing_else_than_bad_message_is_ever_raised(message: str | bytes) -> None:
    """Any text and any bytes."""
    with suppress(BadMessage):
        decode(message)


@pytest.mark.parametrize(
    "text",
    [
        '{"action":"' + "x" * 60_000 + '"}',
        '{"action":"subscribe","symbols":"' + "x" * 60_000 + '"}',
        '{"action":"subscribe","symbols":[],"since":{"' + "x" * 60_000 + '":1}}',
    ],
)
def test_a_reason_repeats_little_of_what_was_sent(text: str) -> None:
    """It says what is wrong, and not all of it."""
    with pytest.raises(BadMessage) as caught:
        decode(text)
    assert 10 < len(caught.value.reason) <= LONGEST_REASON


@given(
    st.text(max_size=LONGEST_ID)
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_an_id_comes_back_as_it_was(mark: str | float) -> None:
    """Any JSON string or number."""
    ping = decode(json.dumps({"action": "ping", "id": mark}))
    assert json.loads(encode(Pong("now", ping.id)))["id"] == mark


def test_what_is_not_known_is_left_out() -> None:
    """No id where none was given, no probe where none is planned."""
    assert json.loads(encode(Error("rate_limited", "too many", temporary=True))) == {
        "type": "error",
        "code": "rate_limited",
        "reason": "too many",
        "temporary": True,
    }
    assert json.loads(encode(Status("live", "closed", 1.0))) == {
        "type": "status",
        "feed": "live",
        "circuit": "closed",
        "interval": 1.0,
    }
