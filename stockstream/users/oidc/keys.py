"""The keys that a provider signs with (RFC 7517), and how long they are believed. Pure."""

from __future__ import annotations

import math
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from stockstream.decoding import from_json
from stockstream.users.oidc.metadata import ProviderMistake

if TYPE_CHECKING:
    from collections.abc import Callable

KEEP_SECONDS = 3600.0
"""How long keys and what the provider says of itself are believed without asking."""
REFETCH_SECONDS = 60.0
"""How soon they are asked for again because of a key that is not among them: whoever makes tokens
up must not have us ask each time."""
MOST_KEYS = 100
RSA_BITS = range(2048, 8193)
_OF_RSA = ("RS256", "PS256")


class _Jwk(msgspec.Struct, frozen=True):
    """A key as it is told. What is private in it is left alone, and so are symmetric ones."""

    kty: str
    kid: str | None = None
    use: str | None = None
    alg: str | None = None
    key_ops: tuple[str, ...] | None = None
    crv: str | None = None
    n: str | None = None
    e: str | None = None
    x: str | None = None
    y: str | None = None


class _Jwks(msgspec.Struct, frozen=True):
    keys: tuple[msgspec.Raw, ...]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that checks signatures by some algorithms."""

    id: str | None
    algorithms: frozenset[str]
    key: RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class Keys:
    """Those of a provider that can be used."""

    keys: tuple[PublicKey, ...] = ()

    def find(self, algorithm: str, key_id: str | None) -> tuple[PublicKey, ...]:
        """Those that may have signed: of the id where one is named, and fit for the algorithm."""
        fit = [key for key in self.keys if algorithm in key.algorithms]
        if key_id is None:
            # OIDC Core, 10.1: only where there is one key need no token name it.
            return tuple(fit) if len(fit) == 1 else ()
        return tuple(key for key in fit if key.id == key_id)


def read_keys(body: bytes) -> Keys:
    """The keys of a document; what cannot be read or used costs itself only (RFC 7517, 5).

    Raises:
        ProviderMistake: it is no such document, or has no key that can be used.
    """
    try:
        found = from_json(body, _Jwks)
    except msgspec.DecodeError as error:
        raise ProviderMistake(f"what it tells at its jwks_uri are no keys: {error}") from None
    if len(found.keys) > MOST_KEYS:
        raise ProviderMistake(f"it tells {len(found.keys):,} keys; {MOST_KEYS} are read")
    keys = tuple(key for raw in found.keys if (key := _read(bytes(raw))) is not None)
    if not keys:
        raise ProviderMistake("it tells no key that an ID token's signature can be checked with")
    return Keys(keys)


def _read(raw: bytes) -> PublicKey | None:
    try:
        told = from_json(raw, _Jwk)
    except msgspec.DecodeError:
        return None
    if told.use not in {None, "sig"} or (told.key_ops is not None and "verify" not in told.key_ops):
        return None
    reader = _READERS.get((told.kty, told.crv) if told.kty != "RSA" else ("RSA", None))
    if reader is None:
        return None
    read, algorithms = reader
    try:
        key = read(told)
    except (JoseError, ValueError, TypeError):  # no base64, no point of the curve
        return None
    named = frozenset(one for one in algorithms if told.alg in {None, one})
    return PublicKey(told.kid, named, key) if named else None


def _rsa(told: _Jwk) -> RSAKey:
    modulus = urlsafe_b64decode(f"{told.n or ''}==")
    if int.from_bytes(modulus).bit_length() not in RSA_BITS:
        raise ValueError("too weak, or so long that a check takes seconds")
    return RSAKey.import_key({"kty": "RSA", "n": told.n or "", "e": told.e or ""})


def _ec(told: _Jwk) -> ECKey:
    return ECKey.import_key({"kty": "EC", "crv": "P-256", "x": told.x or "", "y": told.y or ""})


def _okp(told: _Jwk) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": told.x or ""})


_READERS: dict[
    tuple[str, str | None], tuple[Callable[[_Jwk], RSAKey | ECKey | OKPKey], tuple[str, ...]]
] = {
    ("RSA", None): (_rsa, _OF_RSA),
    ("EC", "P-256"): (_ec, ("ES256",)),
    ("OKP", "Ed25519"): (_okp, ("EdDSA",)),
}


class Kept:
    """Keys with their age; `now` is of a clock that never steps."""

    def __init__(self) -> None:
        self.keys = Keys()
        self._taken = self._asked = -math.inf

    def ask(self, now: float) -> None:
        """They are asked for, whatever comes of it."""
        self._asked = now

    def take(self, keys: Keys, now: float) -> None:
        """Believe these from now on."""
        self.keys, self._taken = keys, now

    def fresh(self, now: float) -> bool:
        """Whether they are believed yet."""
        return now - self._taken < KEEP_SECONDS

    def may_refetch(self, now: float) -> bool:
        """Whether a key that is not among them is a reason to ask again."""
        return now - self._asked >= REFETCH_SECONDS
