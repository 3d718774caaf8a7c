"""From what a provider says of a person to their role. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import normalize

from stockstream.users.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GROUPS = "groups"
_RISING = (Role.VIEWER, Role.OPERATOR, Role.CHAOS, Role.ADMIN)
_SHOWN = re.compile(r"[^\x20-\x7e]")


class NoRole(Exception):
    """The provider's claims give no role, and nobody is let in without one."""


@dataclass(frozen=True, slots=True)
class RoleRule:
    """Which role a value of the claim gives."""

    value: str
    role: Role

    def __str__(self) -> str:
        return f"{self.value}={self.role}"


@dataclass(frozen=True, slots=True)
class RoleRules:
    """Which value of the claim gives which role.

    Without any `roles` the provider has no say: a new account is a viewer, and operators change
    it here. Else it is decided anew at each login; `refuse` says what becomes of those whose
    claims give no role.
    """

    claim: str = GROUPS
    roles: tuple[RoleRule, ...] = ()
    refuse: bool = False

    def role(self, claims: Mapping[str, object]) -> Role | None:
        """The highest role that the claims give; None where the provider has no say.

        Raises:
            NoRole: they give none, and that is refused, or the provider left the groups out.
        """
        if not self.roles:
            return None
        given = set(values_of(claims, self.claim))
        roles = {rule.role for rule in self.roles if rule.value in given}
        if roles:
            return max(roles, key=_RISING.index)
        if _left_out(claims, self.claim):
            # Of somebody with very many groups Entra ID tells none of them. To go on as a viewer
            # would take an administrator's role away.
            raise NoRole(
                f"the provider left the claim {self.claim!r} out, because it would be too long; "
                "have it send roles of the application, or only the groups given to it"
            )
        if self.refuse:
            raise NoRole(f"the claim {self.claim!r} holds no value that gives a role here")
        return Role.VIEWER


def read_roles(text: str) -> tuple[RoleRule, ...]:
    """Rules as `sre=operator, leads=admin`.

    Raises:
        ValueError: it says what is wrong.
    """
    found: dict[str, Role] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        value, equals, name = (piece.strip() for piece in part.rpartition("="))
        if not equals or not value:
            raise ValueError(f"{part!r} is none of value=role")
        try:
            role = Role(name)
        except ValueError:
            raise ValueError(
                f"{part!r}: there is no role {name!r}; there are {', '.join(_RISING)}"
            ) from None
        if found.setdefault(value, role) is not role:
            raise ValueError(f"{value!r} has two roles, {found[value]} and {role}")
    if not found:
        raise ValueError("holds no value=role")
    return tuple(RoleRule(value, role) for value, role in found.items())


def values_of(claims: Mapping[str, object], path: str) -> tuple[str, ...]:
    """The texts in a claim: `groups`, or of one inside others, `realm_access.roles`."""
    for found in _at(claims, path):
        if isinstance(found, str):
            return (found,)
        if isinstance(found, list):
            return tuple(one for one in found if isinstance(one, str))
    return ()


def name_of(claims: Mapping[str, object], subject: str, longest: int) -> str:
    """What to call a person: the first name that can be shown, else the provider's own id.

    It says nothing of who it is: that is the issuer and the subject alone.
    """
    for claim in ("preferred_username", "email", "name"):
        value = claims.get(claim)
        if isinstance(value, str):
            text = normalize("NFC", value)
            shown = "".join(one for one in text if one.isprintable()).strip()[:longest].strip()
            if shown:
                return shown
    return _SHOWN.sub("?", subject)[:longest].strip() or "somebody"


def _at(claims: Mapping[str, object], path: str) -> Iterator[object]:
    """What stands at a path. A name may hold dots itself, as an address or a client's id does."""
    if path in claims:
        yield claims[path]
    for end in range(len(path) - 1, 0, -1):
        if path[end] == ".":
            inner = claims.get(path[:end])
            if isinstance(inner, dict):
                yield from _at(inner, path[end + 1 :])


def _left_out(claims: Mapping[str, object], path: str) -> bool:
    """Whether the provider says that there would be more: a distributed claim (OIDC Core, 5.6.2),
    or Entra's mark for it.
    """
    elsewhere = claims.get("_claim_names")
    first = path.partition(".")[0]
    return (isinstance(elsewhere, dict) and bool({path, first} & elsewhere.keys())) or (
        path == GROUPS and claims.get("hasgroups") in {True, "true"}
    )
