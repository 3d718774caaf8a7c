"""Checks ID tokens (OIDC Core, 3.1.3.7). Pure: keys and clock are passed in."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from joserfc import jws
from joserfc.errors import ClaimError, JoseError
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

from stockstream.decoding import from_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stockstream.users.oidc.keys import Keys

LEEWAY_SECONDS = 60
"""How far the provider's clock may be off."""
OLDEST_SECONDS = 600
"""A token is made when the code is exchanged, a moment before it is checked."""
LONGEST_TOKEN = 65_536
LONGEST_SUBJECT = 255
"""OIDC Core, 2: at most so many characters of ASCII."""


class BadToken(Exception):
    """The token proves nothing; the message says why, and holds nothing of it."""


class UnknownKey(BadToken):
    """It names a key that is not known. The provider may have a new one since."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token has to say to be believed; `now` in seconds since 1970."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: Collection[str]
    now: int


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None
    crit: object = None


class _Registry(JWSRegistry):
    """joserfc's limits, for the headers that providers send."""

    max_header_length = 8192
    max_payload_length = LONGEST_TOKEN


# RFC 9864 has renamed it, and providers go on writing the old name: joserfc warns at each use.
_Registry.algorithms = {**JWSRegistry.algorithms, "EdDSA": JWSRegistry.algorithms["Ed25519"]}


def check_id_token(token: str, keys: Keys, expected: Expected) -> Mapping[str, object]:
    """The claims of a token for us, of this attempt, signed by the provider and fresh.

    Raises:
        UnknownKey: none of the keys is the one that it names.
        BadToken: it is not believed.
    """
    header = _header(token)
    if header.alg not in expected.algorithms:
        raise BadToken(
            f"it is signed by {header.alg[:20]!r}, and the provider signs by "
            f"{', '.join(sorted(expected.algorithms))}"
        )
    found = keys.find(header.alg, header.kid)
    if not found:
        raise UnknownKey("it is signed with a key that the provider does not tell")
    registry = _Registry(algorithms=[header.alg], strict_check_header=False)
    for one in found:  # more than one only where the provider gave two keys one id
        try:
            signed = jws.deserialize_compact(token, one.key, registry=registry)
        except (JoseError, ValueError):
            continue
        return _checked(signed.payload or b"", expected)
    raise BadToken("its signature is not the provider's")


def _header(token: str) -> _Header:
    if len(token) > LONGEST_TOKEN:
        raise BadToken("it is too long")
    first, _, rest = token.partition(".")
    if rest.count(".") != 1:
        raise BadToken("it is no signed token: it has not three parts")
    try:
        raw = urlsafe_b64decode(first.encode("ascii") + b"=" * (-len(first) % 4))
        header = from_json(raw, _Header)
    except (ValueError, msgspec.DecodeError):
        raise BadToken("it is no signed token: its header cannot be read") from None
    if header.crit is not None:
        raise BadToken("it demands an extension that is not known here")
    return header


def _checked(payload: bytes, expected: Expected) -> Mapping[str, object]:
    try:
        claims = from_json(payload, dict[str, object])
    except msgspec.DecodeError:
        raise BadToken("what is signed are no claims") from None
    registry = JWTClaimsRegistry(
        now=expected.now,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True},
    )
    try:
        registry.validate(claims)
    except ClaimError as error:
        raise BadToken(f"a claim of it is not as it must be: {error.description}") from None
    _check_party(claims, expected.client_id)
    nonce, subject, issued = claims["nonce"], claims["sub"], claims["iat"]
    if not isinstance(nonce, str) or not hmac.compare_digest(
        nonce.encode(), expected.nonce.encode()
    ):
        raise BadToken("it is of another login: its nonce is not the one that was sent")
    if not isinstance(subject, str) or not _is_subject(subject):
        raise BadToken(f"its subject is none: at most {LONGEST_SUBJECT} characters of ASCII")
    if isinstance(issued, int | float) and issued < expected.now - OLDEST_SECONDS:
        raise BadToken("it was issued long ago; or a clock is wrong, here or at the provider")
    return claims


def _is_subject(text: str) -> bool:
    return 0 < len(text) <= LONGEST_SUBJECT and text.isascii() and text.isprintable()


def _check_party(claims: Mapping[str, object], client_id: str) -> None:
    """With several audiences, and wherever it is told, the party it was issued to must be us."""
    audience, party = claims["aud"], claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise BadToken("it is for several audiences, and does not say for whom it was issued")
    if party is not None and party != client_id:
        raise BadToken("it was issued to another client")
