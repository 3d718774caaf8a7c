"""What a provider of prices promises, and how it fails.

A provider belongs to whoever opened it (a feed), is used by one task at a time, and is closed by
its owner. It fetches, limits, decodes and checks; it never retries, schedules or logs: the feed and
the circuit breaker do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stockstream.market.parser import Parsed
    from stockstream.market.providers.push import Bucket
    from stockstream.quotes import Symbol
    from stockstream.statuses import BodySample


@dataclass(frozen=True, slots=True)
class Terms:
    """How a provider may be asked.

    One that lists all it has has no `at_once`; another is asked for so many symbols by name in a
    request, and for the `starters` where nobody has named any. `limits` are what it allows, all of
    them at the same time: requests, or where it `counts_symbols`, symbols asked for.
    """

    at_once: int | None = None
    starters: frozenset[Symbol] = frozenset()
    limits: tuple[Bucket, ...] = ()
    counts_symbols: bool = False


class Provider(Protocol):
    """A source of prices."""

    @property
    def terms(self) -> Terms:
        """How it may be asked; the same for all its life."""

    @property
    def address(self) -> str:
        """What is asked, as logs hold it: whole, without what may be a secret in it."""

    @property
    def interval(self) -> float | None:
        """Seconds between fetches, where the source itself sets the pace; None: the caller does."""

    @property
    def has_own_clock(self) -> bool:
        """Whether the times it tells are of another machine's clock than ours."""

    async def fetch(self, symbols: AbstractSet[Symbol] | None) -> Parsed:
        """Fetch the prices of `symbols`, or of all it lists when None.

        One that has `Terms.at_once` is never asked for None, nor for more symbols than that. May
        bring symbols that were not asked for. Ends within a limit of its own, in a `Parsed`
        or a `ProviderError`; can be cancelled at any point and leaves nothing open then.
        """

    async def aclose(self) -> None:
        """Give back connections. Idempotent."""


@runtime_checkable
class Sampled(Protocol):
    """A provider whose last answer can be shown to whoever runs this."""

    @property
    def sample(self) -> BodySample | None:
        """The begin of the last answer, keys masked; None before the first."""


def sample_of(provider: Provider) -> BodySample | None:
    """The last answer of a provider, where it has any to show."""
    return provider.sample if isinstance(provider, Sampled) else None


class ProviderError(Exception):
    """A fetch that brought nothing.

    ``kind`` is a short stable word for counting and for logging once per kind; ``retry_after``
    is how many seconds the upstream asked to be left alone, if it did. The message is in our words,
    fit for anybody; ``said`` is what the upstream had to say, for whoever runs this.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retry_after: float | None = None,
        said: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after = retry_after
        self.said = said


class ProviderDown(ProviderError):
    """No answer: refused, unresolvable, reset, no TLS, or not HTTP."""


class ProviderTimeout(ProviderError):
    """No complete answer in time."""


class ProviderStatus(ProviderError):
    """An answer with a status other than 200."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        retry_after: float | None = None,
        said: str | None = None,
    ) -> None:
        super().__init__(f"status_{status}", message, retry_after=retry_after, said=said)
        self.status = status


class ProviderRefused(ProviderStatus):
    """The key is wrong, or the plan does not allow what was asked: asking again ends the same."""


class SymbolsNotFound(ProviderError):
    """None of the named symbols is there, by a 404 or an empty list: an answer about the symbols,
    not a sign of trouble upstream (B6).
    """

    def __init__(self, message: str, *, said: str | None = None) -> None:
        super().__init__("symbols_not_found", message, said=said)


class ProviderBody(ProviderError):
    """An answer with status 200 and a body of no use: HTML, not JSON, cut short, too large."""


class InvalidProviderUrl(ValueError):
    """The address of the price API cannot be used. Found before anything starts."""
