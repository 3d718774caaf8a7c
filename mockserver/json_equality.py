"""Whether two JSON values are the same, as json-unit has it, which WireMock compares with. Pure.

What is expected may hold placeholders, `${json-unit.any-string}` and its like.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mockserver.json_types import Json
from mockserver.limits import TooMuchWork
from mockserver.regexes import Regex, RegexError, UnsupportedRegexError, compile_regex

MAX_COMPARISONS: Final = 500_000
"""Of one value with another: lists in any order are compared item by item with each other."""
_PLACEHOLDER: Final = re.compile(r"[$#]\{json-unit\.([^}]*)\}(.*)", re.DOTALL)
_OPTIONAL: Final = "ignore-element"
_ANYTHING: Final[dict[str, Callable[[Json], bool]]] = {
    "ignore": lambda _: True,
    _OPTIONAL: lambda _: True,
    "any-string": lambda value: isinstance(value, str),
    "any-boolean": lambda value: isinstance(value, bool),
    "any-number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}


@dataclass(frozen=True, slots=True)
class JsonEquality:
    """Numbers by value, members in any order.

    `any_order` lets lists be in any order, `extras` lets the actual value hold more.
    """

    any_order: bool
    extras: bool

    def same(self, expected: Json, actual: Json) -> bool:
        """Whether `actual` is what is expected. Raises `TooMuchWork`."""
        return _Comparison(self.any_order, self.extras).same(expected, actual)


@dataclass(slots=True)
class _Comparison:
    """One comparison of two whole values, and how much it has cost."""

    any_order: bool
    extras: bool
    made: int = 0

    def same(self, expected: Json, actual: Json) -> bool:
        """Whether `actual` is what is expected."""
        self.made += 1
        if self.made > MAX_COMPARISONS:
            raise TooMuchWork(f"comparing JSON needs more than {MAX_COMPARISONS} steps")
        if isinstance(expected, str):
            return _fits(expected, actual)
        if isinstance(expected, dict):
            return isinstance(actual, dict) and self._same_members(expected, actual)
        if isinstance(expected, list):
            return isinstance(actual, list) and self._same_items(expected, actual)
        if isinstance(expected, bool) or isinstance(actual, bool):
            return expected is actual
        return expected == actual

    def _same_members(self, expected: dict[str, Json], actual: dict[str, Json]) -> bool:
        if not self.extras and any(name not in expected for name in actual):
            return False
        for name, value in expected.items():
            if name not in actual:
                if _placeholder(value) == (_OPTIONAL, ""):
                    continue
                return False
            if not self.same(value, actual[name]):
                return False
        return True

    def _same_items(self, expected: list[Json], actual: list[Json]) -> bool:
        if len(actual) < len(expected) or (len(actual) > len(expected) and not self.extras):
            return False
        if self.any_order:
            return self._pairable(expected, actual)
        return all(self.same(one, other) for one, other in zip(expected, actual, strict=False))

    def _pairable(self, expected: list[Json], actual: list[Json]) -> bool:
        """Whether every expected item can have an actual item of its own.

        A bipartite matching by augmenting paths: taking the first that fits would give up on
        lists where an item fits two places. Breadth first, so that long lists need no deep stack.
        """
        fits = [
            [place for place, value in enumerate(actual) if self.same(one, value)]
            for one in expected
        ]
        owner: dict[int, int] = {}
        for index in range(len(expected)):
            came_from: dict[int, tuple[int, int | None]] = {}
            pending: deque[tuple[int, int | None]] = deque([(index, None)])
            free: int | None = None
            while pending and free is None:
                item, through = pending.popleft()
                for place in fits[item]:
                    if place in came_from:
                        continue
                    came_from[place] = (item, through)
                    if place not in owner:
                        free = place
                        break
                    pending.append((owner[place], place))
            if free is None:
                return False
            place_now: int | None = free
            while place_now is not None:
                item, through = came_from[place_now]
                owner[place_now] = item
                place_now = through
        return True


def unsupported_placeholder(expected: Json) -> str | None:
    """What is wrong with a placeholder in `expected` that cannot be tested here, if any is."""
    if isinstance(expected, dict):
        inside: list[Json] = list(expected.values())
    elif isinstance(expected, list):
        inside = expected
    else:
        found = _placeholder(expected)
        if found is None or (found[0] in _ANYTHING and found[1] == ""):
            return None
        if found[0] == "regex":
            return _regex_problem(found[1])
        return f"the placeholder {expected!r} is not supported"
    return next(filter(None, map(unsupported_placeholder, inside)), None)


def _placeholder(expected: Json) -> tuple[str, str] | None:
    found = _PLACEHOLDER.fullmatch(expected) if isinstance(expected, str) else None
    return None if found is None else (found.group(1), found.group(2))


def _fits(expected: str, actual: Json) -> bool:
    if not expected.startswith(("$", "#")) or (found := _placeholder(expected)) is None:
        return expected == actual
    kind, rest = found
    if kind == "regex":
        return isinstance(actual, str) and _regex(rest).matches(actual)
    return _ANYTHING[kind](actual)


@lru_cache(maxsize=256)
def _regex(text: str) -> Regex:
    return compile_regex(text)


def _regex_problem(text: str) -> str | None:
    try:
        _regex(text)
    except (RegexError, UnsupportedRegexError) as error:
        return str(error)
    return None
