"""What a feed is told when the key of its provider has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.market.providers import Provider
    from stockstream.market.providers.push import Access


@dataclass(frozen=True, slots=True)
class AccessRenewed:
    """To a feed that is pushed to: the next connection, and each question by REST, uses this."""

    access: Access


@dataclass(frozen=True, slots=True)
class ProviderRenewed:
    """To a feed that polls: the next fetch asks a provider that this makes."""

    open_provider: Callable[[], Provider]
