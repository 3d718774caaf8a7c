"""Where in a JSON document something is: names with dots between, ``data.quotes.0.last``. Pure.

A number counts the items of a list, from 0, or from the end where it is below 0. A name with a dot
or a blank at its ends is written in quotes: ``"Global Quote"."05. price"``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = re.compile(r'"([^"]+)"|([^."\s](?:[^."]*[^."\s])?)')
_NUMBER = re.compile(r"-?[0-9]{1,6}")


class BadPlace(ValueError):
    """The text names no place. The message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """The names on the way; none is the document itself."""

    parts: tuple[str, ...] = ()

    def find(self, document: object) -> object:
        """What is there; None for nothing, as JSON's null."""
        for part in self.parts:
            if isinstance(document, dict):
                document = document.get(part)
            elif isinstance(document, list) and _NUMBER.fullmatch(part):
                index = int(part)
                inside = -len(document) <= index < len(document)
                document = document[index] if inside else None
            else:
                return None
        return document

    def __str__(self) -> str:
        return ".".join(f'"{part}"' if "." in part else part for part in self.parts)


def read_place(text: str) -> Place:
    """Read ``data.quotes``. Raises `BadPlace`."""
    parts, at = [], 0
    while True:
        part = _PART.match(text, at)
        if part is None:
            raise BadPlace(
                f"{text!r} is no path; one is as data.quotes.0, a name with dots in quotes"
            )
        parts.append(part[1] or part[2])
        at = part.end()
        if at == len(text):
            return Place(tuple(parts))
        if text[at] != ".":
            raise BadPlace(f"{text!r} is no path; between names there is a dot")
        at += 1
