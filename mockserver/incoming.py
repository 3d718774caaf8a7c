"""A request as the stubs see it: plain data, free of the web framework."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote, urlsplit


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
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @cached_property
    def path(self) -> str:
        """The URL up to the query."""
        return self.url.partition("?")[0]

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path between slashes, decoded."""
        return tuple(unquote(part) for part in self.path.split("/") if part)

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
    def text(self) -> str:
        """The body as text; what is not UTF-8 is shown as replacement characters."""
        return self.body.decode(errors="replace")

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


def split_host(header: str, default: tuple[str, int]) -> tuple[str, int]:
    """Host and port of a Host header; `default` for what it does not say."""
    try:
        parts = urlsplit(f"//{header}")
        return parts.hostname or default[0], parts.port or default[1]
    except ValueError:
        return default


def collect(
    pairs: "Iterator[tuple[str, str]] | list[tuple[str, str]]",
) -> dict[str, tuple[str, ...]]:
    """Group values by name, both in the order they came."""
    grouped: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        grouped[name] = (*grouped.get(name, ()), value)
    return grouped
