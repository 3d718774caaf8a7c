"""`stockstream contract` against price APIs of others, good ones and bad ones."""

from __future__ import annotations

import gzip
import json
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from stockstream.cli.contract import contract
from stockstream.errors import StartError, UsageError
from stockstream.times import now_ms
from tests.integration.market.rogue import RogueServer, answer
from tests.support.server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import trio
    from pytest import CaptureFixture, MonkeyPatch  # noqa: PT013 - types

Items = list[dict[str, Any]]
NAMES = ("AAPL", "MSFT", "NVDA")


class Api(RogueServer):
    """An API that keeps the contract; each test has it break one thing."""

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(nursery)
        self.lists = 0
        self.headers = ["content-type: application/json; charset=utf-8"]
        self.unknown = answer(b"[]")
        self.takes_names = True
        self.change: Callable[[int, Items], Items] = lambda _number, items: items
        self.script = self.play

    def items(self) -> Items:
        now = now_ms()
        return [
            {"symbol": name, "price": 100 + self.lists, "timestamp": now, "currency": "USD"}
            for name in NAMES
        ]

    async def play(self, stream: trio.abc.Stream, head: str) -> None:
        asked = parse_qs(urlsplit(head.split()[1]).query).get("symbols")
        names = asked[0].split(",") if asked else None
        date = f"date: {formatdate(now_ms() / 1000, usegmt=True)}"
        if names and self.takes_names and not set(names) & set(NAMES):
            await stream.send_all(self.unknown)
            return
        if names is None:
            self.lists += 1
        items = self.change(self.lists, self.items())
        if names and self.takes_names:
            items = [item for item in items if item["symbol"] in names]
        given = [*self.headers]
        if not any(line.startswith("date") for line in given):
            given.append(date)
        body = json.dumps(items).encode()
        if "content-encoding: gzip" in given:
            body = gzip.compress(body)
        await stream.send_all(answer(body, headers=given))


@pytest.fixture
async def api(nursery: trio.Nursery, tmp_path: Path, monkeypatch: MonkeyPatch) -> Api:
    monkeypatch.chdir(tmp_path)  # no `.env` of the checkout
    made = Api(nursery)
    await made.start()
    return made


async def judged(
    api: Api, capsys: CaptureFixture[str], *, strict: bool = False
) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and by name what did not hold: its verdict, and what was found."""
    code = await contract(api.url, seconds="250ms", every="50ms", strict=strict, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == code
    assert document["lists"] >= 2
    checks = document["checks"]
    return code, {c["name"]: (c["verdict"], c["found"]) for c in checks if c["verdict"] != "held"}


async def test_an_api_that_keeps_it_holds(api: Api, capsys: CaptureFixture[str]) -> None:
    api.headers.append("content-encoding: gzip")
    assert await judged(api, capsys, strict=True) == (0, {})
    assert await contract(api.url, seconds="120ms", every="50ms") == 0
    told = capsys.readouterr()
    assert "0 could be better, 0 broken, 0 not judged" in told.out
    assert "1: 3 symbols, " in told.err


async def test_optional_fields_that_are_told_are_named(
    api: Api, capsys: CaptureFixture[str]
) -> None:
    """Those of the day, and bid and ask, as the others."""
    api.change = put(0, name="Apple", volume=5, bid=1, ask=1_000)
    assert await contract(api.url, seconds="120ms", every="50ms") == 0
    assert "it tells ask, bid, currency, name, volume" in capsys.readouterr().out


def put(index: int, **fields: object) -> Callable[[int, Items], Items]:
    """Give an item other fields, in every list."""

    def change(_number: int, items: Items) -> Items:
        items[index].update(fields)
        return items

    return change


def older(number: int, items: Items) -> Items:
    """As a second replica that is an hour behind."""
    if number % 2 == 0:
        items[0]["timestamp"] -= 3_600_000
    return items


def without_one(number: int, items: Items) -> Items:
    return items if number % 2 else items[1:]


def same_time(_number: int, items: Items) -> Items:
    items[0]["timestamp"] = 1_790_000_000_000 + (now_ms() - 1_790_000_000_000) // 10**6 * 10**6
    return items


@pytest.mark.parametrize(
    ("change", "name", "verdict", "found"),
    [
        (put(1, price=0), "items", "broken", "not_positive: "),
        (put(1, symbol="AAPL"), "items", "broken", "duplicate_symbol: "),
        (put(1, timestamp="2026-11-30 10:00"), "items", "broken", "invalid_timestamp: "),
        (without_one, "complete", "broken", "not in each list: AAPL"),
        (put(2, timestamp=now_ms() + 7_200_000), "times", "broken", "five minutes ahead: NVDA"),
        (put(2, timestamp=1_700_000_000), "times", "warning", "over ten days old: NVDA"),
        (older, "order", "broken", "went back: AAPL"),
        (same_time, "order", "warning", "another price at the same time: AAPL"),
        (put(0, open="n/a"), "optional", "warning", "open"),
        (put(0, bid=190.2, ask=190.1), "optional", "warning", "is above its ask"),
        (lambda _number, _items: [], "items", "broken", "the list is empty"),
    ],
)
async def test_lists_that_do_not_are_named(
    api: Api,
    capsys: CaptureFixture[str],
    change: Callable[[int, Items], Items],
    name: str,
    verdict: str,
    found: str,
) -> None:
    api.change = change
    code, wrong = await judged(api, capsys)
    assert wrong[name][0] == verdict
    assert found in wrong[name][1]
    assert code == (3 if verdict == "broken" else 0)
    assert (await judged(api, capsys, strict=True))[0] == 3


def no_names(api: Api) -> None:
    api.takes_names = False


def server_error(api: Api) -> None:
    api.unknown = answer(b'{"message": "no such stock"}', status="500 Internal Server Error")


def bad_request(api: Api) -> None:
    api.unknown = answer(b"", status="400 Bad Request")


def html(api: Api) -> None:
    api.always(answer(b"<html>hello</html>", headers=["content-type: text/html"]))


def too_many(api: Api) -> None:
    api.always(answer(b"", status="429 Too Many Requests", headers=["retry-after: 0"]))


def wrong_clock(api: Api) -> None:
    api.headers.append("date: Sun, 29 Nov 2026 10:00:00 GMT")


def cached(api: Api) -> None:
    api.headers += ["age: 30", "connection: close"]


@pytest.mark.parametrize(
    ("broken", "wrong"),
    [
        (no_names, {"named": "warning", "unknown": "held"}),
        (server_error, {"unknown": "broken"}),
        (bad_request, {"unknown": "broken"}),
        (html, {"answers": "broken", "items": "not_judged"}),
        (too_many, {"answers": "broken", "items": "not_judged"}),
        (wrong_clock, {"date": "warning"}),
        (cached, {"not_cached": "warning", "kept": "warning"}),
    ],
)
async def test_answers_that_do_not_are_named(
    api: Api, capsys: CaptureFixture[str], broken: Callable[[Api], None], wrong: dict[str, str]
) -> None:
    broken(api)
    code, found = await judged(api, capsys)
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        name: verdict for name, verdict in wrong.items() if verdict != "held"
    }
    assert code == (3 if "broken" in wrong.values() else 0)


async def test_who_cannot_be_asked_is_said(capsys: CaptureFixture[str]) -> None:
    """With 1, and without a secret that stands in the address."""
    with pytest.raises(StartError, match=r"127\.0\.0\.1:\d+.*Connection refused") as error:
        await contract(f"http://127.0.0.1:{free_port()}/?apikey=hidden1234", seconds="10ms")
    assert "hidden1234" not in str(error.value) + capsys.readouterr().err
    for url in ("prices.example", "ftp://x"):
        with pytest.raises(UsageError, match="address of a price API"):
            await contract(url)
    with pytest.raises(UsageError, match="--for: 'soon'"):
        await contract("http://localhost", seconds="soon")
