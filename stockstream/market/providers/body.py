"""A body, taken in chunk by chunk, that never grows beyond its limit, packed or unpacked.

httpx would unpack a chunk of any ratio in one go: 64 KiB of gzip can become 64 MiB. So the raw
bytes are taken and unpacked here with a limit on what comes out.
"""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS


class BodyRefused(Exception):
    """The body cannot be taken. ``kind`` is ``body_too_large``, ``body_truncated`` or so."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class BodyReader:
    """Collects one body of at most `longest` bytes, unpacking gzip on the way."""

    def __init__(self, longest: int, *, encoding: str | None, announced: str | None) -> None:
        """Refuse at once what is announced as too long or packed in a way not asked for."""
        self._longest = longest
        self._body = bytearray()
        encoding = (encoding or "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip"}:
            raise BodyRefused(
                "body_encoding", f"content-encoding {encoding[:32]!r} was not asked for"
            )
        self._gzip = None if encoding == "identity" else zlib.decompressobj(_GZIP)
        if announced is not None and announced.isdigit() and float(announced) > longest:
            raise self._too_large()

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes off the wire; raise `BodyRefused` when that is too much."""
        if self._gzip is None:
            self._body += chunk
        else:
            room = self._longest - len(self._body)
            try:
                # One byte more than there is room for tells "full" from "too large".
                self._body += self._gzip.decompress(chunk, room + 1)
            except zlib.error as error:
                raise BodyRefused("body_encoding", f"not gzip: {error}") from None
        if len(self._body) > self._longest:
            raise self._too_large()

    def finish(self) -> bytes:
        """The whole body; raise `BodyRefused` when the packed stream stops before its end."""
        if self._gzip is not None and not self._gzip.eof:
            raise BodyRefused("body_truncated", "the gzip stream ended early")
        return bytes(self._body)

    def _too_large(self) -> BodyRefused:
        return BodyRefused("body_too_large", f"the body is over {self._longest} bytes")
