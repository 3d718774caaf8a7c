"""Signatures of webhook calls: they prove to the receiver who sent a call, and when.

The header is `StockStream-Signature: t=<seconds since 1970>,v1=<hex>`; the hex is HMAC-SHA256 of
`<t>.<body>` under the user's secret, the scheme that Stripe uses. The receiver works it out over
the bytes it got, compares in constant time, and refuses a `t` that is minutes old.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "StockStream-Signature"


class Signer:
    """Makes users' secrets and signatures. A secret is derived, so none is stored."""

    def __init__(self, secret: str) -> None:
        """`secret` is `SECRET_KEY_BASE`; with another one, users have other secrets."""
        self._key = hmac.digest(secret.encode(), b"webhooks", hashlib.sha256)

    def secret(self, owner: str) -> str:
        """What a user's receiver checks signatures with."""
        return "whsec_" + hmac.new(self._key, owner.encode(), hashlib.sha256).hexdigest()

    def header(self, owner: str, body: bytes, seconds: int) -> str:
        """The value of the header, for a body sent at `seconds` since 1970."""
        return f"t={seconds},v1={signature(self.secret(owner), body, seconds)}"


def signature(secret: str, body: bytes, seconds: int) -> str:
    """The hex, as both sides work it out."""
    signed = b"%d.%b" % (seconds, body)
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
