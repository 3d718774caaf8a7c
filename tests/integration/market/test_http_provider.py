"""The HTTP provider against a real server that misbehaves on purpose."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from contextlib import aclosing
from email.utils import formatdate

import pytest
import trio

from stockstream.http_client import parse_retry_after
from stockstream.market.parser import RejectKind
from stockstream.market.providers import (
    HttpProvider,
    HttpSettings,
    ProviderBody,
    ProviderDown,
    ProviderError,
    ProviderStatus,
    ProviderTimeout,
    SymbolsNotFound,
)
from stockstream.times import now_ms
from tests.integration.market.rogue import PRICES, answer, reset
from tests.support.selfsigned import server_context

MIB = 1024 * 1024


@pytest.fixture
async def provider(rogue):
    async with aclosing(HttpProvider(rogue.url)) as opened:
        yield opened


def impatient(rogue, **settings):
    """A provider whose limits a test can wait for."""
    return aclosing(HttpProvider(rogue.url, HttpSettings(**settings)))


async def refused(provider, symbols=None):
    with pytest.raises(ProviderError) as error:
        await provider.fetch(symbols)
    return error.value


def symbols_of(parsed):
    return [seen.symbol for seen in parsed.observations]


async def test_prices_are_fetched_over_one_kept_connection(rogue, provider):
    for _ in range(5):
        assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]
    assert rogue.connections == 1
    head = rogue.requests[0].lower()
    assert head.startswith("get /api/stock-prices http/1.1\r\n")
    assert "accept-encoding: gzip\r\n" in head + "\r\n"


async def test_a_subset_is_asked_for_by_name(rogue, provider):
    await provider.fetch(frozenset({"MSFT", "AAPL", "NSE:M&M"}))
    asked = "GET /api/stock-prices?symbols=AAPL%2CMSFT%2CNSE%3AM%26M HTTP/1.1"
    assert rogue.requests[0].startswith(asked)


async def test_a_subset_too_long_for_a_url_is_fetched_as_the_whole_list(rogue, provider):
    await provider.fetch(frozenset(f"SYMBOL{n}" for n in range(1000)))
    assert rogue.requests[0].startswith("GET /api/stock-prices HTTP/1.1")


async def test_nothing_is_asked_for_nothing(rogue, provider):
    assert (await provider.fetch(frozenset())).observations == ()
    assert rogue.requests == []


async def test_the_base_address_may_have_a_path_and_a_key(rogue):
    async with aclosing(HttpProvider(rogue.url + "/v2/?apikey=k")) as provider:
        await provider.fetch(frozenset({"AAPL"}))
    assert rogue.requests[0].startswith("GET /v2/api/stock-prices?apikey=k&symbols=AAPL HTTP/1.1")


async def test_a_packed_answer_is_unpacked(rogue, provider):
    packed = gzip.compress(json.dumps(PRICES).encode())
    rogue.always(answer(packed, headers=["content-encoding: gzip"]))
    assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


@pytest.mark.proves("C18")
async def test_nobody_listens(refused_port):
    async with aclosing(HttpProvider(f"http://127.0.0.1:{refused_port}")) as provider:
        error = await refused(provider)
    assert (type(error), error.kind) == (ProviderDown, "connect_failed")
    assert str(error) == "no connection: Connection refused"


async def test_a_name_that_does_not_resolve():
    async with aclosing(HttpProvider("http://no-such-host.invalid")) as provider:
        error = await refused(provider)
    assert isinstance(error, ProviderDown | ProviderTimeout)


@pytest.mark.proves("C18")
async def test_a_reset_before_the_answer(rogue, provider):
    async def script(stream, head):
        reset(stream)

    rogue.script = script
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderDown, "connection_reset")
    assert str(error) == "the connection broke: Connection reset by peer"


@pytest.mark.proves("C18")
async def test_a_reset_in_the_middle_of_the_body(rogue, provider):
    async def script(stream, head):
        await stream.send_all(answer(b'[{"symbol":', length=500))
        reset(stream)

    rogue.script = script
    error = await refused(provider)
    assert error.kind in {"connection_reset", "body_truncated"}


async def test_a_connection_closed_without_an_answer(rogue, provider):
    async def script(stream, head):
        await stream.aclose()

    rogue.script = script
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderDown, "protocol_error")


async def test_an_answer_that_is_not_http(rogue, provider):
    rogue.always(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderDown, "protocol_error")
    assert str(error) == "the answer is not HTTP"
    assert "SSH-2.0-OpenSSH_9.2" in error.said


@pytest.mark.proves("C18")
@pytest.mark.parametrize("chunked", [False, True])
async def test_half_a_body(rogue, provider, chunked):
    body = json.dumps(PRICES).encode()

    async def script(stream, head):
        if chunked:
            await stream.send_all(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n"
                % (len(body), body)
            )
        else:
            await stream.send_all(answer(body[:40], length=len(body)))
        await stream.aclose()

    rogue.script = script
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderBody, "body_truncated")


async def test_a_packed_answer_may_have_several_members(rogue, provider):
    """However they fall on the pieces that arrive; what follows them and is none is left out."""
    body = json.dumps(PRICES).encode()
    for tail in (b"", gzip.compress(b""), bytes(50), b"garbage"):
        packed = gzip.compress(body[:30]) + gzip.compress(body[30:]) + tail

        async def script(stream, head, packed=packed):
            await stream.send_all(
                answer(b"", headers=["content-encoding: gzip"], length=len(packed))
            )
            for at in range(0, len(packed), 7):
                await stream.send_all(packed[at : at + 7])

        rogue.script = script
        assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


@pytest.mark.proves("C18")
@pytest.mark.parametrize(
    ("packed", "kind"),
    [
        (gzip.compress(b"[") + gzip.compress(b"]")[:-4], "body_truncated"),
        (gzip.compress(b"") * 1001, "body_encoding"),
        (gzip.compress(b"[]") + bytes(6_000_000), "body_too_large"),
    ],
    ids=["half a member", "too many members", "too much behind them"],
)
async def test_members_are_limited_as_all_is(rogue, provider, packed, kind):
    async def script(stream, head):
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n" + packed
        )
        await stream.aclose()

    rogue.script = script
    assert (await refused(provider)).kind == kind


@pytest.mark.proves("C18")
async def test_half_a_packed_body(rogue, provider):
    packed = gzip.compress(json.dumps(PRICES).encode())
    rogue.always(answer(packed[:-10], headers=["content-encoding: gzip"]))
    assert (await refused(provider)).kind == "body_truncated"


@pytest.mark.proves("C18")
@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"<!doctype html><title>Sign in", "text/html", "body_html"),
        (b"\x93\x00\xffgarbage", "application/json", "body_not_json"),
        (b"", "application/json", "body_empty"),
        (b'"maintenance"', "application/json", "body_wrong_shape"),
    ],
)
async def test_a_body_of_no_use(rogue, provider, body, content_type, kind):
    rogue.always(answer(body, headers=[f"content-type: {content_type}"]))
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderBody, kind)


@pytest.mark.proves("C18")
async def test_bad_items_are_counted_and_the_good_ones_go_on(rogue, provider):
    rogue.always(
        answer(
            b'[{"symbol":"AAPL","price":150.25,"timestamp":"2026-11-22T10:00:00Z"},'
            b'{"symbol":"A","price":NaN,"timestamp":1},{"symbol":"B","price":-1,"timestamp":1},'
            b'{"symbol":"C","price":0,"timestamp":1},{"symbol":"D","price":[],"timestamp":1}]'
        )
    )
    parsed = await provider.fetch(None)
    assert symbols_of(parsed) == ["AAPL"]
    assert parsed.rejects.counts == {
        RejectKind.NOT_FINITE: 1,
        RejectKind.NOT_POSITIVE: 2,
        RejectKind.WRONG_TYPE: 1,
    }


@pytest.mark.proves("C18")
async def test_ten_megabytes_are_refused_before_they_are_read(rogue, provider):
    rogue.always(answer(b"[" + b" " * 10 * MIB + b"]"))
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderBody, "body_too_large")
    await rogue.until_all_closed()


@pytest.mark.proves("C18")
async def test_an_endless_body_without_a_length_is_cut_off(rogue, provider):
    async def script(stream, head):
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    rogue.script = script
    assert (await refused(provider)).kind == "body_too_large"
    await rogue.until_all_closed()


@pytest.mark.proves("C18")
async def test_a_packed_bomb_never_unfolds(rogue, provider):
    """200 MiB in 200 KiB: what is held stays near the limit of 5 MB."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * MIB) for _ in range(200)) + packer.flush()
    rogue.always(answer(bomb, headers=["content-encoding: gzip"]))
    tracemalloc.start()
    try:
        error = await refused(provider)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert error.kind == "body_too_large"
    assert peak < 30 * MIB


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_a_packing_that_was_not_asked_for(rogue, provider, encoding):
    rogue.always(answer(b"[]", headers=[f"content-encoding: {encoding}"]))
    assert (await refused(provider)).kind == "body_encoding"


async def test_a_body_that_only_claims_to_be_packed(rogue, provider):
    rogue.always(answer(b"[]", headers=["content-encoding: gzip"]))
    assert (await refused(provider)).kind == "body_encoding"


async def test_a_body_of_exactly_the_limit_is_taken(rogue):
    body = json.dumps(PRICES).encode()
    for headers, sent in (([], body), (["content-encoding: gzip"], gzip.compress(body))):
        rogue.always(answer(sent, headers=headers))
        async with impatient(rogue, max_body=max(len(body), len(sent))) as provider:
            assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]
        async with impatient(rogue, max_body=len(body) - 1) as provider:
            assert (await refused(provider)).kind == "body_too_large"


@pytest.mark.proves("C18")
async def test_a_server_that_never_answers(rogue):
    async def script(stream, head):
        await trio.sleep_forever()

    rogue.script = script
    async with impatient(rogue, read_timeout=0.1) as provider:
        error = await refused(provider)
    assert (type(error), error.kind) == (ProviderTimeout, "timeout_read")


@pytest.mark.proves("C18")
async def test_a_body_that_drips_ends_at_the_total_limit(rogue):
    """Each byte comes well within the read timeout, the whole never would."""

    async def script(stream, head):
        await stream.send_all(answer(b"[", length=100_000))
        while True:
            await trio.sleep(0.02)
            await stream.send_all(b" ")

    rogue.script = script
    async with impatient(rogue, read_timeout=5, total_timeout=0.3) as provider:
        error = await refused(provider)
        assert (type(error), error.kind) == (ProviderTimeout, "timeout_total")
        await rogue.until_all_closed()


async def test_all_connections_of_the_pool_may_be_busy(rogue):
    """A second fetch waits for the first's connection, and no longer than the total limit."""
    asked = trio.Event()

    async def script(stream, head):
        asked.set()
        await trio.sleep_forever()

    rogue.script = script
    async with (
        impatient(rogue, pool_size=1, total_timeout=1, read_timeout=5) as provider,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(refused, provider)
        await asked.wait()
        nursery.start_soon(refused, provider)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert rogue.connections == 1  # later it may be 2: the first gives up before the second


@pytest.mark.proves("C18")
@pytest.mark.parametrize(
    "status", ["500 Internal Server Error", "502 Bad Gateway", "403 Forbidden"]
)
async def test_a_status_other_than_200(rogue, provider, status):
    rogue.always(answer(b"oops", status=status))
    error = await refused(provider)
    assert (type(error), error.kind) == (ProviderStatus, f"status_{status[:3]}")
    assert str(error) == f"status {status}"
    assert error.said == "oops"
    assert error.retry_after is None


@pytest.mark.proves("B6")
async def test_a_404_means_the_symbols_where_some_were_named(rogue, provider):
    rogue.always(answer(b"", status="404 Not Found"))
    error = await refused(provider, frozenset({"NOSUCH"}))
    assert isinstance(error, SymbolsNotFound)
    error = await refused(provider)
    assert type(error) is ProviderStatus, "the list itself is missing: that is trouble"
    rogue.always(answer(b"[]"))
    error = await refused(provider, frozenset({"NOSUCH"}))
    assert isinstance(error, SymbolsNotFound)
    assert (await provider.fetch(None)).observations == ()


async def test_a_redirect_is_not_followed_and_said_where_it_leads(rogue, provider):
    to = "location: https://prices.example/v2?apikey=hunter2"
    rogue.always(answer(b"<title>Moved", status="302 Found", headers=[to]))
    error = await refused(provider)
    assert error.kind == "status_302"
    assert str(error) == "status 302 Found; redirects are not followed"
    assert error.said == "location: https://prices.example/v2?apikey=********"
    assert len(rogue.requests) == 1


async def test_a_304_is_no_redirect(rogue, provider):
    rogue.always(b"HTTP/1.1 304 Not Modified\r\n\r\n")
    error = await refused(provider)
    assert str(error) == "status 304 Not Modified; it was not asked whether anything had changed"


MESSAGES = {
    "Alpha Vantage, limit": (b'{"Note": "5 calls per minute"}', "5 calls per minute"),
    "Alpha Vantage, plan": (b'{"Information": "premium"}', "premium"),
    "FMP": (b'{"Error Message": "Invalid API KEY."}', "Invalid API KEY."),
    "Twelve Data": (b'{"code":401,"message":"wrong key","status":"error"}', "wrong key"),
    "Finnhub": (b'{"error":"Invalid API key"}', "Invalid API key"),
    "Polygon": (b'{"status":"ERROR","request_id":"1","error":"Unknown"}', "Unknown"),
    "Tiingo": (b'{"detail":"Invalid token."}', "Invalid token."),
    "Marketstack": (b'{"error":{"code":"usage","message":"Too many"}}', "Too many"),
    "Kraken": (b'{"error":["EQuery:Unknown asset pair"]}', "EQuery:Unknown asset pair"),
    "Coinbase": (b'{"errors":[{"id":"bad","message":"No such"}]}', "No such"),
    "OAuth": (b'{"error":"invalid_token","error_description":"Expired"}', "Expired"),
    "Yahoo": (b'{"finance":{"result":null,"error":{"description":"Bad crumb"}}}', "Bad crumb"),
    "RFC 9457": (b'{"type":"about:blank","title":"Gone","detail":"Use v3"}', "Use v3"),
    "a JSON text": (b'"maintenance"', "maintenance"),
    "IEX": (b"The API key provided is not valid.\n", "The API key provided is not valid."),
    "nginx": (b"<html><head><title>502 Bad&amp; Gateway</title></head>", "502 Bad& Gateway"),
    "S3": (b"<?xml?><Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
    "escapes": (b"\x1b[31mred\x1b[0m\r\nforged line", "\\x1b[31mred\\x1b[0m forged line"),
    "nothing": (b"{}", "own phrase"),
    "tags without end": (b"<title <script>" * 4_000, "own phrase"),
    "a list of texts": (b'["No such symbol"]', "No such symbol"),
    "numbers": (b"[1,2]", "own phrase"),
    "empty": (b"", "own phrase"),
    "a page of data": (b'{"message":"' + b"x" * 100_000 + b'"}', "own phrase"),
}


@pytest.mark.parametrize("vendor", MESSAGES)
async def test_the_servers_own_message_is_told_for_people(rogue, provider, vendor):
    """One line of it, short, nothing in it that a terminal would obey; else its status line."""
    body, said = MESSAGES[vendor]
    rogue.always(answer(body, status="403 own phrase"))
    error = await refused(provider)
    assert (str(error), error.said) == ("status 403 Forbidden", said)


async def test_a_message_with_status_200_is_told_too(rogue, provider):
    rogue.always(answer(b'{"Note": "5 calls per minute"}'))
    parsed = await provider.fetch(None)
    assert (parsed.observations, parsed.said) == ((), "5 calls per minute")
    rogue.always(answer(b"<html><title>Sign in</title>", headers=["content-type: text/html"]))
    assert (await refused(provider)).said == "Sign in"
    rogue.always(answer(b'{"data":[{"ticker":"A","name":"B","description":"Makes C"}]}'))
    assert (await provider.fetch(None)).said is None, "a description of a company is no message"
    rogue.always(answer())
    assert (await provider.fetch(None)).said is None


async def test_a_key_that_the_server_tells_back_is_masked(rogue):
    """Some say which key they detected; also where it was written with escapes."""
    url = rogue.url.replace("://", "://me:pass%20word@") + "/?apikey=hunter2%2Bx&plan=a"
    async with aclosing(HttpProvider(url)) as provider:
        rogue.always(
            answer(b"key hunter2+x or hunter2%2Bx of me (pass word), plan a", status="401 No")
        )
        error = await refused(provider)
    assert error.said == "key ******** or ******** of me (********), plan a"
    async with aclosing(HttpProvider(url)) as provider:
        rogue.always(answer(b'[{"hunter2+x":1}, {"symbol":"A","price":"hunter2+x"}]'))
        assert "hunter2" not in str((await provider.fetch(None)).rejects)


@pytest.mark.parametrize("length", [10_000, 1_000_000])
async def test_a_message_that_never_comes_changes_nothing_of_the_status(rogue, length):
    async def script(stream, head):
        await stream.send_all(answer(b'{"message":', status="503 No", length=length))
        await stream.receive_some()

    rogue.script = script
    for limit in ("read_timeout", "total_timeout"):
        async with impatient(rogue, **{limit: 0.3}) as provider:
            error = await refused(provider)
            assert (error.kind, error.said) == ("status_503", "No")
            await rogue.until_all_closed()


@pytest.mark.proves("B12")
@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_retry_after_is_told(rogue, provider, status):
    rogue.always(answer(b"", status=status, headers=["retry-after: 17"]))
    assert (await refused(provider)).retry_after == 17
    date = formatdate(now_ms() / 1000 + 30, usegmt=True)
    rogue.always(answer(b"", status=status, headers=[f"retry-after: {date}"]))
    assert (await refused(provider)).retry_after == pytest.approx(30, abs=3)
    hours_ago = [formatdate(now_ms() / 1000 - 7200 + more, usegmt=True) for more in (0, 20)]
    headers = [f"date: {hours_ago[0]}", f"retry-after: {hours_ago[1]}"]
    rogue.always(answer(b"", status=status, headers=headers))
    assert (await refused(provider)).retry_after == 20, "by the upstream's own clock"


@pytest.mark.proves("B12")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("0", None),
        (" 120 ", 120.0),
        ("9" * 30, 1e30),
        ("Sun, 22 Nov 2026 10:01:00 GMT", 60.0),
        ("Sunday, 22-Nov-26 10:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", None),
        ("Sun, 99 Nov 2026 09:00:00 GMT", None),
        ("Sun, 22 Nov 99999 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    told = parse_retry_after(value, now=1_795_341_600_000)
    assert told == (None if seconds is None else pytest.approx(seconds))


async def test_after_trouble_the_next_fetch_succeeds(rogue, provider):
    for bad in (answer(b"[" * 10), answer(b"", status="500 Oops"), answer(b"x", length=-1)):
        rogue.always(bad)
        await refused(provider)
    rogue.script = rogue.well
    assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


async def test_a_server_that_comes_back_is_found_again(rogue, provider):
    await provider.fetch(None)
    rogue.stop()
    await rogue.until_all_closed()
    assert (await refused(provider)).kind == "connect_failed"
    await rogue.start()
    assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_kept_connection_that_ends_when_it_is_used_is_no_failed_fetch(rogue, provider, end):
    """The server gave it up just when we asked: it is asked again, over another, once."""
    for _ in range(3):
        await provider.fetch(None)

    async def script(stream, head):
        rogue.script = rogue.well
        reset(stream) if end == "reset" else await stream.aclose()

    rogue.script = script
    assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]
    assert (rogue.connections, len(rogue.requests)) == (2, 5)


async def test_a_server_that_ends_each_connection_is_asked_twice_at_most(rogue, provider):
    await provider.fetch(None)

    async def script(stream, head):
        await stream.aclose()

    rogue.script = script
    error = await refused(provider)
    assert str(error) == "the server closed the connection without an answer"
    assert len(rogue.requests) == 3
    await refused(provider)
    assert len(rogue.requests) == 4, "a new connection proves nothing about the one before"


async def test_a_cancelled_fetch_leaves_no_connection(rogue, provider):
    asked = trio.Event()

    async def script(stream, head):
        await stream.send_all(answer(b"[", length=1000))
        asked.set()
        await stream.receive_some()

    rogue.script = script
    for _ in range(20):
        asked = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(provider.fetch, None)
            await asked.wait()
            nursery.cancel_scope.cancel()
    await rogue.until_all_closed()
    rogue.script = rogue.well
    assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


async def test_closing_works_in_a_cancelled_scope(rogue):
    provider = HttpProvider(rogue.url)
    await provider.fetch(None)
    assert rogue.open_now == 1
    with trio.CancelScope() as scope:
        scope.cancel()
        await provider.aclose()
    await rogue.until_all_closed()


async def test_a_certificate_is_not_verified_where_that_is_switched_off(rogue, tmp_path):
    rogue.tls = server_context(tmp_path)
    async with impatient(rogue, verify_tls=False) as provider:
        assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    rogue, refused_port, monkeypatch
):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{refused_port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{refused_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for host in ("127.0.0.1", "localhost"):
        async with aclosing(HttpProvider(f"http://{host}:{rogue.port}")) as provider:
            assert symbols_of(await provider.fetch(None)) == ["AAPL", "MSFT"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pool_size", 0),
        ("connect_timeout", 0),
        ("read_timeout", -1),
        ("total_timeout", float("inf")),
        ("max_body", 0),
    ],
)
def test_a_bad_setting_is_refused_by_its_name(field, value):
    with pytest.raises(ValueError, match=f"^{field} must"):
        HttpSettings(**{field: value})
