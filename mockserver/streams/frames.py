"""Makes the frames that are sent: the values of now in the place of their names. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mockserver.json_types import Json
from mockserver.streams.market import Market
from mockserver.streams.patterns import NAME
from mockserver.streams.tape import EACH, SETS

_MICROSECONDS: Final = 1_000_000


class NothingToTell(Exception):
    """An object of each symbol of a set, and there is none."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What frames are made of: the values a pattern took, the sets of symbols, the market, the time
    (with a zone) and a number that rises.
    """

    values: Mapping[str, Json]
    sets: Mapping[str, Sequence[str]]
    market: Market
    now: datetime
    count: int


def filled(frame: Json, scene: Scene, symbol: str | None = None) -> Json:
    """`frame` with the values of `scene`, of `symbol` where it stands for one.

    Raises `NothingToTell`.
    """
    if isinstance(frame, dict):
        names = scene.sets[str(frame[EACH])] if EACH in frame else [symbol]
        return {
            str(filled(member, scene, name)): filled(value, scene, name)
            for name in names
            for member, value in frame.items()
            if member != EACH
        }
    if isinstance(frame, list):
        return [item for part in frame for item in _items(part, scene, symbol)]
    if not isinstance(frame, str) or "$" not in frame:
        return frame
    whole = NAME.fullmatch(frame)
    if whole:
        return _value(whole[1], scene, symbol)
    return NAME.sub(lambda found: str(_value(found[1], scene, symbol)), frame)


def _items(part: Json, scene: Scene, symbol: str | None) -> list[Json]:
    if isinstance(part, str) and part[:1] == "$" and part[1:] in SETS:
        return list(scene.sets[part[1:]])
    if isinstance(part, dict) and EACH in part:
        names = scene.sets[str(part[EACH])]
        if not names:
            raise NothingToTell
        one = {member: value for member, value in part.items() if member != EACH}
        return [filled(one, scene, name) for name in names]
    return [filled(part, scene, symbol)]


def _value(name: str, scene: Scene, symbol: str | None) -> Json:
    if name in scene.values:
        return scene.values[name]
    match name:
        case "now_s":
            return int(scene.now.timestamp())
        case "now_ms":
            return _nanoseconds(scene.now) // 1_000_000
        case "now_ns":
            return _nanoseconds(scene.now)
        case "now_iso":
            return scene.now.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case "count":
            return scene.count
        case "symbol":
            return symbol
        case "symbol_upper":
            return None if symbol is None else symbol.upper()
    if symbol is None or not scene.market.knows(symbol):
        return None
    price = scene.market.price(symbol)
    told: dict[str, Json] = {
        "price": price.last,
        "price_text": price.written,
        "first": price.first,
        "first_text": price.as_text(price.first),
        "change": float(f"{price.last - price.first:.12g}"),
        "high": price.high,
        "high_text": price.as_text(price.high),
        "low": price.low,
        "low_text": price.as_text(price.low),
        "bid": price.bid,
        "bid_text": price.as_text(price.bid),
        "ask": price.ask,
        "ask_text": price.as_text(price.ask),
        "volume": price.volume,
        "volume_text": str(price.volume),
    }
    return told[name]


def _nanoseconds(moment: datetime) -> int:
    return (int(moment.timestamp()) * _MICROSECONDS + moment.microsecond) * 1000
