"""The request pattern of a stub, or of a search in the journal, from its JSON."""

import base64
import re
from collections.abc import Callable
from typing import Final

from mockserver.conditions import Condition, read_condition, read_regex
from mockserver.incoming import Request
from mockserver.matching import (
    ANY_URL,
    FixedValue,
    PartPattern,
    PathTemplate,
    RequestPattern,
    UrlCondition,
)
from mockserver.problems import Reader, given, refuse_unknown

_URL_FIELDS: Final = ("url", "urlPattern", "urlPath", "urlPathPattern", "urlPathTemplate")
_CREDENTIALS: Final = ("basicAuth", "basicAuthCredentials")
_FIELDS: Final = frozenset({
    *_URL_FIELDS, *_CREDENTIALS, "method", "pathParameters", "queryParameters", "formParameters",
    "headers", "cookies", "bodyPatterns", "multipartPatterns", "host", "port", "scheme", "clientIp",
})  # fmt: skip
_UNSUPPORTED: Final = frozenset({"customMatcher"})
_PART_FIELDS: Final = frozenset({"name", "fileName", "matchingType", "headers", "bodyPatterns"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def read_request(field: Reader) -> RequestPattern:
    """The pattern at `field`. Raises `FieldError`; notices say what disables a stub."""
    members = field.object()
    refuse_unknown(members, _FIELDS, _UNSUPPORTED)
    urls = [name for name in _URL_FIELDS if given(members, name)]
    if len(urls) > 1:
        raise members[urls[1]].fail(f"only one of {', '.join(_URL_FIELDS)}; {urls[0]} is given")
    template = None
    url = ANY_URL
    if urls:
        if urls[0] == "urlPathTemplate":
            template = _template(members[urls[0]])
        url = _url(urls[0], members[urls[0]], template)
        if urls[0] == "url" and "?" not in url.expected and given(members, "queryParameters"):
            members["url"].notice(
                "this is the whole URL, so that no request with a query fits; "
                "write urlPath beside queryParameters"
            )
    return RequestPattern(
        method=_method(given(members, "method")),
        url=url,
        template=template,
        path_parameters=_path_parameters(members, template),
        query=_conditions(members, "queryParameters"),
        headers=_folded(_conditions(members, "headers")),
        cookies=_conditions(members, "cookies"),
        body=_list_of_conditions(members),
        form=_conditions(members, "formParameters"),
        body_parts=_body_parts(members),
        fixed=_fixed(members),
        values=_values(members),
    )


def _method(field: Reader | None) -> str:
    if field is None:
        return "ANY"
    method = field.text()
    if _TOKEN.fullmatch(method) is None:
        raise field.fail(f"{method!r} is not an HTTP method")
    if method != method.upper():
        field.disable(f"methods are written in capitals ({method.upper()})")
    return method


def _url(kind: str, field: Reader, template: PathTemplate | None) -> UrlCondition:
    text = field.text()
    check: Callable[[Request], bool]
    if template is not None:
        regex = template.regex
        return UrlCondition(kind, text, lambda request: regex.fullmatch(request.path) is not None)
    if kind in {"url", "urlPath"}:
        if not text.startswith("/"):
            field.notice("it does not begin with a slash, so no request fits")
        by_path = kind == "urlPath"
        check = (lambda r: r.path == text) if by_path else (lambda r: r.url == text)
        return UrlCondition(kind, text, check)
    pattern = read_regex(field, text)
    if pattern is None:
        return UrlCondition(kind, text, lambda _: False)
    if kind == "urlPattern":
        return UrlCondition(kind, text, lambda request: pattern.matches(request.url))
    return UrlCondition(kind, text, lambda request: pattern.matches(request.path))


def _template(field: Reader) -> PathTemplate:
    """`{name}` is a part of a segment, `**` at the end is any number of segments."""
    text = field.text()
    names: list[str] = []
    regex = ""
    for part in re.split(r"(\{[^{}]+\}|/\*\*\Z)", text):
        if part == "/**":
            regex += "/.*"
        elif not (part.startswith("{") and part.endswith("}")):
            regex += re.escape(part)
        else:
            name = part[1:-1].partition(":")[0]
            if name in names:
                field.disable(f"the path variable {name!r} is there twice")
            names.append(name)
            regex += "([^/]+)"
    return PathTemplate(text, re.compile(regex), tuple(names))


def _path_parameters(
    members: dict[str, Reader], template: PathTemplate | None
) -> dict[str, Condition]:
    field = given(members, "pathParameters")
    if field is None:
        return {}
    for name, one in field.object().items():
        if template is None or name not in template.names:
            one.notice("there is no such variable in urlPathTemplate")
    return _conditions(members, "pathParameters")


def _conditions(members: dict[str, Reader], name: str) -> dict[str, Condition]:
    field = given(members, name)
    if field is None:
        return {}
    return {key: read_condition(one) for key, one in field.object().items()}


def _folded(conditions: dict[str, Condition]) -> dict[str, Condition]:
    return {name.lower(): condition for name, condition in conditions.items()}


def _list_of_conditions(members: dict[str, Reader]) -> tuple[Condition, ...]:
    field = given(members, "bodyPatterns")
    return () if field is None else tuple(read_condition(item) for item in field.items())


def _body_parts(members: dict[str, Reader]) -> tuple[PartPattern, ...]:
    field = given(members, "multipartPatterns")
    return () if field is None else tuple(_body_part(item) for item in field.items())


def _body_part(field: Reader) -> PartPattern:
    members = field.object()
    refuse_unknown(members, _PART_FIELDS)
    for name in ("name", "fileName"):
        if (one := given(members, name)) is not None and not given(members, "headers"):
            one.notice(
                "WireMock does not test this; write a condition on the header Content-Disposition"
            )
    kind = given(members, "matchingType")
    if kind is not None and kind.value not in {"ANY", "ALL"}:
        raise kind.fail("expected ANY or ALL")
    return PartPattern(
        every=kind is not None and kind.value == "ALL",
        headers=_folded(_conditions(members, "headers")),
        body=_list_of_conditions(members),
    )


def _fixed(members: dict[str, Reader]) -> tuple[FixedValue, ...]:
    found: list[FixedValue] = []
    if (scheme := given(members, "scheme")) is not None:
        found.append(FixedValue("scheme", scheme.text(), lambda request: request.scheme))
    if (port := given(members, "port")) is not None:
        number = str(port.whole(0, 65535))
        found.append(FixedValue("port", number, lambda request: str(request.port)))
    credentials = [one for name in _CREDENTIALS if (one := given(members, name)) is not None]
    for field in credentials:
        wanted = field.object()
        refuse_unknown(wanted, frozenset({"username", "password"}))
        if "username" not in wanted or "password" not in wanted:
            raise field.fail("expected username and password")
        pair = f"{wanted['username'].scalar()}:{wanted['password'].scalar()}"
        header = f"Basic {base64.b64encode(pair.encode()).decode()}"
        found.append(FixedValue("header authorization", header, _authorization))
    return tuple(found)


def _authorization(request: Request) -> str:
    return next(iter(request.header_values.get("authorization", ())), "")


def _values(
    members: dict[str, Reader],
) -> tuple[tuple[str, Condition, Callable[[Request], str]], ...]:
    found: list[tuple[str, Condition, Callable[[Request], str]]] = []
    if (host := given(members, "host")) is not None:
        found.append(("host", read_condition(host), lambda request: request.host))
    if (client := given(members, "clientIp")) is not None:
        found.append(("clientIp", read_condition(client), lambda request: request.client_ip))
    return tuple(found)
