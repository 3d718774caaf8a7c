"""What a provider says of itself (OIDC Discovery 1.0), and the addresses made from it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from stockstream.decoding import from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

WELL_KNOWN = "/.well-known/openid-configuration"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""How an ID token may be signed: with a key pair, so that who can check one cannot make one."""
_LONGEST = 200


class ProviderMistake(Exception):
    """What the provider says cannot be used; the message says why."""


class Metadata(msgspec.Struct, frozen=True):
    """What of it is used; all else is left alone."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False

    @property
    def algorithms(self) -> frozenset[str]:
        """Those that it says it signs with, and that are taken here."""
        return frozenset(self.id_token_signing_alg_values_supported).intersection(ALGORITHMS)

    @property
    def secret_in_body(self) -> bool:
        """Whether the client's secret has to stand in the body, as the header is not taken."""
        methods = self.token_endpoint_auth_methods_supported
        return "client_secret_basic" not in methods and "client_secret_post" in methods


def metadata_url(issuer: str) -> str:
    """Where a provider tells of itself."""
    return issuer.rstrip("/") + WELL_KNOWN


def read_metadata(body: bytes, issuer: str) -> Metadata:
    """Check what was answered at `metadata_url(issuer)`.

    Raises:
        ProviderMistake: it is no such document, of another issuer, or of no use to us.
    """
    try:
        found = from_json(body, Metadata)
    except msgspec.DecodeError as error:
        raise ProviderMistake(f"it is not what a provider says of itself: {error}") from None
    if found.issuer != issuer:
        raise ProviderMistake(
            f"it calls itself {found.issuer[:_LONGEST]!r}, and OIDC_ISSUER is {issuer!r}: they "
            "must be the same to the letter, a slash at the end included"
        )
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        trouble = why_unsafe(getattr(found, name), tls=issuer.startswith("https:"))
        if trouble is not None:
            raise ProviderMistake(f"its {name} {trouble}")
    if not found.algorithms:
        raise ProviderMistake(f"it signs ID tokens by none of {', '.join(ALGORITHMS)}")
    return found


def why_unsafe(url: str, *, tls: bool = False) -> str | None:
    """Why secrets may not go to an address; None where they may.

    Without TLS anybody on the way could be the provider. This machine is no way, as long as no
    `tls` is asked for.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"is no address: {error}"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must be as https://host"
    if parts.username is not None or parts.fragment:
        return "must hold no login and nothing after #"
    if any(ord(one) <= 0x20 or ord(one) == 0x7F for one in url):
        return "holds a blank or a control character"
    if parts.scheme == "http" and (tls or not _is_loopback(parts.hostname)):
        return "must be https:, as everything that is believed comes from there"
    return None


def authorization_url(
    metadata: Metadata, client_id: str, scopes: str, redirect_uri: str, values: Mapping[str, str]
) -> str:
    """Where the browser goes to log in; `values` are state, nonce and code_challenge."""
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scopes,
        "code_challenge_method": "S256",
        **values,
    }
    there = metadata.authorization_endpoint
    return f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(asked)}"


def basic_login(client_id: str, secret: str) -> tuple[str, str]:
    """Name and password of the client, as the header holds them (RFC 6749, 2.3.1)."""
    return quote_plus(client_id), quote_plus(secret)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or (
        host.startswith("127.") and host.replace(".", "").isdigit()
    )
