"""Heads that come again: what is kept of them, and that it changes nothing."""

from __future__ import annotations

import random

import h11
import pytest

from web.server.known_heads import MAX_ANSWERS, MAX_KNOWN_HEADERS, _kept, answer_head, is_plain
from web.server.parser import RequestParser

PLAIN = b"GET /api/stock-prices HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n"
HEADERS = [(b"content-length", b"2"), (b"date", b"Mon, 30 Nov 2026 09:00:00 GMT")]


def asked(head: bytes, parser: RequestParser | None = None) -> RequestParser:
    """A parser that has read `head` up to the end of its request."""
    parser = parser or RequestParser(16 * 1024)
    parser.receive_data(head)
    if parser.known_request() is None:
        while isinstance(parser.next_event(), h11.Event):
            continue
    return parser


def answered(parser: RequestParser) -> RequestParser:
    """The parser, after an answer that h11 wrote if it had to."""
    if not parser.skip_answer():
        parser.send(h11.Response(status_code=200, headers=HEADERS))
        parser.send(h11.Data(data=b"ok"))
        parser.send(h11.EndOfMessage())
    parser.start_next_cycle()
    return parser


def is_known(head: bytes, later: bytes | None = None) -> bool:
    """Whether h11 need not read `head` again, or what comes later."""
    return asked(head if later is None else later, answered(asked(head))).skip_answer()


def with_line(line: bytes) -> bytes:
    return PLAIN[:-2] + line + b"\r\n\r\n"


def test_a_plain_head_is_read_once_and_its_answer_written_once() -> None:
    parser = answered(asked(PLAIN))
    for _ in range(3):
        parser.receive_data(PLAIN)
        request = parser.known_request()
        assert request is not None
        assert request.target == b"/api/stock-prices"
        assert list(request.headers) == [(b"host", b"localhost"), (b"accept", b"application/json")]
        assert parser.known_request() is None
        assert parser.next_event() is h11.NEED_DATA
        assert parser.skip_answer()
        assert not parser.skip_answer()
        parser.start_next_cycle()
        assert parser.idle


@pytest.mark.parametrize(
    "line",
    [
        b"Accept-Encoding: gzip, deflate",
        b"Connection: keep-alive",
        b"Connection: Keep-Alive",
        b"User-Agent: python-httpx/0.28",
    ],
)
def test_what_programs_send_is_plain(line: bytes) -> None:
    assert is_known(with_line(line))


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer secret",
        b"Proxy-Authorization: Basic c2VjcmV0",
        b"Cookie: session=secret",
        b"X-Api-Key: secret",
        b"X-Chaos-Token: secret",
        b"X-Never-Heard-Of: secret",
        b"Referer: http://localhost/?token=secret",
        b"X-Forwarded-For: 192.0.2.1",
    ],
)
def test_what_may_be_a_secret_or_say_who_asks_is_not_kept(line: bytes) -> None:
    parser = answered(asked(with_line(line)))
    assert not is_known(with_line(line))
    assert not parser.plain
    assert parser._known == b""


@pytest.mark.parametrize("target", [b"/?token=secret", b"/?", b"*", b"http://localhost/"])
def test_of_targets_only_paths_are_kept(target: bytes) -> None:
    head = PLAIN.replace(b"/api/stock-prices", target)
    parser = asked(head)
    assert not parser.plain
    assert parser._known == b""


@pytest.mark.parametrize(
    "line",
    [
        b"Upgrade: h2c",
        b"Upgrade: websocket",
        b"Connection: upgrade\r\nUpgrade: websocket",
        b"Connection: close",
        b"Connection: keep-alive, upgrade",
        b"Expect: 100-continue",
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Trailer: x",
    ],
)
def test_whether_a_head_is_plain_is_decided_on_all_that_came(line: bytes) -> None:
    """An upgrade is taken out before the app sees it; a body would be taken for a request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(with_line(line))
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert not is_plain(request)
    assert not asked(with_line(line)).plain


@pytest.mark.parametrize("first", [b"HEAD / HTTP/1.1", b"POST / HTTP/1.1", b"GET / HTTP/1.0"])
def test_of_requests_only_get_by_http_1_1_is_kept(first: bytes) -> None:
    assert not asked(first + b"\r\nHost: localhost\r\n\r\n").plain


def test_a_large_head_is_not_kept() -> None:
    head = with_line(b"User-Agent: " + b"x" * 2048)
    parser = asked(head)
    assert parser._known == b""
    assert not is_known(head)


def test_a_head_of_many_small_headers_is_not_kept() -> None:
    """Read, the largest head that is kept would be as large as three idle connections."""
    more = MAX_KNOWN_HEADERS - 2
    assert is_known(with_line(b"\r\n".join([b"Accept: 1"] * more)))
    many = asked(with_line(b"\r\n".join([b"Accept: 1"] * (more + 1))))
    assert not many.plain
    assert many._known == b""


def test_a_head_is_known_only_when_it_comes_whole_and_alone() -> None:
    """Anything more or less is h11's to read."""
    two = answered(asked(PLAIN))
    two.receive_data(PLAIN + PLAIN)
    assert two.known_request() is None
    assert isinstance(two.next_event(), h11.Request)
    assert two.next_event() == h11.EndOfMessage()
    assert two.next_event() is h11.PAUSED
    assert not two.skip_answer()
    assert not is_known(PLAIN, PLAIN + b"\r\n")
    assert not is_known(PLAIN, b"\r\n" + PLAIN)
    assert not is_known(PLAIN, PLAIN.replace(b"localhost", b"localhosT"))
    part = answered(asked(PLAIN))
    part.receive_data(PLAIN[:-1])
    assert part.known_request() is None
    assert part.next_event() is h11.NEED_DATA
    assert part.begun


def test_empty_lines_before_a_known_head_count_for_its_limit() -> None:
    parser = RequestParser(len(PLAIN) + 3)
    answered(asked(PLAIN, parser))
    parser.receive_data(b"\r\n\r\n")
    assert parser.next_event() is h11.NEED_DATA
    parser.receive_data(PLAIN)
    assert parser.known_request() is None
    with pytest.raises(h11.RemoteProtocolError, match="limited to"):
        parser.next_event()


def test_a_request_behind_a_known_one_waits_for_its_answer() -> None:
    parser = asked(PLAIN, answered(asked(PLAIN)))
    parser.receive_data(PLAIN)
    assert parser.known_request() is None
    assert parser.next_event() is h11.PAUSED
    assert parser.skip_answer()
    parser.start_next_cycle()
    assert parser.known_request() is not None


ANSWERS = [
    [(b"content-length", b"2")],
    [],
    [(b"content-length", b"2"), (b"connection", b"close")],
    [(b"content-length", b"2"), (b"set-cookie", b"a=b")],
]


def of_h11(head: bytes, answer: list[tuple[bytes, bytes]]) -> tuple[object, ...]:
    """What h11 alone makes of a head, and of an answer to it."""
    return exchange(h11.Connection(h11.SERVER), head, answer)


def exchange(
    parser: h11.Connection | RequestParser, head: bytes, answer: list[tuple[bytes, bytes]]
) -> tuple[object, ...]:
    """All that can be seen of one request and its answer."""
    parser.receive_data(head)
    seen: list[object] = []
    request = parser.known_request() if isinstance(parser, RequestParser) else None
    bodies = 0
    try:
        event = request or parser.next_event()
        while isinstance(event, h11.Event):
            if isinstance(event, h11.Request):
                seen += [event.method, event.target, event.http_version, event.headers.raw_items()]
            bodies += isinstance(event, h11.Data)
            event = parser.next_event()
        seen += [event, bodies, parser.their_state, parser.our_state]
    except h11.RemoteProtocolError as error:
        return (*seen, str(error))
    written = b""
    parts = [
        h11.Response(status_code=200, headers=answer),
        h11.Data(data=b"ok"),
        h11.EndOfMessage(),
    ]
    if head.startswith(b"HEAD"):
        del parts[1]
    for part in parts:
        written += parser.send(part) or b""
        seen += [parser.their_state, parser.our_state]
    return (*seen, written)


def test_what_is_made_of_a_head_that_comes_again_is_what_h11_makes_of_it() -> None:
    """Of random heads, most of them plain, in any order on one connection."""
    dice = random.Random()
    seed = dice.getrandbits(32)
    dice.seed(seed)
    firsts = [b"GET / HTTP/1.1", b"GET /a HTTP/1.1", b"GET /?a HTTP/1.1", b"HEAD / HTTP/1.1"]
    lines = [
        b"Accept: */*", b"accept:  text/html ", b"User-Agent: x", b"Connection: keep-alive",
        b"Cookie: a=b", b"Upgrade: h2c", b"X-Any: 1", b"Host: other", b"Accept : */*",
        b"Content-Length: 0", b"Connection: close", b"no header", b"Accept: a\r\n b",
    ]  # fmt: skip
    known = 0
    for _ in range(60):
        heads = []
        for _ in range(2):
            chosen = [dice.choice(lines) for _ in range(dice.randrange(4)) if dice.random() < 0.6]
            end = dice.choice([b"\r\n", b"\r\n", b"\n"])
            heads.append(end.join([dice.choice(firsts), b"Host: localhost", *chosen, b"", b""]))
        parser = RequestParser(16 * 1024)
        for _ in range(6):
            head, answer = dice.choice(heads), dice.choice(ANSWERS)
            expected = of_h11(head, answer)
            assert exchange(parser, head, answer) == expected, (seed, heads)
            known += parser.plain
            if (parser.our_state, parser.their_state) != (h11.DONE, h11.DONE):
                break
            parser.start_next_cycle()
    assert known > 20, seed


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_kept_head_of_an_answer_is_what_h11_writes(answer: list[tuple[bytes, bytes]]) -> None:
    """And is kept only where h11 writes the same for each plain request."""
    _kept.clear()
    head = answer_head(200, tuple(answer))
    first = asked(PLAIN)
    written = first.send(head.response)
    assert written is not None
    head.keep(written)
    again = answer_head(200, tuple(answer))
    if answer == ANSWERS[0]:
        assert again is head
        assert again.before(b"ok") == written
        assert again.before(b"long") == again.before(b"") == b""
    else:
        assert again.before(b"ok") == b""


@pytest.mark.parametrize("name", [b"set-cookie", b"Set-Cookie", b"SET-COOKIE"])
def test_no_head_that_sets_a_cookie_is_kept(name: bytes) -> None:
    _kept.clear()
    head = answer_head(200, ((b"content-length", b"2"), (name, b"session=secret")))
    assert (b"set-cookie", b"session=secret") in list(head.response.headers)
    assert not _kept


@pytest.mark.parametrize("status", [204, 304])
def test_the_head_of_an_answer_without_content_is_written_by_h11(status: int) -> None:
    head = answer_head(status, ((b"content-length", b"0"),) if status == 304 else ())
    head.keep(b"HTTP/1.1 304 \r\n\r\n")
    assert head.before(b"") == b""


def test_so_many_heads_of_answers_are_kept_and_the_oldest_goes_first() -> None:
    _kept.clear()
    heads = [((b"content-length", b"%d" % size),) for size in range(MAX_ANSWERS + 2)]
    for head in heads:
        answer_head(200, head)
    assert [headers for _, headers in _kept] == heads[2:]
    for head in heads[2:]:
        assert answer_head(200, head) is _kept[200, head]
