"""A request as the stubs see it: plain data, free of the web framework."""

import base64
import codecs
import re
import uuid
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from mockserver.multipart import BodyPart, parameter, read_parts
from mockserver.problems import Reader, given

MAX_UNPACKED_BYTES: Final = 5_000_000
"""A few kilobytes of gzip can become gigabytes."""
_CHARSET: Final = re.compile(
    r"utf-(8|16|32)(-[bl]e)?|ascii|iso8859-\d+|cp\d+|koi8-[ru]|gb\w+|big5\w*|shift_\w+|euc_\w+"
    r"|iso2022_\w+|tis-620|johab|mac-\w+"
)
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    """One HTTP request. `url` is path and query as they were sent, percent-encoding untouched."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client_ip: str = ""
    scheme: str = "http"
    host: str = "localhost"
    port: int = 80
    protocol: str = "HTTP/1.1"

    @cached_property
    def id(self) -> str:
        """What the request and its entry in the journal are known by; made when it is asked for."""
        return str(uuid.uuid4())

    @cached_property
    def path(self) -> str:
        """The URL up to the query."""
        return self.url.partition("?")[0]

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path between slashes, decoded."""
        return tuple(unquote(part) for part in self.path.split("/") if part)

    @cached_property
    def decoded_path(self) -> str:
        """The path, decoded."""
        return unquote(self.path) if "%" in self.path else self.path

    @cached_property
    def query(self) -> Mapping[str, tuple[str, ...]]:
        """Every query parameter with its decoded values, in the order they were sent."""
        return collect(
            parse_qsl(self.url.partition("?")[2], keep_blank_values=True, errors="replace")
        )

    @cached_property
    def header_values(self) -> Mapping[str, tuple[str, ...]]:
        """Every header with its values, under its name in lower case."""
        return collect((name.lower(), value) for name, value in self.headers)

    @cached_property
    def cookies(self) -> Mapping[str, tuple[str, ...]]:
        """Every cookie with its values."""
        pairs = (
            part.strip().partition("=")
            for header in self.header_values.get("cookie", ())
            for part in header.split(";")
        )
        return collect((name, value.strip('"')) for name, sign, value in pairs if sign)

    @cached_property
    def content(self) -> bytes:
        """The body, unpacked if it is gzip; as it came if that fails or it would be too large."""
        if "gzip" not in self.header_values.get("content-encoding", ()):
            return self.body
        unpacking = zlib.decompressobj(wbits=31)
        try:
            content = unpacking.decompress(self.body, MAX_UNPACKED_BYTES)
        except zlib.error:
            return self.body
        return content if unpacking.eof else self.body

    @cached_property
    def content_type(self) -> str:
        """The header, or nothing."""
        return next(iter(self.header_values.get("content-type", ())), "")

    @cached_property
    def text(self) -> str:
        """The body as text in its charset (UTF-8 if it names none that is known); what cannot be
        read is shown as replacement characters.
        """
        charset = parameter(self.content_type, "charset") if self.content_type else None
        return self.content.decode(codec(charset or "utf-8"), errors="replace")

    @cached_property
    def form(self) -> Mapping[str, tuple[str, ...]]:
        """The fields of a form that is sent as one line (not as multipart)."""
        if not self.content_type.lower().startswith(_FORM):
            return {}
        return collect(parse_qsl(self.text, keep_blank_values=True, errors="replace"))

    @cached_property
    def parts(self) -> tuple[BodyPart, ...]:
        """The parts of a multipart body."""
        if not self.content_type.lower().startswith("multipart/"):
            return ()
        return read_parts(self.content, self.content_type)

    @property
    def base_url(self) -> str:
        """Scheme, host and port, without the port that the scheme implies."""
        implied = {"http": 80, "https": 443}.get(self.scheme) == self.port
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if implied else f":{self.port}")

    @property
    def absolute_url(self) -> str:
        """The whole URL."""
        return self.base_url + self.url


def read_logged(field: Reader) -> Request:
    """A request in the shape in which the journal shows it. Raises `FieldError`."""
    members = field.object()

    def text(name: str, default: str) -> str:
        return one.scalar() if (one := given(members, name)) is not None else default

    headers: list[tuple[str, str]] = []
    for name, one in _object(given(members, "headers")):
        values = list(one.items()) if isinstance(one.value, list) else [one]
        headers += [(name, value.scalar()) for value in values]
    cookies = [f"{name}={one.scalar()}" for name, one in _object(given(members, "cookies"))]
    if cookies and not any(name.lower() == "cookie" for name, _ in headers):
        headers.append(("Cookie", "; ".join(cookies)))
    body = text("body", "").encode()
    if not body and (encoded := given(members, "bodyAsBase64")) is not None:
        try:
            body = base64.b64decode(encoded.text(), validate=True)
        except ValueError as error:
            raise encoded.fail("the text is not Base64") from error
    return Request(
        method=text("method", "GET"),
        url=text("url", "/"),
        headers=tuple(headers),
        body=body,
        client_ip=text("clientIp", ""),
        scheme=text("scheme", "http"),
        host=text("host", "localhost"),
        port=port.whole(-1, 65535) if (port := given(members, "port")) is not None else 80,
    )


def _object(field: Reader | None) -> list[tuple[str, Reader]]:
    return [] if field is None else list(field.object().items())


@lru_cache(maxsize=256)
def codec(charset: str) -> str:
    """What Python reads `charset` with; UTF-8 where it is no charset of the web.

    Python knows more "encodings" than charsets: some fail whatever they read, others yield half
    surrogate pairs, which cannot be written again. Any client can name them.
    """
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return "utf-8"
    return name if _CHARSET.fullmatch(name) else "utf-8"


@lru_cache(maxsize=256)
def split_host(header: str, default: tuple[str, int], implied: int = 80) -> tuple[str, int]:
    """Host and port of a Host header; `implied` is the port of one that names none.

    `default` is taken for a header that says nothing.
    """
    try:
        parts = urlsplit(f"//{header}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return default
    return default if host is None else (host, port or implied)


def collect(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Group values by name, both in the order they came."""
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return {name: tuple(values) for name, values in grouped.items()}
