"""Compresses what everybody may read: pages, and large answers of the API.

Nothing with a secret in it: beside text that a stranger can put into the same answer, its length
would tell the secret letter by letter (BREACH). So each blueprint says for itself that its answers
are public; the admin pages hold a token, and a user's lists and alerts are nobody else's.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

import trio
from quart import Response, request

from web.server import GZIP, best_encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart import Blueprint
    from quart.typing import ResponseTypes

LEAST = 2_048
"""Bytes. A smaller answer is one or two packets either way."""
PAGES_KEPT = 128
SHARE = 0.1
"""The part of a core that compressing answers of the API may take, however many requests come."""
SAVED_SECONDS = 0.1
"""How much of it may be saved up: a page that is opened asks for several at once."""
_PAGE_LEVEL, _DATA_LEVEL = 9, 4
_PAGE = "text/html"


class Compression:
    """See the module. Pages are the same each time and kept; a page of a symbol is small.

    Large data is new each time. It is compressed in a thread, one answer at a time, for a share of
    the time; whoever comes beyond that gets it as it is, which is as right, and longer.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._left, self._counted_at = SAVED_SECONDS, clock()
        self._limiter = trio.CapacityLimiter(1)

    def public(self, blueprint: Blueprint) -> Blueprint:
        """The same blueprint, whose answers have no secret in them."""
        blueprint.after_request(self._compress)
        return blueprint

    async def _compress(self, response: ResponseTypes) -> ResponseTypes:
        if not isinstance(response, Response) or "Content-Encoding" in response.headers:
            return response
        if response.status_code == HTTPStatus.NOT_MODIFIED:
            _say_as_if_sent(response)
            return response
        length = response.content_length  # None: it is streamed
        if length is None or length < LEAST:
            return response
        response.vary.add("Accept-Encoding")
        if best_encoding(request.headers, GZIP):
            body = await response.get_data(as_text=False)
            packed = _page(body) if response.mimetype == _PAGE else await self._data(body)
            if packed is not None:
                response.set_data(packed)
                response.content_encoding = GZIP
                _weaken_tag(response)
        return response

    async def _data(self, body: bytes) -> bytes | None:
        """None when there is no time for it."""
        began = self._clock()
        earned = (began - self._counted_at) * SHARE
        self._left, self._counted_at = min(SAVED_SECONDS, self._left + earned), began
        if self._left <= 0 or self._limiter.borrowed_tokens:
            return None
        packed = await trio.to_thread.run_sync(_gzip, body, _DATA_LEVEL, limiter=self._limiter)
        self._left -= self._clock() - began
        return packed


def _say_as_if_sent(response: Response) -> None:
    """Give a 304 the headers by which a cache finds the answer that it has (RFC 9110, 15.4.5)."""
    response.vary.add("Accept-Encoding")
    tag, _ = response.get_etag()
    if tag is not None and request.if_none_match.is_weak(tag):
        _weaken_tag(response)  # the cache has the compressed answer, which has no strong one


def _weaken_tag(response: Response) -> None:
    """Say that it is the same value in other bytes (RFC 9110, 8.8.1)."""
    tag, _ = response.get_etag()
    if tag is not None:
        response.set_etag(tag, weak=True)


@lru_cache(maxsize=PAGES_KEPT)
def _page(body: bytes) -> bytes:
    return _gzip(body, _PAGE_LEVEL)


def _gzip(body: bytes, level: int) -> bytes:
    return gzip.compress(body, level, mtime=0)
