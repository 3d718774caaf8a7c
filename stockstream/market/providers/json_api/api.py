"""A JSON API as it is asked: a declaration with its options, its server and its key put in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import msgspec

from stockstream.http_client import host_of
from stockstream.market.providers.base import InvalidProviderUrl, Terms
from stockstream.market.providers.json_api.declaration import (
    CURRENCY_OF_PAIR,
    KEY_OF_OBJECT,
    KEYS,
    LONGEST_FILE,
    ONE,
    PLACEHOLDER,
    SEVERAL,
    VALUE_OF_ITEM,
    Declaration,
    FieldPlaces,
    Fixed,
    InvalidDeclaration,
    Places,
    read_declaration,
)
from stockstream.market.providers.json_api.places import Place, read_place
from stockstream.market.providers.options import given_options
from stockstream.market.providers.push import Bucket
from stockstream.masks import MASK
from stockstream.quotes import Symbol, parse_symbol
from stockstream.regular_files import read_regular
from stockstream.sources import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from stockstream.market.providers.json_api.declaration import Limits
    from stockstream.market.providers.json_api.known_apis import KnownApi
    from stockstream.upstreams import Upstream

_WINDOWS = {"per_second": 1.0, "per_minute": 60.0, "per_hour": 3600.0, "per_day": 86_400.0}
_PAIR = re.compile(r"(?:[A-Z0-9]+:)?[A-Z0-9]{2,10}-([A-Z]{3,5})")
_SERVER = "url"
_SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class JsonApi:
    """One API. `places` has for each field where it may be; `symbol_places` of them, where the
    symbol is, none where it is the one that was asked for.
    """

    name: str
    said: Declaration
    server: str
    options: Mapping[str, str]
    fixed: Fixed
    terms: Terms
    places: Mapping[str, tuple[Place, ...]]
    symbol_places: tuple[Place, ...]
    items: Place
    error_at: Place | None
    error_code: Place | None
    known: KnownApi | None
    key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)

    @property
    def keyed(self) -> bool:
        """Whether the items stand in an object, each under its symbol."""
        return self.said.fields.symbol == KEY_OF_OBJECT

    @property
    def valued(self) -> bool:
        """Whether items may be bare numbers, which are the prices."""
        price = self.said.fields.price
        return VALUE_OF_ITEM in ([price] if isinstance(price, str) else price)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody may read."""
        return tuple(self._keys().values())

    def written(self, symbol: Symbol) -> str | None:
        """A symbol as this API writes it; None: it has nothing of that kind."""
        if self.known is not None and self.known.written is not None:
            return self.known.written(symbol)
        named = self.said.symbols.names.get(symbol)
        text = named or symbol.replace("-", self.said.symbols.dash)
        # In a path these two would lead to another one, with our key.
        return None if text in {".", ".."} else text

    def market_of(self, symbol: Symbol) -> tuple[str | None, str | None]:
        """The exchange and the currency of a symbol, where no item tells them."""
        if self.known is not None and self.known.market_of is not None:
            return self.known.market_of(symbol)
        currency = self.fixed.currency
        if currency == CURRENCY_OF_PAIR:
            pair = _PAIR.fullmatch(symbol)
            currency = None if pair is None else pair[1]
        return self.fixed.exchange, currency

    def url_for(self, names: Iterable[str]) -> httpx.URL:
        """What to get, for symbols as this API writes them."""
        parts = [quote(name, safe=":") for name in names]
        separator = quote(self.said.symbols.separator, safe=",")
        one = {ONE: "".join(parts[:1]), SEVERAL: separator.join(parts)}
        keys = {name: quote(value, safe="") for name, value in self._keys().items()}
        options = {name: quote(value, safe=":,") for name, value in self.options.items()}
        return httpx.URL(_filled(self._template, {**options, **one, **keys}))

    def headers(self) -> dict[str, str]:
        """What is sent with it."""
        values = {**self.options, **self._keys()}
        return {name: _filled(text, values) for name, text in self.said.headers.items()}

    def with_keys(self, upstream: Upstream) -> JsonApi:
        """The same with the upstream's key, and what belongs to it.

        Raises:
            InvalidProviderUrl: one is missing, or too much.
        """
        _check_keys(self.name, self.said, upstream)
        return replace(self, key=upstream.key, secret=upstream.secret)

    @property
    def address(self) -> str:
        """What is asked, for the log."""
        keys = dict.fromkeys(KEYS, MASK)
        return _filled(self._template, {**self.options, **keys})

    @property
    def _template(self) -> str:
        return self.server + _after_server(self.said.url)

    def _keys(self) -> dict[str, str]:
        both = {"key": self.key, "secret": self.secret}
        return {name: value for name, value in both.items() if value is not None}


def open_file(path: Path) -> Declaration:
    """Read a declaration.

    Raises:
        InvalidProviderUrl: there is no such file, or it is wrong; the message names it.
    """
    try:
        read, _ = read_regular(path, LONGEST_FILE)
        if len(read) > LONGEST_FILE:
            raise InvalidProviderUrl(f"{path}: is over {LONGEST_FILE} bytes")
        text = read.decode("utf-8-sig")  # editors of Windows put a mark before it
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise InvalidProviderUrl(f"{str(path)!r} cannot be read: {why}") from None
    try:
        return read_declaration(text)
    except InvalidDeclaration as error:
        raise InvalidProviderUrl(f"{path}: {error}") from None


def json_api(
    name: str, said: Declaration, query: str, upstream: Upstream, known: KnownApi | None = None
) -> JsonApi:
    """The API that an upstream is, with what its address says after the `?`, and its key.

    Raises:
        InvalidProviderUrl: an option is unknown or wrong, or a key is missing, too much or wrong.
    """
    given = given_options(query)
    server = given.pop(_SERVER, None)
    limits = {one: given.pop(one, None) for one in _WINDOWS}
    unknown = sorted(given.keys() - said.options.keys())
    if unknown:
        may = ", ".join(sorted({*said.options, _SERVER, *_WINDOWS}))
        hint = "; a key belongs into its own variable" if "key" in unknown[0].lower() else ""
        raise InvalidProviderUrl(f"{name} has no option {unknown[0][:32]!r}, only {may}{hint}")
    _check_keys(name, said, upstream)
    options, fixed = _options(name, said, given)
    by_name = {ONE, SEVERAL} & said.placeholders
    counts_symbols = said.limits.counts == "symbols"
    buckets = _buckets(said.limits, limits)
    at_once = None
    if by_name:
        at_once = 1 if ONE in by_name else said.symbols.at_once
        if counts_symbols and buckets:
            at_once = max(1, min(at_once, *(int(one.burst) for one in buckets)))
    terms = Terms(
        at_once, frozenset(map(parse_symbol, said.symbols.start)), buckets, counts_symbols
    )
    error = said.error
    return JsonApi(
        name,
        said,
        _server_of(said.url) if server is None else _checked(server),
        options,
        fixed,
        terms,
        {one: _places(said.fields, one) for one in FieldPlaces.__struct_fields__ if one != _SYMBOL},
        _places(said.fields, _SYMBOL),
        read_place(said.items) if said.items else Place(),
        None if error is None else read_place(error.at),
        None if error is None or error.code is None else read_place(error.code),
        known,
        upstream.key,
        upstream.secret,
    )


def _options(
    name: str, said: Declaration, given: Mapping[str, str]
) -> tuple[dict[str, str], Fixed]:
    """The options as they are, and what is fixed by them."""
    options: dict[str, str] = {}
    fixed = said.fixed
    sent = "\n".join(said.headers.values())
    for option, values in said.options.items():
        if isinstance(values, str):
            text = options[option] = given.get(option, values)
            if f"{{{option}}}" in sent and not (text.isascii() and text.isprintable()):
                raise InvalidProviderUrl(
                    f"{name}: {option} has characters that cannot be sent in a header"
                )
            continue
        chosen = options[option] = given.get(option, next(iter(values)))
        if chosen not in values:
            raise InvalidProviderUrl(
                f"{name}: {option}={chosen[:32]} is none of {', '.join(values)}"
            )
        told = {one: getattr(values[chosen], one) for one in Fixed.__struct_fields__}
        fixed = msgspec.structs.replace(
            fixed, **{one: value for one, value in told.items() if value is not None}
        )
    return options, fixed


def _check_keys(name: str, said: Declaration, upstream: Upstream) -> None:
    source = Source(upstream.name, upstream.url)
    for what, variable, given in (
        ("key", source.key_variable, upstream.key),
        ("secret", source.secret_variable, upstream.secret),
    ):
        used = what in said.placeholders
        if used and given is None:
            raise InvalidProviderUrl(f"{name} wants a {what}: set {variable} or {variable}_FILE")
        if given is not None and not used:
            raise InvalidProviderUrl(
                f"{variable} is set, and {name} has no {{{what}}} to put it in"
            )


def _buckets(said: Limits, given: Mapping[str, str | None]) -> tuple[Bucket, ...]:
    found = []
    for name, seconds in _WINDOWS.items():
        text = given[name]
        count: int | None = getattr(said, name) if text is None else _count(name, text)
        if count:
            # So that no window of that length, wherever it begins, sees more than the limit.
            burst = max(1, count // 4)
            found.append(Bucket(burst, max(count - burst, 1) / seconds))
    return tuple(found)


def _count(name: str, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise InvalidProviderUrl(f"{name} must be a whole number, 0 for no limit, not {text[:32]!r}")


def _places(fields: FieldPlaces, name: str) -> tuple[Place, ...]:
    value: Places | None = getattr(fields, name)
    if value is None:
        return ()
    texts = [value] if isinstance(value, str) else value
    # An item in an object is given its name there, and one that is a number is put into an object.
    made = {KEY_OF_OBJECT, VALUE_OF_ITEM}
    return tuple(Place((text,)) if text in made else read_place(text) for text in texts)


def _checked(server: str) -> str:
    try:
        url = httpx.URL(server)
        good = url.scheme in {"http", "https"} and host_of(server) is not None and not url.userinfo
        good = good and not url.query and not PLACEHOLDER.search(server)
    except httpx.InvalidURL:
        good = False
    if not good:
        raise InvalidProviderUrl("the url= is no address as https://host[:port]")
    return server.rstrip("/")


def _server_of(url: str) -> str:
    return url.removesuffix(_after_server(url))


def _after_server(url: str) -> str:
    """The path and the query."""
    rest = url.partition("://")[2]
    begins = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    return rest[begins:].partition("#")[0]


def _filled(text: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
