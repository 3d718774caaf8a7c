"""What templates read of a request, each part made when it is asked for."""

import base64
from collections.abc import Callable, Mapping
from typing import Final

from mockserver.incoming import Request
from mockserver.multipart import BodyPart
from mockserver.templating.values import Headers, LazyMembers, Several, UrlPath, Value


class RequestValues(LazyMembers):
    """`request`: the names are those of WireMock's model."""

    def __init__(self, request: Request, variables: Mapping[str, str]) -> None:
        self._request = request
        self._variables = variables

    def get(self, name: str) -> Value:
        """The part `name` of the request."""
        make = _PARTS.get(name)
        if make is not None:
            return make(self._request)
        if name in _PATHS:
            return _path(self._request, self._variables)
        if name == "requestLine":
            return {one: self.get(one) for one in REQUEST_LINE}
        return None

    def as_dict(self) -> dict[str, Value]:
        """Every part."""
        return {name: self.get(name) for name in sorted(REQUEST)}


def _path(request: Request, variables: Mapping[str, str]) -> UrlPath:
    return UrlPath(request.decoded_path, request.segments, variables)


def _several(values: Mapping[str, tuple[str, ...]]) -> dict[str, Value]:
    return {name: Several(one) for name, one in values.items()}


def _body_parts(request: Request) -> Value:
    return {part.name: _body_part(part) for part in request.parts}


def _body_part(part: BodyPart) -> Value:
    return {
        "name": part.name,
        "headers": Headers(part.headers),
        "body": part.text,
        "bodyAsBase64": base64.b64encode(part.content).decode(),
        "binary": b"\0" in part.content,
    }


_PARTS: Final[Mapping[str, Callable[[Request], Value]]] = {
    "id": lambda request: request.id,
    "method": lambda request: request.method,
    "url": lambda request: request.url,
    "query": lambda request: _several(request.query),
    "headers": lambda request: Headers(request.header_values),
    "cookies": lambda request: _several(request.cookies),
    "body": lambda request: request.text,
    "bodyAsBase64": lambda request: base64.b64encode(request.content).decode(),
    "baseUrl": lambda request: request.base_url,
    "scheme": lambda request: request.scheme,
    "host": lambda request: request.host,
    "port": lambda request: request.port,
    "clientIp": lambda request: request.client_ip,
    "multipart": lambda request: bool(request.parts),
    "parts": _body_parts,
}
_PATHS: Final = frozenset({"path", "pathSegments"})
REQUEST: Final = frozenset({*_PARTS, *_PATHS, "requestLine"})
REQUEST_LINE: Final = frozenset({
    "method", "path", "pathSegments", "query", "scheme", "host", "port", "baseUrl",
})  # fmt: skip
