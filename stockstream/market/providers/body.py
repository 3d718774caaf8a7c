"""A body, taken in chunk by chunk, that never grows beyond its limit, packed or unpacked.

httpx would unpack a chunk of any ratio in one go: 64 KiB of gzip can become 64 MiB. So the raw
bytes are taken and unpacked here with a limit on what comes out.
"""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS
_GZIP_BEGINS = 0x1F
_MOST_MEMBERS = 1_000
"""Servers that pack piece by piece make a member of each; millions of empty ones cost time only."""


class BodyRefused(Exception):
    """The body cannot be taken. ``kind`` is ``body_too_large``, ``body_truncated`` or so."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class BodyReader:
    """Collects one body of at most `longest` bytes, unpacking gzip on the way.

    A gzip body may have several members one after another (RFC 1952, 2.2); what follows them and
    is none is left out, as by other programs.
    """

    def __init__(self, longest: int, *, encoding: str | None, announced: str | None) -> None:
        """Refuse at once what is announced as too long or packed in a way not asked for."""
        self._longest = longest
        self._packed = 0
        self._body = bytearray()
        self._members = 1
        self._ended = False
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
        self._packed += len(chunk)
        if self._gzip is None:
            self._body += chunk
        else:
            self._gzip = self._unpack(self._gzip, chunk)
        if max(len(self._body), self._packed) > self._longest:
            raise self._too_large()

    def finish(self) -> bytes:
        """The whole body; raise `BodyRefused` when the packed stream stops before its end."""
        if self._gzip is not None and not self._gzip.eof:
            raise BodyRefused("body_truncated", "the gzip stream ended early")
        return bytes(self._body)

    def _unpack(self, member: zlib._Decompress, chunk: bytes) -> zlib._Decompress:
        """Unpack with the member that is being read; returns the one that is read on."""
        while chunk:
            if member.eof:
                self._ended = self._ended or chunk[0] != _GZIP_BEGINS
                if self._ended:
                    break
                member = self._next_member()
            try:
                # One byte more than there is room for tells "full" from "too large".
                self._body += member.decompress(chunk, self._longest - len(self._body) + 1)
            except zlib.error as error:
                raise BodyRefused("body_encoding", f"not gzip: {error}") from None
            if len(self._body) > self._longest:
                raise self._too_large()
            chunk = member.unused_data
        return member

    def _next_member(self) -> zlib._Decompress:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise BodyRefused("body_encoding", f"gzip of over {_MOST_MEMBERS} members")
        return zlib.decompressobj(_GZIP)

    def _too_large(self) -> BodyRefused:
        return BodyRefused(
            "body_too_large", f"the body is over {self._longest} bytes, which is HTTP_MAX_BODY"
        )
