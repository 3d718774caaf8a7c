"""Checks of a request before an app sees it (RFC 9112; for WebSockets RFC 6455)."""

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache

import h11

from .hosts import host_name

__all__ = ["Accepted", "Headers", "Refusal", "Refused", "read_request"]

Headers = list[tuple[bytes, bytes]]

WEBSOCKET_VERSION = b"13"
_KEY_BYTES = 16
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE)
_SHOWN = 100  # characters of what was sent that an answer repeats


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the server's own. `code` is a word for programs, `reason` is for people."""

    status: int
    code: str
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refused(Exception):
    """The request is answered with `refusal`, and the connection is closed."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.reason)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request for the app. `target` is a path with its query, or `*` (only with OPTIONS)."""

    method: str
    target: bytes
    headers: Headers
    http_version: str
    websocket: bool

    @property
    def path(self) -> bytes:
        """The target without its query."""
        return self.target.partition(b"?")[0]


def read_request(request: h11.Request) -> Accepted:
    """Check a request that h11 could parse, and bring it into one shape. Raises Refused."""
    version = _version(request)
    headers: Headers = list(request.headers)
    names = {name for name, _ in headers}
    _check_framing(version, names)
    method = request.method.decode("ascii")
    if method != method.upper():
        raise _refused(501, f"the method {_shown(request.method)} is not known; case matters")
    _check_host(headers)
    target = _target(request, headers)
    if b"upgrade" not in names:
        return Accepted(method, target, headers, version, websocket=False)
    if version == "1.0" or not _is_websocket_upgrade(request.method, headers):
        # The code behind us must not see an upgrade: Hypercorn's rule for it differs from ours,
        # and its own WebSocket has neither our limits nor a way for ready frames.
        headers = [(name, value) for name, value in headers if name != b"upgrade"]
        return Accepted(method, target, headers, version, websocket=False)
    return Accepted(method, target, _checked_handshake(headers), version, websocket=True)


def _version(request: h11.Request) -> str:
    if not request.http_version.startswith(b"1."):
        shown = request.http_version.decode("ascii")
        raise _refused(505, f"HTTP/{shown} is not spoken here, only HTTP/1.1 and HTTP/1.0")
    return "1.0" if request.http_version == b"1.0" else "1.1"


def _check_framing(version: str, names: set[bytes]) -> None:
    """RFC 9112, section 6.1: refuse a request if two parsers could disagree on its body's end."""
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            raise _refused(400, "a request has Content-Length or Transfer-Encoding, not both")
        if version == "1.0":
            raise _refused(400, "Transfer-Encoding is not part of HTTP/1.0")


def _check_host(headers: Headers) -> None:
    """RFC 9112, section 3.2; that HTTP/1.1 has one and no request has two is h11's to check."""
    for name, value in headers:
        if name == b"host" and not _is_host(value):
            raise _refused(400, f"Host is no host and port: {_shown(value)}")


@lru_cache(maxsize=256)
def _is_host(authority: bytes) -> bool:
    return host_name(authority.decode("latin-1")) is not None


def _target(request: h11.Request, headers: Headers) -> bytes:
    """The path and query asked for; of a whole URL, with its authority as the Host (3.2.2)."""
    target: bytes = request.target
    if b"%00" in target:  # a null byte is no part of any name here, and file systems fail on it
        raise _refused(400, "the request target holds a null byte")
    if target.startswith(b"/") or (target == b"*" and request.method == b"OPTIONS"):
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise _refused(400, f"the request target has no path: {_shown(target)}")
    authority, rest = absolute.groups()
    if not _is_host(authority):
        raise _refused(400, f"the request target has no host and port: {_shown(target)}")
    headers[:] = [(name, value) for name, value in headers if name != b"host"]
    headers.append((b"host", authority))
    return rest if rest.startswith(b"/") else b"/" + rest


def _is_websocket_upgrade(method: bytes, headers: Headers) -> bool:
    """RFC 6455, section 4.2.1; the tokens may stand beside others (RFC 9110, section 7.8)."""
    tokens: dict[bytes, set[bytes]] = {b"upgrade": set(), b"connection": set()}
    for name, value in headers:
        if name in tokens:
            tokens[name].update(token.strip().lower() for token in value.split(b","))
    return (
        method == b"GET"
        and b"websocket" in tokens[b"upgrade"]
        and b"upgrade" in tokens[b"connection"]
    )


def _checked_handshake(headers: Headers) -> Headers:
    """The handshake's headers as Hypercorn wants them, without extensions that we do not speak."""
    versions = _values(headers, b"sec-websocket-version")
    if versions != [WEBSOCKET_VERSION]:
        raise Refused(
            Refusal(
                426,
                "upgrade_required",
                "Sec-WebSocket-Version must be 13",
                (
                    (b"connection", b"upgrade"),
                    (b"upgrade", b"websocket"),
                    (b"sec-websocket-version", WEBSOCKET_VERSION),
                ),
            )
        )
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise _refused(400, "Sec-WebSocket-Key must be there once, 16 bytes as base64")
    # Hypercorn reads them as ASCII, and the last where there are several.
    protocols = b", ".join(_values(headers, b"sec-websocket-protocol"))
    if not protocols.isascii():
        raise _refused(400, "Sec-WebSocket-Protocol is not ASCII")
    rewritten = {b"connection", b"upgrade", b"sec-websocket-protocol", b"sec-websocket-extensions"}
    normal = [(name, value) for name, value in headers if name not in rewritten]
    normal += [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
    if protocols:
        normal.append((b"sec-websocket-protocol", protocols))
    return normal


def _is_key(value: bytes) -> bool:
    try:
        return len(base64.b64decode(value, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def _values(headers: Headers, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _refused(status: int, reason: str) -> Refused:
    codes = {501: "not_implemented", 505: "http_version_not_supported"}
    return Refused(Refusal(status, codes.get(status, "bad_request"), reason))


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN].decode("latin-1"))
