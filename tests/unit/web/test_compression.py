"""How much of the time answers are compressed."""

from __future__ import annotations

import gzip
import json

import pytest
from quart import Blueprint, Response
from quart_trio import QuartTrio

from web.compression import LEAST, SAVED_SECONDS, SHARE, Compression

DATA = json.dumps([{"symbol": f"SYM{number}", "price": number} for number in range(500)])
PACKED = {"Accept-Encoding": "gzip"}


class Ticking:
    """A clock by which whatever is timed takes a tenth of what may be saved up."""

    STEP = SAVED_SECONDS / 10

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.STEP
        return self.now


def app_with(compression: Compression) -> QuartTrio:
    app = QuartTrio(__name__)
    blueprint = Blueprint("data", __name__)

    @blueprint.get("/data")
    async def data() -> Response:
        return Response(DATA, content_type="application/json")

    @blueprint.get("/small")
    async def small() -> Response:
        return Response("x" * (LEAST - 1), content_type="application/json")

    app.register_blueprint(compression.public(blueprint))
    return app


async def encodings(app: QuartTrio, count: int, path: str = "/data") -> list[str | None]:
    client = app.test_client()
    answers = [await client.get(path, headers=PACKED) for _ in range(count)]
    return [answer.headers.get("Content-Encoding") for answer in answers]


async def test_beyond_its_share_of_the_time_answers_go_as_they_are() -> None:
    """A few at once are compressed, then one in so many as the share allows."""
    found = await encodings(app_with(Compression(Ticking())), 400)
    packed = [encoding == "gzip" for encoding in found]
    assert all(packed[:9])
    steady = packed[100:]
    # Between two looks at the clock one step passes, and compressing takes one of those.
    assert sum(steady) / len(steady) == pytest.approx(SHARE, rel=0.3)


async def test_the_budget_comes_back() -> None:
    """After a while without a request a few at once are compressed again."""
    clock = Ticking()
    app = app_with(Compression(clock))
    await encodings(app, 50)
    clock.now += SAVED_SECONDS / SHARE
    assert (await encodings(app, 9)) == ["gzip"] * 9


async def test_small_answers_and_who_does_not_ask_get_plain_bytes() -> None:
    """And only what may come in two forms says so."""
    app = app_with(Compression())
    small = await app.test_client().get("/small", headers=PACKED)
    assert "Content-Encoding" not in small.headers
    assert "Vary" not in small.headers
    plain = await app.test_client().get("/data")
    assert (await plain.get_data(as_text=True), plain.headers["Vary"]) == (DATA, "Accept-Encoding")
    packed = await app.test_client().get("/data", headers=PACKED)
    assert gzip.decompress(await packed.get_data()).decode() == DATA
    assert packed.headers["Content-Length"] == str(len(await packed.get_data()))
