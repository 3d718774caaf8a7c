"""What can be asked of the identity provider, and its answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from supervision import Request

if TYPE_CHECKING:
    from pydantic import SecretStr

    from stockstream.users.oidc.attempts import Begun, Resumed
    from stockstream.users.oidc.roles import RoleRules
    from stockstream.users.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """Which provider, and as which client. `name` is what people call it."""

    issuer: str
    client_id: str
    scopes: str
    name: str
    rules: RoleRules


class Blame(StrEnum):
    """Whose a failed login is, which decides what can be done about it."""

    AWAY = "away"
    """The provider gives no answer: later."""
    SETUP = "setup"
    """The provider, or what is set here, has to be corrected by operators."""
    LOGIN = "login"
    """This login: begin again."""
    ROLE = "role"
    """The provider knows the person and gives them no role here."""


@dataclass(frozen=True, slots=True)
class NoLogin:
    """Why nobody is logged in. `told` is for the person, `reason` for the log."""

    blame: Blame
    reason: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is: issuer and subject, which the provider gives nobody else. What they are
    called may change. Without a `role` the provider has no say in it.
    """

    issuer: str
    subject: str
    name: str
    role: Role | None


class FindLogin(Request["str | NoLogin"]):
    """Where to send a browser that begins an attempt."""

    __slots__ = ("begun", "redirect_uri")

    def __init__(self, begun: Begun, redirect_uri: str) -> None:
        self.begun = begun
        self.redirect_uri = redirect_uri


class FinishLogin(Request["Identity | NoLogin"]):
    """Who somebody is that came back with a code. `issuer` is who answers, where that is told."""

    __slots__ = ("code", "issuer", "redirect_uri", "resumed")

    def __init__(
        self, code: str, resumed: Resumed, redirect_uri: str, issuer: str | None = None
    ) -> None:
        self.code = code
        self.resumed = resumed
        self.redirect_uri = redirect_uri
        self.issuer = issuer


@dataclass(frozen=True, slots=True)
class ClientSecretChanged:
    """The client has another secret from now on."""

    secret: SecretStr
