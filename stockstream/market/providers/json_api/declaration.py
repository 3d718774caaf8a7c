"""What a file says of a JSON API, read and checked whole: ``json://prices.toml``.

`docs/providers.md` describes the keys. An error is one line that names the key; whoever read the
file names it. A key of the API is never in the file: ``{key}`` stands where it belongs.
"""

from __future__ import annotations

import re
import tomllib
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from stockstream.http_client import host_of
from stockstream.market.optional_fields import OptionalFields
from stockstream.market.providers.base import InvalidProviderUrl
from stockstream.market.providers.json_api.places import BadPlace, read_place
from stockstream.market.timestamps import TimeUnit
from stockstream.quotes import InvalidSymbol, Symbol, parse_symbol

LONGEST_FILE = 65_536
MOST_AT_ONCE = 1_000
CURRENCY_OF_PAIR = "@pair"
"""As the fixed currency: what is behind the dash of a symbol that is a pair."""
KEY_OF_OBJECT = "@key"
"""As the symbol's place: the items stand in an object, each under its symbol."""
VALUE_OF_ITEM = "@value"
"""As the price's place: the items are bare numbers, which are the prices."""

Places = str | list[str]


class InvalidDeclaration(InvalidProviderUrl):
    """A declaration cannot be used; the message begins with the key."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is not said is left out when nodes compare it: another version may have more keys."""


class FieldPlaces(_Part, frozen=True):
    """Where in an item each field is; of several places the first where there is something."""

    price: Places
    symbol: Places | None = None
    time: Places | None = None
    exchange: Places | None = None
    currency: Places | None = None
    name: Places | None = None
    open: Places | None = None
    previous_close: Places | None = None
    high: Places | None = None
    low: Places | None = None
    volume: Places | None = None
    bid: Places | None = None
    ask: Places | None = None
    session: Places | None = None
    delayed: Places | None = None
    delayed_seconds: Places | None = None


class Fixed(_Part, frozen=True):
    """What holds for all items, and is told in none."""

    exchange: str | None = None
    currency: str | None = None
    name: str | None = None
    session: str | None = None
    delayed: bool | None = None
    delayed_seconds: int | None = None


class SymbolRules(_Part, frozen=True):
    """How symbols are asked for."""

    at_once: int = 50
    start: list[str] = []
    separator: str = ","
    dash: str = "-"
    names: dict[str, str] = {}
    unknown: list[int] = msgspec.field(default_factory=lambda: [404])


class Limits(_Part, frozen=True):
    """What the API allows."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    counts: Literal["requests", "symbols"] = "requests"


class ErrorPlaces(_Part, frozen=True):
    """How an answer of status 200, or an item in it, says that it is an error."""

    at: str
    values: list[str | int | bool] | None = None
    code: str | None = None


class Declaration(_Part, frozen=True):
    """The whole file."""

    url: str
    fields: FieldPlaces
    items: str = ""
    time_unit: TimeUnit | None = None
    headers: dict[str, str] = {}
    fixed: Fixed = Fixed()
    symbols: SymbolRules = SymbolRules()
    limits: Limits = Limits()
    error: ErrorPlaces | None = None
    options: dict[str, str | dict[str, Fixed]] = {}

    @property
    def placeholders(self) -> frozenset[str]:
        """The names in braces, wherever they stand."""
        return frozenset(PLACEHOLDER.findall("\n".join((self.url, *self.headers.values()))))


PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
ONE, SEVERAL = "symbol", "symbols"
KEYS = frozenset({"key", "secret"})
_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": Declaration,
    "fields": FieldPlaces,
    "fixed": Fixed,
    "symbols": SymbolRules,
    "limits": Limits,
    "error": ErrorPlaces,
}
_SAID = re.compile(r"(?s)(.*?)(?: - at `\$\.?(.*)`)?")
_QUOTED = re.compile(r"`([^`]*)`")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "bool": "true or false",
    "float": "a number with a point",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
    "datetime": "a date",
    "date": "a date",
    "time": "a time",
}
_OPTION = re.compile(r"[a-z][a-z0-9_]{0,31}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_OURS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
    | {"if-none-match", "if-modified-since"}
)
_SECRET = re.compile(r"(?i)(?:^|[_-])(?:api[_-]?)?(?:key|token|secret|password|authorization)$")
_LIMITS = ("per_second", "per_minute", "per_hour", "per_day")


def read_declaration(text: str) -> Declaration:
    """Read a file's text.

    Raises:
        InvalidDeclaration: it is no TOML, a key is missing, unknown or wrong.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidDeclaration(f"it is no TOML: {error}") from None
    except RecursionError:
        raise InvalidDeclaration("it is no TOML of use: lists or tables too deep") from None
    try:
        found = msgspec.convert(table, Declaration)
    except msgspec.ValidationError as error:
        raise InvalidDeclaration(_in_words(str(error))) from None
    _check_url(found)
    _check_headers(found)
    _check_places(found)
    _check_fixed("fixed", found.fixed)
    for name, values in found.options.items():
        if values == {}:
            raise InvalidDeclaration(f"options.{name}: has no value")
        for value, fixed in values.items() if isinstance(values, dict) else ():
            _check_fixed(f"options.{name}.{value}", fixed)
    _check_symbols(found)
    for name in _LIMITS:
        count: int | None = getattr(found.limits, name)
        if count is not None and not 1 <= count <= 1_000_000_000:
            raise InvalidDeclaration(f"limits.{name}: must be from 1 to 1000000000, not {count}")
    return found


def _check_url(found: Declaration) -> None:
    known = {ONE, SEVERAL, *KEYS, *found.options}
    for name in found.options:
        if not _OPTION.fullmatch(name) or name in {ONE, SEVERAL, *KEYS, "url", *_LIMITS}:
            raise InvalidDeclaration(f"options.{name}: cannot be the name of an option")
    for key, text in (("url", found.url), *_named_headers(found)):
        for name in PLACEHOLDER.findall(text):
            if name not in known:
                may = ", ".join(f"{{{one}}}" for one in sorted(known))
                raise InvalidDeclaration(f"{key}: {{{name[:32]}}} is unknown; there are {may}")
    used = set(PLACEHOLDER.findall(found.url))
    if {ONE, SEVERAL} <= used:
        raise InvalidDeclaration("url: has {symbol} and {symbols}; an API takes one or several")
    try:
        address = PLACEHOLDER.sub("x", found.url)
        parts = urlsplit(address)
        good = parts.scheme in {"http", "https"} and parts.port != 0 and address.isprintable()
        good = good and host_of(address) is not None
    except ValueError:
        parts, good = urlsplit(""), False
    if not good:
        raise InvalidDeclaration("url: is no address as https://api.example.com/quotes")
    if parts.username is not None or parts.password is not None:
        raise InvalidDeclaration("url: holds a login; write it as a header, with {key} in it")
    server = found.url.partition("://")[2].partition("/")[0].partition("?")[0]
    if PLACEHOLDER.search(server):
        raise InvalidDeclaration("url: has a name in braces in its host")
    if KEYS.intersection(PLACEHOLDER.findall(found.url.partition("?")[0])):
        raise InvalidDeclaration("url: has the key before the `?`; it belongs behind it")
    for name, value in parse_qsl(urlsplit(found.url).query, keep_blank_values=True):
        if _SECRET.search(name) and not PLACEHOLDER.search(value):
            raise InvalidDeclaration(
                f"url: {name[:32]} looks like a key; write {name[:32]}={{key}}, and the key into "
                "NAME_API_KEY"
            )


def _named_headers(found: Declaration) -> list[tuple[str, str]]:
    return [(f"headers.{name}", value) for name, value in found.headers.items()]


def _check_headers(found: Declaration) -> None:
    for name, value in found.headers.items():
        key = f"headers.{name[:64]}"
        if not _HEADER.fullmatch(name):
            raise InvalidDeclaration(f"{key}: is no name of a header")
        if name.lower() in _OURS:
            raise InvalidDeclaration(f"{key}: is set by us")
        if {ONE, SEVERAL}.intersection(PLACEHOLDER.findall(value)):
            raise InvalidDeclaration(f"{key}: symbols can be asked for in the url only")
        if not value.isascii() or not value.isprintable():
            raise InvalidDeclaration(f"{key}: has characters that cannot be sent")
        if _SECRET.search(name) and not KEYS.intersection(PLACEHOLDER.findall(value)):
            raise InvalidDeclaration(
                f"{key}: looks like a key; write {{key}} for it, and the key into NAME_API_KEY"
            )


def _check_places(found: Declaration) -> None:
    if found.items:
        _place("items", found.items)
    for name in FieldPlaces.__struct_fields__:
        value: Places | None = getattr(found.fields, name)
        for text in [value] if isinstance(value, str) else value or []:
            _place(f"fields.{name}", text)
        if value == []:
            raise InvalidDeclaration(f"fields.{name}: has no place")
    if found.fields.symbol is None and ONE not in found.placeholders:
        raise InvalidDeclaration(
            "fields.symbol: is missing; only an API that is asked for one {symbol} needs none"
        )
    if found.fields.price == VALUE_OF_ITEM:
        # There is nothing in a number where any other field could be.
        others = [
            name
            for name in FieldPlaces.__struct_fields__
            if name != "price" and getattr(found.fields, name) not in (None, KEY_OF_OBJECT)
        ]
        if others:
            raise InvalidDeclaration(
                f'fields.{others[0]}: is of no use beside price = "{VALUE_OF_ITEM}": '
                "in an item that is a number there is no other field"
            )
    if found.time_unit is not None and found.fields.time is None:
        raise InvalidDeclaration("time_unit: is of no use without fields.time")
    if found.error is not None:
        for name in ("at", "code"):
            where: str | None = getattr(found.error, name)
            if where is not None:
                _place(f"error.{name}", where)


def _place(key: str, text: str) -> None:
    if (key, text) in {("fields.symbol", KEY_OF_OBJECT), ("fields.price", VALUE_OF_ITEM)}:
        return
    if text in {KEY_OF_OBJECT, VALUE_OF_ITEM}:
        where = "symbol" if text == KEY_OF_OBJECT else "price"
        raise InvalidDeclaration(f'{key}: "{text}" is for fields.{where} alone')
    try:
        read_place(text)
    except BadPlace as error:
        raise InvalidDeclaration(f"{key}: {error}") from None


def _check_fixed(key: str, fixed: Fixed) -> None:
    unread: list[str] = []
    field = OptionalFields(Symbol("X"), unread)
    field.label("exchange", fixed.exchange)
    field.label("currency", fixed.currency)
    field.label("name", fixed.name, 80)
    field.session(fixed.session)
    field.delay(fixed.delayed, fixed.delayed_seconds)
    for text in unread:
        raise InvalidDeclaration(f"{key}.{text.replace(' of X is ', ': is ')}")


def _check_symbols(found: Declaration) -> None:
    rules = found.symbols
    by_name = {ONE, SEVERAL}.intersection(found.placeholders)
    if not by_name and rules != SymbolRules():
        raise InvalidDeclaration("symbols: is of no use without {symbols} or {symbol} in the url")
    if not 1 <= rules.at_once <= MOST_AT_ONCE:
        raise InvalidDeclaration(
            f"symbols.at_once: must be from 1 to {MOST_AT_ONCE}, not {rules.at_once}"
        )
    for status in rules.unknown:
        if not 400 <= status <= 499:
            raise InvalidDeclaration(
                f"symbols.unknown: {status} is no status from 400 to 499, by which it would be said"
            )
    for key, texts in (("start", rules.start), ("names", list(rules.names))):
        for text in texts:
            try:
                parse_symbol(text)
            except InvalidSymbol as error:
                raise InvalidDeclaration(f"symbols.{key}: {error}") from None
    for name, value in rules.names.items():
        if not value or not value.isprintable():
            raise InvalidDeclaration(f"symbols.names.{name}: is no name of a symbol")


def _in_words(said: str) -> str:
    """What msgspec says of a wrong value, with the key first, in the words of this page."""
    match = _SAID.fullmatch(said)
    text, key = (said, "") if match is None else (match[1], match[2] or "")
    quoted = _QUOTED.findall(text)
    if "unknown field" in text:
        known = ", ".join(_STRUCTS[key].__struct_fields__) if key in _STRUCTS else "none"
        return f"{_below(key, quoted[0])}: is unknown; there are {known}"
    if "missing required field" in text:
        return f"{_below(key, quoted[0])}: is missing"
    if text.startswith("Expected") and len(quoted) == 2:
        wanted, got = (_kinds(one) for one in quoted)
        return f"{key or 'the file'}: must be {wanted}, not {got}"
    if text.startswith("Invalid enum value"):
        kinds = [str(unit) for unit in TimeUnit] if key == "time_unit" else ["requests", "symbols"]
        return f"{key}: must be one of {', '.join(kinds)}, not {text[19:60]}"
    return f"{key or 'the file'}: {text[:1].lower()}{text[1:]}"


def _below(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _kinds(text: str) -> str:
    return (
        " or ".join(
            dict.fromkeys(_WORDS.get(one, one) for one in text.split(" | ") if one != "null")
        )
        or _WORDS["null"]
    )
