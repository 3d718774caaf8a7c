"""Roles of accounts, and the scopes that each has. An API token has some of its account's."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Scope(StrEnum):
    """One kind of thing that may be done."""

    PRICES_READ = "prices:read"
    HISTORY_READ = "history:read"
    ALERTS_WRITE = "alerts:write"
    """One's own lists, rules and fired alerts: reading and changing them."""
    METRICS_READ = "metrics:read"
    ADMIN_READ = "admin:read"
    ADMIN_WRITE = "admin:write"
    """What an operator does without a fault: draining, a restart, a log level, posting again."""
    CHAOS_RUN = "chaos:run"
    USERS_WRITE = "users:write"
    """Accounts, sessions and tokens of everybody, and the audit."""
    LOAD = "load"
    """No limits by address; for load tests, and each use is audited."""


class Role(StrEnum):
    """What an account is for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    CHAOS = "chaos"
    ADMIN = "admin"


_VIEWER = frozenset({Scope.PRICES_READ, Scope.HISTORY_READ, Scope.ALERTS_WRITE})
_OPERATOR = _VIEWER | {Scope.METRICS_READ, Scope.ADMIN_READ, Scope.ADMIN_WRITE}

SCOPES: Mapping[Role, frozenset[Scope]] = MappingProxyType(
    {
        Role.VIEWER: _VIEWER,
        Role.OPERATOR: _OPERATOR,
        Role.CHAOS: _OPERATOR | {Scope.CHAOS_RUN},
        Role.ADMIN: frozenset(Scope),
    }
)
"""What each role may do."""
