"""Static files, pages and large answers over a real socket: their encodings, tags and lengths."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import brotli
import httpx
import pytest

from tests.integration.admin.operators import log_in, token_of
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from web.front_end import ENTRIES, front_end
from web.server.static import KEPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio

    from tests.support.tree import Tree

MODULE = "/static/js/store.js"
PACKED = {"Accept-Encoding": "gzip, deflate, br"}
GZIPPED = {"Accept-Encoding": "gzip, deflate"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture
async def tree(nursery: trio.Nursery) -> AsyncIterator[Tree]:
    """A running server with so many prices that their list is a large answer."""
    api = PriceApi(nursery)
    api.put(**{f"SYM{number}": 100.0 + number for number in range(100)})
    await api.start()
    async with fed_by(api) as running:
        async with connected(running.websocket_url, nursery) as client:
            await client.wait_for(lambda: any(m.get("feed") == "live" for m in client.messages))
        yield running
    api.stop()


@pytest.fixture
async def http(tree: Tree) -> AsyncIterator[httpx.AsyncClient]:
    """A client of it."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=10) as client:
        yield client


async def raw(
    http: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> tuple[httpx.Response, bytes]:
    """An answer, and its body as it came."""
    async with http.stream("GET", path, headers=headers) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_static_files_are_kept_only_under_their_version(http: httpx.AsyncClient) -> None:
    """With the version the page names: for good. Else they are checked each time, also by the
    version of another server, whose page has come through the same proxy.
    """
    page = (await http.get("/")).text
    version = page.partition("/app.css")[0].rpartition("/")[2]
    kept = await http.get(f"/static/{version}/app.css")
    assert kept.headers["cache-control"] == f"public, max-age={KEPT_SECONDS}, immutable"
    for path in (MODULE, "/static/0123456789ab/app.css"):
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    for path in (f"/static/{version}/nothing.js", f"/static/{version}/", f"/static/{version}"):
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


async def test_each_encoding_has_its_tag_and_its_length(http: httpx.AsyncClient) -> None:
    """By GET and by HEAD; and all say that there is more than one."""
    plain, whole = await raw(http, MODULE, PLAIN)
    packed, parts = await raw(http, MODULE, GZIPPED)
    small, least = await raw(http, MODULE, PACKED)
    assert gzip.decompress(parts) == brotli.decompress(least) == whole
    assert len(least) < len(parts) < len(whole) / 2
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert small.headers["content-encoding"] == "br"
    assert len({answer.headers["etag"] for answer in (plain, packed, small)}) == 3
    answers = (PLAIN, plain, whole), (GZIPPED, packed, parts), (PACKED, small, least)
    for headers, answer, body in answers:
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-length"] == str(len(body))
        head = await http.head(MODULE, headers=headers)
        assert head.content == b""
        for name in ("content-length", "content-encoding", "etag", "vary", "content-type"):
            assert head.headers.get(name) == answer.headers.get(name)


async def test_a_tag_is_of_one_encoding(http: httpx.AsyncClient) -> None:
    """With the tag of what it would be sent, it is 304; with that of the other, it is sent. A proxy
    that has compressed by itself has made the tag a weak one.
    """
    tags = {
        encoding: (await http.get(MODULE, headers={"Accept-Encoding": encoding})).headers["etag"]
        for encoding in ("identity", "gzip", "br")
    }
    for encoding, tag in tags.items():
        for given in (tag, f"W/{tag}", f'"other", {tag}'):
            headers = {"Accept-Encoding": encoding, "If-None-Match": given}
            same, body = await raw(http, MODULE, headers)
            assert (same.status_code, body) == (304, b"")
            assert same.headers["etag"] == tag
            assert same.headers["vary"] == "Accept-Encoding"
            assert same.headers["cache-control"] == "no-cache"
        other = "gzip" if encoding == "identity" else "identity"
        sent = await http.get(MODULE, headers={"Accept-Encoding": other, "If-None-Match": tag})
        assert sent.status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "gzip", "br"])
@pytest.mark.parametrize("given", ["bytes=-5", "bytes=9-99999999", "bytes=0-" + "9" * 40, "x"])
async def test_a_range_of_a_static_file_is_the_file(
    http: httpx.AsyncClient, given: str, encoding: str
) -> None:
    """Whatever is asked for: what is announced is what comes."""
    _, whole = await raw(http, MODULE, {"Accept-Encoding": encoding})
    answer, body = await raw(http, MODULE, {"Accept-Encoding": encoding, "Range": given})
    assert (answer.status_code, body) == (200, whole)
    assert answer.headers["content-length"] == str(len(whole))


async def test_scripts_have_the_type_that_browsers_ask_for(http: httpx.AsyncClient) -> None:
    """Whatever the machine's own table of types says. Their sources are where their maps say."""
    for entry in ENTRIES:
        script = f"/static/{entry.replace('.js', '.bundle.js')}"
        answer = await http.get(script)
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        where = httpx.URL(f"http://any{script}")
        for source in (await http.get(f"{script}.map")).json()["sources"]:
            assert where.join(source).path.removeprefix("/static/") in front_end().files
    library = next(name for name in front_end().files if name.endswith(".mjs"))
    told = (await http.get(f"/static/{library}")).headers["content-type"]
    assert told == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/s/SYM1", "/docs", "/openapi.json", "/api/v1/quotes"])
async def test_what_everybody_may_read_is_compressed(http: httpx.AsyncClient, path: str) -> None:
    """For who asks for that, and to the same text; a tag of it is a weak one."""
    packed, parts = await raw(http, path, PACKED)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-length"] == str(len(parts))
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers.get("etag", 'W/"').startswith('W/"')
    plain, whole = await raw(http, path, PLAIN)
    assert plain.headers["vary"] == "Accept-Encoding"
    if path != "/api/v1/quotes":  # which may have changed meanwhile
        assert gzip.decompress(parts) == whole


async def test_a_304_names_the_answer_that_a_cache_has(http: httpx.AsyncClient) -> None:
    """By the tag and the `Vary` of that answer: a strong tag would not be a compressed one's."""
    path = "/api/v1/quotes"
    for headers, weak in ((PACKED, True), (PLAIN, False)):
        sent = await http.get(path, headers=headers)
        tag = sent.headers["etag"]
        assert tag.startswith("W/") == weak
        same = await http.get(path, headers={**headers, "If-None-Match": tag})
        assert same.headers["vary"] == sent.headers["vary"] == "Accept-Encoding"
        # A fetch may have ended meanwhile; then it is no 304, and the tag is new.
        assert (same.status_code == 304) == (same.headers["etag"] == tag)


async def test_nothing_with_a_secret_is_compressed(tree: Tree, http: httpx.AsyncClient) -> None:
    """Its length would tell the secret to who may add to the same text. Small ones are not, too."""
    await log_in(http, token_of(tree))
    for path in ("/admin", "/admin/login", "/api/v1/watchlists", "/api/v1/quotes/SYM1"):
        answer = await http.get(path, headers=PACKED, follow_redirects=True)
        assert "content-encoding" not in answer.headers, path
    assert len((await http.get("/admin", follow_redirects=True)).content) > 10_000
