"""Does a request fit a stub, and if not, what differed? Pure.

The test stops at the first difference for speed; `differences` looks at every part, for the
near-miss report of a request nothing fits.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from mockserver.conditions import Condition
from mockserver.incoming import Request

UrlCheck = Callable[[Request], bool]


@dataclass(frozen=True, slots=True)
class UrlCondition:
    """How a stub wants the URL: `kind` is the field's name, `expected` its value."""

    kind: str
    expected: str
    check: UrlCheck

    def subject(self, request: Request) -> str:
        """The part of the URL that is tested."""
        return request.url if self.kind in {"url", "urlPattern"} else request.path


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """`/prices/{symbol}`: names for whole segments of a path."""

    text: str
    regex: re.Pattern[str]

    def variables(self, request: Request) -> Mapping[str, str]:
        """The named segments of the request's path; empty if the path does not fit."""
        found = self.regex.fullmatch(request.path)
        return found.groupdict() if found else {}


ANY_URL = UrlCondition("url", "(any)", lambda _: True)


@dataclass(frozen=True, slots=True)
class RequestPattern:
    """What a stub asks of a request. `method` is ANY or a method in capitals."""

    method: str = "ANY"
    url: UrlCondition = ANY_URL
    template: PathTemplate | None = None
    path_parameters: Mapping[str, Condition] = field(default_factory=dict)
    query: Mapping[str, Condition] = field(default_factory=dict)
    headers: Mapping[str, Condition] = field(default_factory=dict)
    cookies: Mapping[str, Condition] = field(default_factory=dict)
    body: tuple[Condition, ...] = ()

    def matches(self, request: Request) -> bool:
        """Whether every part fits."""
        return all(part.met for part in self.parts(request))

    def variables(self, request: Request) -> Mapping[str, str]:
        """The path variables, if the URL is a template."""
        return self.template.variables(request) if self.template else {}

    def parts(self, request: Request) -> Iterator["Part"]:
        """Every test, cheapest first, made as it is asked for."""
        url_met = self.url.check(request)
        yield Part(self.url.kind, self.url.expected, self.url.subject(request), url_met, weight=10)
        method_met = self.method in {"ANY", request.method}
        yield Part("method", self.method, request.method, method_met, weight=3)
        variables = self.variables(request)
        path = {name: (value,) for name, value in variables.items()}
        yield from _each("path parameter", self.path_parameters, path)
        folded = {name.lower(): condition for name, condition in self.headers.items()}
        yield from _each("header", folded, request.header_values)
        yield from _each("query parameter", self.query, request.query)
        yield from _each("cookie", self.cookies, request.cookies)
        for condition in self.body:
            # No body and an empty one are the same on the wire of HTTP/1.
            text = request.text if request.body else None
            shown = "(none)" if text is None else _shortened(text)
            yield Part("body", str(condition), shown, condition.check(text))


@dataclass(frozen=True, slots=True)
class Part:
    """One test and its outcome. `weight` says how much a miss counts against being close."""

    name: str
    expected: str
    actual: str
    met: bool
    weight: int = 1


def _each(
    kind: str, conditions: Mapping[str, Condition], values: Mapping[str, tuple[str, ...]]
) -> Iterator[Part]:
    for name, condition in conditions.items():
        present = values.get(name, ())
        met = any(condition.check(value) for value in present) if present else condition.check(None)
        yield Part(f"{kind} {name}", str(condition), ", ".join(present) or "(absent)", met)


def distance(pattern: RequestPattern, request: Request) -> float:
    """How far the request is from fitting: 0 fits; a near URL counts less than a far one."""
    total = 0.0
    for part in pattern.parts(request):
        if not part.met:
            alike = SequenceMatcher(None, part.expected[:200], part.actual[:200]).quick_ratio()
            total += part.weight * (1 - alike / 2)
    return total


def differences(pattern: RequestPattern, request: Request) -> list[Part]:
    """The tests that failed."""
    return [part for part in pattern.parts(request) if not part.met]


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
