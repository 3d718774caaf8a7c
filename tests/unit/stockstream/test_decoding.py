"""Reading JSON that somebody else wrote."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.decoding import from_json


class Named(msgspec.Struct):
    name: str
    inside: object = None


@given(st.binary() | st.binary().map(lambda part: b'{"name":"' + part + b'"}'))
def test_any_bytes_are_read_or_refused_in_one_way(body: bytes) -> None:
    """Whoever reads an answer or a body has one kind of error to think of."""
    with suppress(msgspec.DecodeError):
        from_json(body, Named)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"name":"\xff"}', "not UTF-8"),
        (b'{"name":"","inside":' + b"[" * 1_000_000, "nested too deeply"),
        (b"{", "truncated"),
    ],
)
def test_it_says_what_is_wrong(body: bytes, told: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=told):
        from_json(body, Named)
