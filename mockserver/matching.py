"""Does a request fit a stub, and if not, what differed? Pure.

`matches` stops at the first difference; `differences` looks at every part, for the near-miss
report of a request nothing fits.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Final

from mockserver.conditions import Condition
from mockserver.incoming import Request
from mockserver.multipart import BodyPart

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
    """`/prices/{symbol}`: names for parts of a path. `names` are those of the regex's groups."""

    text: str
    regex: re.Pattern[str]
    names: tuple[str, ...]

    def variables(self, request: Request) -> Mapping[str, str]:
        """The named parts of the request's path; empty if the path does not fit."""
        found = self.regex.fullmatch(request.path)
        return dict(zip(self.names, found.groups(), strict=True)) if found else {}


@dataclass(frozen=True, slots=True)
class PartPattern:
    """What is asked of a part of a multipart body; `every` part has to fit, or any."""

    every: bool
    headers: Mapping[str, Condition]
    body: tuple[Condition, ...]

    def met(self, request: Request) -> bool:
        """Whether the request has such a part, or such parts only."""
        fitting = [self._fits(part) for part in request.parts]
        return bool(fitting) and (all(fitting) if self.every else any(fitting))

    def _fits(self, part: BodyPart) -> bool:
        return all(
            condition.met(part.headers.get(name, ())) for name, condition in self.headers.items()
        ) and all(condition.check(part.text) for condition in self.body)

    def __str__(self) -> str:
        wanted = [f"header {name} {one}" for name, one in self.headers.items()]
        wanted += [f"body {one}" for one in self.body]
        return f"{'every' if self.every else 'a'} part with {', '.join(wanted) or 'anything'}"


@dataclass(frozen=True, slots=True)
class FixedValue:
    """A part of a request that a stub wants to be one value: its name, the value, how to see it."""

    name: str
    expected: str
    actual: Callable[[Request], str]


ANY_URL = UrlCondition("url", "(any)", lambda _: True)
_METHODS: Final = {"GET_OR_HEAD": frozenset({"GET", "HEAD"})}


@dataclass(frozen=True, slots=True)
class RequestPattern:
    """What a stub asks of a request. `method` is ANY, GET_OR_HEAD or a method in capitals.

    Names of headers are in lower case. `host` and `client_ip` are among `values`.
    """

    method: str = "ANY"
    url: UrlCondition = ANY_URL
    template: PathTemplate | None = None
    path_parameters: Mapping[str, Condition] = field(default_factory=dict)
    query: Mapping[str, Condition] = field(default_factory=dict)
    headers: Mapping[str, Condition] = field(default_factory=dict)
    cookies: Mapping[str, Condition] = field(default_factory=dict)
    body: tuple[Condition, ...] = ()
    form: Mapping[str, Condition] = field(default_factory=dict)
    body_parts: tuple[PartPattern, ...] = ()
    fixed: tuple[FixedValue, ...] = ()
    values: tuple[tuple[str, Condition, Callable[[Request], str]], ...] = ()

    def matches(self, request: Request) -> bool:
        """Whether every part fits. The parts are tested cheapest first, up to the first miss."""
        return (
            self.url.check(request)
            and self._method_fits(request)
            and (not self.fixed or self._fixed_fit(request))
            and (not self.values or self._values_fit(request))
            and (not self.path_parameters or _met(self.path_parameters, self._path(request)))
            and (not self.headers or _met(self.headers, request.header_values))
            and (not self.query or _met(self.query, request.query))
            and (not self.cookies or _met(self.cookies, request.cookies))
            and (not self.form or _met(self.form, request.form))
            and (not self.body_parts or all(part.met(request) for part in self.body_parts))
            and (not self.body or self._body_fits(request))
        )

    def variables(self, request: Request) -> Mapping[str, str]:
        """The path variables, if the URL is a template."""
        return self.template.variables(request) if self.template else {}

    def _path(self, request: Request) -> Mapping[str, tuple[str, ...]]:
        return {name: (value,) for name, value in self.variables(request).items()}

    def _method_fits(self, request: Request) -> bool:
        method = self.method
        if method in {"ANY", request.method}:
            return True
        return method in _METHODS and request.method in _METHODS[method]

    def _fixed_fit(self, request: Request) -> bool:
        return all(one.actual(request) == one.expected for one in self.fixed)

    def _values_fit(self, request: Request) -> bool:
        return all(condition.check(actual(request)) for _, condition, actual in self.values)

    def _body_fits(self, request: Request) -> bool:
        text = _body(request)
        return all(condition.check(text) for condition in self.body)

    def parts(self, request: Request) -> Iterator["Part"]:
        """Every test and its outcome, for the near-miss report."""
        url_met = self.url.check(request)
        yield Part(self.url.kind, self.url.expected, self.url.subject(request), url_met, weight=10)
        yield Part("method", self.method, request.method, self._method_fits(request), weight=3)
        for one in self.fixed:
            actual = one.actual(request)
            yield Part(one.name, one.expected, actual or "(absent)", actual == one.expected)
        for name, condition, read in self.values:
            actual = read(request)
            yield Part(name, str(condition), actual, condition.check(actual))
        yield from _each("path parameter", self.path_parameters, self._path(request))
        yield from _each("header", self.headers, request.header_values)
        yield from _each("query parameter", self.query, request.query)
        yield from _each("cookie", self.cookies, request.cookies)
        yield from _each("form parameter", self.form, request.form)
        for pattern in self.body_parts:
            shown = f"{len(request.parts)} parts"
            yield Part("multipart body", str(pattern), shown, pattern.met(request))
        for condition in self.body:
            text = _body(request)
            shown = "(none)" if text is None else _shortened(text)
            yield Part("body", str(condition), shown, condition.check(text))


def _body(request: Request) -> str | None:
    """No body and an empty one are the same on the wire of HTTP/1."""
    return request.text if request.body else None


def _met(conditions: Mapping[str, Condition], values: Mapping[str, tuple[str, ...]]) -> bool:
    return all(condition.met(values.get(name, ())) for name, condition in conditions.items())


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
        shown = ", ".join(present) or "(absent)"
        yield Part(f"{kind} {name}", str(condition), shown, condition.met(present))


def distance(pattern: RequestPattern, request: Request) -> float:
    """How far the request is from fitting: 0 fits, 1 is nothing alike."""
    missed = all_parts = 0.0
    for part in pattern.parts(request):
        all_parts += part.weight
        if not part.met:
            alike = SequenceMatcher(None, part.expected[:200], part.actual[:200]).quick_ratio()
            missed += part.weight * (1 - alike / 2)
    return missed / all_parts


def differences(pattern: RequestPattern, request: Request) -> list[Part]:
    """The tests that failed."""
    return [part for part in pattern.parts(request) if not part.met]


def _shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
