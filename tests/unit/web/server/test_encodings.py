"""Which encoding a client asks for."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import Headers

from web.server.encodings import BROTLI, GZIP, best_encoding


@pytest.mark.parametrize(
    ("given", "gzip"),
    [
        ((), False),
        (("",), False),
        (("gzip",), True),
        (("GZip",), True),
        (("gzip, deflate, br, zstd",), True),
        (("br", "gzip"), True),
        (("br;q=1.0, gzip;q=0.5",), True),
        (("gzip;q=0",), False),
        (("gzip;q=0.0, *",), False),
        (("*",), True),
        (("*;q=0",), False),
        (("*;q=0, gzip;q=0.1",), True),
        (("gzip;q=0.4, identity;q=0.8",), False),
        (("gzip;q=0.8, identity;q=0.4",), True),
        (("identity;q=0, gzip;q=0.001",), True),
        (("identity;q=0",), False),
        (("gzip;q=0.5, *;q=0.9",), False),
        (("br",), False),
        (("gzip;q=nonsense",), False),
        (("gzip;q=-1",), False),
        (("gzipped",), False),
        ((",, ;q=1, =,gzip",), True),
    ],
)
def test_gzip_is_sent_to_who_wants_it_no_less_than_plain_bytes(
    given: tuple[str, ...], gzip: bool
) -> None:
    """Several fields are one list; who names neither gets plain bytes; nonsense is left out."""
    headers = Headers([("Accept-Encoding", field) for field in given])
    assert (best_encoding(headers, GZIP) == GZIP) is gzip


@pytest.mark.parametrize(
    ("given", "best"),
    [
        ("gzip, deflate, br, zstd", BROTLI),
        ("br;q=0.5, gzip", GZIP),
        ("br;q=0.5, gzip;q=0.5", BROTLI),
        ("gzip, deflate", GZIP),
        ("br", BROTLI),
        ("*", BROTLI),
        ("br;q=0, *", GZIP),
        ("br;q=0.2, gzip;q=0.3, identity;q=0.5", None),
        ("identity", None),
    ],
)
def test_the_first_of_those_offered_that_is_wanted_most(given: str, best: str | None) -> None:
    """What is offered first is the smallest."""
    assert best_encoding(Headers([("Accept-Encoding", given)]), BROTLI, GZIP) == best
