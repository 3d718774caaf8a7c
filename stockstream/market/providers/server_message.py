"""What a server says for people in an answer that holds no price."""

from __future__ import annotations

import html
import json
import re
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_BODY = 65_536
"""A longer one holds data, or is a page; it is not searched."""

_BEST_FIRST = (
    "errormessage",
    "message",
    "msg",
    "errordescription",
    "detail",
    "description",
    "error",
    "errors",
    "information",
    "note",
    "warning",
    "title",
    "reason",
    "fault",
)
"""Names of fields, without case and anything but letters, that vendors put their messages in."""
_DATA_TOO = frozenset({"description", "title", "reason", "detail", "note", "warning"})
"""Of these, the ones that data has too. At status 200 they count at the top and within an error."""
_MOST_NODES = 500
_PAGE_BEGINS = 4_096
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")
_TAG = re.compile(r"(?s)<(?:script|style)\b.*?</(?:script|style)>|<[^>]*(?:>|$)")


def server_message(body: bytes, *, refused: bool) -> str | None:
    """The message in a body, as it came; None if there is none that is found.

    `refused` says that the status was one of an error, so that all the body is about that.
    """
    if not body or len(body) > LONGEST_BODY:
        return None
    text = body.decode(errors="replace").removeprefix("\ufeff").strip()
    if text.startswith("<"):
        # Searching goes back to each tag that has no end; a page says early what it is.
        page = text[:_PAGE_BEGINS]
        title = _TITLE.search(page)
        return html.unescape(title[1] if title else _TAG.sub(" ", page))
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return text  # a text for people, or the beginning of a table
    if isinstance(value, str):
        return value
    found = list(_messages(value, refused=refused))
    return min(found)[-1] if found else None


def _messages(root: object, *, refused: bool) -> Iterator[tuple[int, int, int, str]]:
    """Each text under a name of the list: how deep, how good the name, in which order, the text.

    A list of texts has no names and is taken as it is.
    """
    queue: deque[tuple[object, int, bool, int | None]] = deque([(root, 0, refused, 0)])
    for order in range(_MOST_NODES):
        if not queue:
            return
        value, depth, about_an_error, rank = queue.popleft()
        if isinstance(value, str):
            if rank is not None and value.strip():
                yield depth, rank, order, value
        elif isinstance(value, list):
            queue.extend((inner, depth + 1, about_an_error, rank) for inner in value[:10])
        elif isinstance(value, dict):
            for key, inner in list(value.items())[:100]:
                name = re.sub("[^a-z]", "", str(key).lower())
                sure = about_an_error or "error" in name or "fault" in name
                inner_rank = _rank(name, sure=about_an_error or depth == 0)
                queue.append((inner, depth + 1, sure, inner_rank))


def _rank(name: str, *, sure: bool) -> int | None:
    if name not in _BEST_FIRST or (name in _DATA_TOO and not sure):
        return None
    return _BEST_FIRST.index(name)
