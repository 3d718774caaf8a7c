"""Static files of a Quart app, packed once: a request opens no file.

gzip is made at the start. Brotli saves a tenth more, and takes ten times as long, which a server
that starts has no time for: a file is so packed when it is first asked for so, in a thread.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import brotli
import trio
from quart import Response, request
from werkzeug.exceptions import NotFound

from web.server.encodings import BROTLI, GZIP, best_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quart import Quart

KEPT_SECONDS = 31_536_000
"""What is asked for by the version of its content never changes."""
LEVEL = 9
BROTLI_QUALITY = 10
"""The highest one takes three times as long, and saves 2 % more."""
LEAST_GAIN = 0.1
"""The part of a file that must be saved, or it is sent as it is."""
_VERSION_LENGTH = 12
_VERSION = re.compile(rf"[0-9a-f]{{{_VERSION_LENGTH}}}")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    "": "text/plain; charset=utf-8",
}
"""Not the system's table: that differs between machines, and a wrong type is no script."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Bytes as they are sent, and a tag of just these bytes: each encoding has its own."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file; `gzipped` is None where packing it saves too little."""

    content_type: str
    plain: Packed
    gzipped: Packed | None


@dataclass(frozen=True, slots=True)
class StaticFiles:
    """Files by their path below the prefix; `version` is a short hash of all of them."""

    files: Mapping[str, StaticFile]
    version: str

    def find(self, path: str) -> tuple[StaticFile, bool]:
        """A file, and whether it was asked for by the version of its content: `version/path`.

        By a version that is not ours, as a page of another node may, the file is ours all the same.

        Raises:
            NotFound: there is none.
        """
        first, _, rest = path.partition("/")
        file = self.files.get(rest if _VERSION.fullmatch(first) else path)
        if file is None:
            raise NotFound
        return file, first == self.version


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files that are in it now, by their path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pack(contents: Mapping[str, bytes]) -> StaticFiles:
    """Compress and name files; takes about 0.1 s of CPU for a megabyte."""
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(name.encode())
        digest.update(content)
    files = {name: _file(name, content) for name, content in contents.items()}
    return StaticFiles(files, digest.hexdigest()[:_VERSION_LENGTH])


def serve_static(app: Quart, files: StaticFiles, prefix: str) -> None:
    """Serve these below `prefix`, with and without their version before the path.

    Make the app with `static_folder=None`. Quart's own route asks the file system for any name of a
    client: a name of 300 characters is an error of the system there, and a 500.
    """
    app.add_url_rule(f"{prefix}/<path:filename>", "static", partial(_send, files, _Brotli()))


class _Brotli:
    """Files packed by brotli, one at a time, each once."""

    def __init__(self) -> None:
        self._packed: dict[str, Packed] = {}
        self._turn = trio.Lock()
        self._limiter = trio.CapacityLimiter(1)

    async def pack(self, file: StaticFile) -> Packed:
        key = file.plain.etag
        if key not in self._packed:
            async with self._turn:
                if key not in self._packed:
                    body = await trio.to_thread.run_sync(
                        _brotli, file.plain.body, limiter=self._limiter
                    )
                    self._packed[key] = _packed(body)
        return self._packed[key]


async def _send(files: StaticFiles, brotlis: _Brotli, filename: str) -> Response:
    file, versioned = files.find(filename)
    packed, encoding = file.plain, None
    if file.gzipped is not None:
        encoding = best_encoding(request.headers, BROTLI, GZIP)
        if encoding == BROTLI:
            packed = await brotlis.pack(file)
        elif encoding == GZIP:
            packed = file.gzipped
    # No ranges, which a server may leave out (RFC 9110, 14.2): the files are small, and a part of
    # one is wanted by nobody.
    response = Response(packed.body, content_type=file.content_type)
    response.set_etag(packed.etag)
    if file.gzipped is not None:
        response.vary.add("Accept-Encoding")
    if encoding is not None:
        response.content_encoding = encoding
    # Without the version it is checked each time, or a page would run scripts of two versions.
    kept = f"public, max-age={KEPT_SECONDS}, immutable" if versioned else "no-cache"
    response.headers["Cache-Control"] = kept
    return await response.make_conditional(request)


def _file(name: str, content: bytes) -> StaticFile:
    packed = gzip.compress(content, LEVEL, mtime=0)
    small = len(packed) <= len(content) * (1 - LEAST_GAIN)
    kind = _TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")
    return StaticFile(kind, _packed(content), _packed(packed) if small else None)


def _brotli(content: bytes) -> bytes:
    packed: bytes = brotli.compress(content, mode=brotli.MODE_TEXT, quality=BROTLI_QUALITY)
    return packed


def _packed(body: bytes) -> Packed:
    return Packed(body, hashlib.sha256(body).hexdigest()[:20])
