"""What nodes say to each other, as bytes."""

from __future__ import annotations

import msgspec
import pytest

from stockstream.cluster.codec import decode_told, encode
from stockstream.cluster.wire import (
    MOST,
    PROTOCOL,
    AlertsTold,
    ClaimMessage,
    Heartbeat,
    UnknownProtocol,
)
from stockstream.messages import Alert
from stockstream.quotes import Symbol, Version
from stockstream.shards import Claim, NodeId, Shard

CLAIMS = {Shard("api/0"): Claim(1_795_000_000_000, "a", 7)}
BEAT = Heartbeat(
    name="a", boot=7, number=3, ready=True, unfit=("api",), claims=CLAIMS, batch=9, wants=2,
    product="0.3.0", address="10.0.0.1:4000", public_url="https://a.example", load=0.5, clients=12,
    fingerprints={"FETCH_SHARDS": "ab"},
)  # fmt: skip


@pytest.mark.parametrize("message", [BEAT, ClaimMessage(name="a", boot=7, claims=CLAIMS)])
def test_what_was_said_is_what_is_heard(message: Heartbeat | ClaimMessage) -> None:
    """Claims are claims again, which compare."""
    heard = decode_told(encode(message))
    assert isinstance(heard, Heartbeat | ClaimMessage)
    assert heard == message
    assert all(isinstance(claim, Claim) for claim in heard.claims.values())
    assert heard.sender == NodeId("a", 7)


@pytest.mark.proves("N15")
def test_a_newer_release_may_say_more_and_an_older_one_less() -> None:
    """What is unknown is ignored; what is missing has its default."""
    said = {"type": "heartbeat", "name": "a", "boot": 7, "number": 3, "colour": ["new"]}
    assert decode_told(msgspec.msgpack.encode(said)) == Heartbeat(name="a", boot=7, number=3)


@pytest.mark.proves("N15")
@pytest.mark.parametrize("kind", ["heartbeat", "something new"])
def test_another_version_is_refused_by_its_sender(kind: str) -> None:
    """Whatever else it says: the log names who says it."""
    said = {"type": kind, "name": "a", "boot": 7, "protocol": PROTOCOL + 1, "claims": "new form"}
    with pytest.raises(UnknownProtocol, match="node 'a' speaks version 2") as refused:
        decode_told(msgspec.msgpack.encode(said))
    assert refused.value.sender == NodeId("a", 7)


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"type": "heartbeat", "name": "", "boot": 7, "number": 3}, "name"),
        ({"type": "heartbeat", "name": "a", "boot": -1, "number": 3}, "boot"),
        ({"type": "heartbeat", "name": "a", "boot": 7}, "number"),
        ({"type": "heartbeat", "name": "a", "boot": 7, "number": 3, "kind": "x"}, "kind"),
        ({"type": "claim", "name": "a", "boot": 7, "claims": {"api/0": [1, "a"]}}, "claims"),
        ({"type": "other", "name": "a", "boot": 7}, "type"),
    ],
)
def test_a_message_that_is_none_names_the_field(said: dict[str, object], names: str) -> None:
    """One error for all of them, so that a stray message costs itself only."""
    with pytest.raises(msgspec.ValidationError, match=names):
        decode_told(msgspec.msgpack.encode(said))


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"hello", b"\x81\xa4name\xa2\xff\xff", b"\x81\xa1x" + b"\x91" * 100_000]
)
def test_bytes_that_are_no_message_are_a_decode_error(data: bytes) -> None:
    """Somebody else's on the same subject, or half of ours."""
    with pytest.raises(msgspec.DecodeError):
        decode_told(data)


@pytest.mark.parametrize("field", ["boot", "number", "batch", "wants", "clients"])
@pytest.mark.parametrize("count", [-1, MOST + 1, 2**64 - 1])
def test_a_count_that_cannot_be_added_to_is_refused(field: str, count: int) -> None:
    """Sums of them are told to people, in JSON."""
    with pytest.raises(msgspec.ValidationError, match=field):
        decode_told(encode(msgspec.structs.replace(BEAT, **{field: count})))


ALERT = Alert(
    1, "owner", 7, Symbol("AAPL"), "above", 100.0, None, 101.0, None, 1_795_000_000_000,
    Version(1_795_000_000_000, 3), 1_795_000_000_000,
)  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp": 2**62},
        {"fired_at": -1},
        {"version": Version(1, 2**64 - 1)},
        {"version": Version(-1, 1)},
        {"rule": -(2**63)},
        {"crossings": 2**63},
    ],
)
def test_an_alert_that_cannot_be_told_is_refused(fields: dict[str, object]) -> None:
    """Its times are written as dates, and its numbers are its name in the database."""
    told = AlertsTold(name="a", boot=7, alerts=(ALERT,))
    assert decode_told(encode(told)) == told
    wrong = msgspec.to_builtins(msgspec.structs.replace(ALERT, **fields))
    data = msgspec.to_builtins(told) | {"alerts": [wrong]}
    with pytest.raises(msgspec.ValidationError, match="AAPL"):
        decode_told(msgspec.msgpack.encode(data))
