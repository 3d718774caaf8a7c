"""Regular expressions as Java has them, under a limit of time.

WireMock's stubs are written for `java.util.regex`. An expression is translated (`translation.py`)
to the dialect of the `regex` package, which can give up after a time: one stub must not hold the
event loop.
"""

from dataclasses import dataclass
from typing import Final

import regex

from mockserver.limits import TooMuchWork
from mockserver.regexes.translation import (
    RegexError,
    UnsupportedRegexError,
    translate,
)

__all__ = ["Regex", "RegexError", "TooSlow", "UnsupportedRegexError", "compile_regex"]

MATCH_SECONDS: Final = 0.25
"""For one match. Stubs take microseconds; more than this is an expression that never ends."""


class TooSlow(TooMuchWork):
    """A match took longer than `MATCH_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Regex:
    """A compiled expression; `text` is as its author wrote it."""

    text: str
    _compiled: "regex.Pattern[str]"

    def matches(self, subject: str) -> bool:
        """Whether all of `subject` fits. Raises `TooSlow`."""
        return self.groups(subject) is not None

    def groups(self, subject: str) -> tuple[str | None, ...] | None:
        """What the groups hold when all of `subject` fits, else None. Raises `TooSlow`."""
        try:
            found = self._compiled.fullmatch(subject, timeout=MATCH_SECONDS)
        except TimeoutError as error:
            raise self._too_slow() from error
        return None if found is None else found.groups()

    def first(self, subject: str) -> tuple[str, tuple[str | None, ...]] | None:
        """The first part of `subject` that fits, and its groups. Raises `TooSlow`."""
        try:
            found = self._compiled.search(subject, timeout=MATCH_SECONDS)
        except TimeoutError as error:
            raise self._too_slow() from error
        return None if found is None else (found.group(), found.groups())

    def _too_slow(self) -> TooSlow:
        shown = self.text if len(self.text) <= 200 else f"{self.text[:200]}…"
        return TooSlow(
            f"the regular expression {shown!r} was given up after {MATCH_SECONDS} seconds"
        )


def compile_regex(text: str, *, dotall: bool = False, ignore_case: bool = False) -> Regex:
    """The expression `text`. With `dotall`, `.` stands for line ends too.

    Raises `RegexError` for what is wrong in Java too, `UnsupportedRegexError` for the rest.
    """
    translated = translate(text, dotall=dotall, ignore_case=ignore_case)
    try:
        return Regex(text, regex.compile(translated, regex.VERSION1))
    except (regex.error, OverflowError, RecursionError) as error:
        raise UnsupportedRegexError(f"{text!r} is not supported: {error}") from error
