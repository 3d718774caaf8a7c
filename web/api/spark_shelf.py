"""The courses of the day as they were read from the database, for a minute, and for everybody.

A thousand pages that load at once ask for the same symbols. The database is asked one question at a
time, and only for what nobody has asked within `FRESH_SECONDS`; who waited for a question finds its
answer here.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import trio

from stockstream.delivery.protocol import encode
from stockstream.quotes import iso_utc
from stockstream.times import Moment
from web.asking import RETRY_SECONDS, TooManyQueriesError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping

    from stockstream.database.query import Answered
    from stockstream.history.sparks import Spark, Wanted
    from stockstream.quotes import Symbol

FRESH_SECONDS = 60.0
"""Within a bin of ten minutes a page goes on by itself, by the prices that it is told."""
MOST_KEPT = 5_000
"""Symbols; a course is a kilobyte or two."""
WAIT_SECONDS = 9.0
"""For those who asked before, and for the own question; a question alone may take eight."""


class SparkItem(msgspec.Struct, frozen=True):
    """The course of a symbol's day, from midnight to midnight in its `zone`.

    `closes` are the last prices in stretches of `bin_seconds`, the first of which begins at
    `first`; null stands for one without a price, and for `first` where there are none at all.
    """

    symbol: str
    zone: str
    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    first: str | None
    closes: list[float | None]


class Kept(NamedTuple):
    """A course that was read: of which day and currency, encoded, and what tells it from others.

    What was recorded before `as_of` is in it.
    """

    wanted: Wanted
    body: bytes
    digest: bytes
    read: Moment
    as_of: Moment


class Reader(Protocol):
    """What asks the database for courses."""

    def __call__(self, wanted: Mapping[Symbol, Wanted], /) -> Awaitable[Answered[dict[str, Spark]]]:
        """Those that there are.

        Raises:
            TooManyQueriesError: the pool is exhausted.
            UnavailableError: the database is away.
        """


class SparkShelf:
    """See the module. It outlives no life of `web`, and belongs to one."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._kept: dict[Symbol, Kept] = {}
        self._turn = trio.Lock()
        self._failure: tuple[Moment, UnavailableError | TooManyQueriesError] | None = None

    def __len__(self) -> int:
        """How many are kept, fresh or not."""
        return len(self._kept)

    async def get(self, wanted: Mapping[Symbol, Wanted]) -> list[Kept]:
        """The courses of these days, in their order.

        Raises:
            TooManyQueriesError: as `Reader` says, of this question or of one waited for.
            UnavailableError: the same; or there was no answer in time.
        """
        found = self._fresh(wanted)
        if len(found) == len(wanted):
            return list(found.values())
        came = Moment.now()
        with trio.move_on_after(WAIT_SECONDS):
            async with self._turn:
                # Others have asked meanwhile.
                found |= self._fresh({s: w for s, w in wanted.items() if s not in found})
                missing = {symbol: w for symbol, w in wanted.items() if symbol not in found}
                if missing:
                    self._fail_as_those_before(came)
                    found |= await self._ask(missing)
            return [found[symbol] for symbol in wanted]
        why = "there is no answer of the database yet; try again"
        raise UnavailableError(why, retry_after=RETRY_SECONDS)

    def _fresh(self, wanted: Mapping[Symbol, Wanted]) -> dict[Symbol, Kept]:
        kept = ((symbol, self._kept.get(symbol)) for symbol in wanted)
        return {
            symbol: one
            for symbol, one in kept
            if one is not None and one.wanted == wanted[symbol] and one.read.age < FRESH_SECONDS
        }

    def _fail_as_those_before(self, came: Moment) -> None:
        """A question that failed while somebody waited for it has failed for them too.

        Otherwise a thousand would find out one after the other that the database does not answer.
        """
        if self._failure is not None and came < self._failure[0]:
            error = self._failure[1]
            raise type(error)(error.description, retry_after=error.retry_after)

    async def _ask(self, missing: Mapping[Symbol, Wanted]) -> dict[Symbol, Kept]:
        asked = Moment.now()
        try:
            answer = await self._read(missing)
        except (UnavailableError, TooManyQueriesError) as error:
            self._failure = Moment.now(), error
            raise
        as_of = asked if answer.as_of is None else answer.as_of
        made = {
            symbol: _kept(symbol, one, answer.value.get(symbol), asked, as_of)
            for symbol, one in missing.items()
        }
        for symbol, one in made.items():
            self._kept.pop(symbol, None)  # the newest are last
            self._kept[symbol] = one
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return made


def _kept(symbol: Symbol, wanted: Wanted, spark: Spark | None, read: Moment, as_of: Moment) -> Kept:
    day = wanted.day
    first, closes = (None, []) if spark is None else (iso_utc(spark.first), list(spark.closes))
    item = SparkItem(str(symbol), day.zone, iso_utc(day.start), iso_utc(day.end), first, closes)
    body = encode(item)
    return Kept(wanted, body, blake2b(body, digest_size=8).digest(), read, as_of)


def tag_of(found: Iterable[Kept]) -> str:
    """An ETag of an answer of these: another one whenever its text is."""
    whole = blake2b(digest_size=12)
    for one in found:
        whole.update(one.digest)
    return whole.hexdigest()
