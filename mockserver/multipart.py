"""The parts of a multipart body (RFC 7578), as stubs look at them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

MAX_PARTS: Final = 1_000


@dataclass(frozen=True)
class BodyPart:
    """One part: its headers, by name in lower case, and its content."""

    headers: Mapping[str, tuple[str, ...]]
    content: bytes

    @cached_property
    def name(self) -> str:
        """The field of the form; empty if the part does not say."""
        return parameter(self.header("content-disposition"), "name") or ""

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode(errors="replace")

    def header(self, name: str) -> str:
        """The first value of the header `name`, which is in lower case."""
        return next(iter(self.headers.get(name, ())), "")


def parameter(header: str, name: str) -> str | None:
    """A parameter of a header such as `text/plain; charset=utf-8`, without its quotes."""
    found = re.search(rf';\s*{name}\s*=\s*("[^"]*"|[^;\s]+)', header, re.IGNORECASE)
    return None if found is None else found.group(1).strip('"')


def read_parts(body: bytes, content_type: str) -> tuple[BodyPart, ...]:
    """The parts of `body`; none where it is no multipart body. The first `MAX_PARTS` of them."""
    boundary = parameter(content_type, "boundary")
    if not boundary:
        return ()
    mark = b"--" + boundary.encode("latin-1", errors="replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark, MAX_PARTS + 1)
    found = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        head, _, content = piece.partition(b"\r\n\r\n")
        found.append(BodyPart(_headers(head), content))
    return tuple(found)


def _headers(head: bytes) -> dict[str, tuple[str, ...]]:
    headers: dict[str, list[str]] = {}
    for line in head.decode(errors="replace").split("\r\n"):
        name, sign, value = line.partition(":")
        if sign:
            headers.setdefault(name.strip().lower(), []).append(value.strip())
    return {name: tuple(values) for name, values in headers.items()}
