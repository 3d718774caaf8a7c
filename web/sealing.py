"""Signed values of cookies, and how the key that signs them is replaced.

The signature is itsdangerous' HMAC-SHA256. A value signed by a key of before is read as long as
that key is known; what is signed is signed by the key of now.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from itsdangerous import Signer

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEX_LENGTH = 64


class Seal:
    """Signs and reads the values of one kind.

    `keys` are derived from the secrets, each for its kind: what one kind has signed is no value of
    another.
    """

    def __init__(self, secrets: Sequence[str], kind: bytes, *, before: str = "") -> None:
        """`secrets` are `SECRET_KEY_BASE`, and the one it replaces if there is one. `before` stood
        before the text where signatures were not itsdangerous' but hexadecimal: until 2026.
        """
        self.keys = tuple(hmac.digest(secret.encode(), kind, hashlib.sha256) for secret in secrets)
        self._signers = [
            Signer(key, key_derivation="none", digest_method=hashlib.sha256) for key in self.keys
        ]
        self._before = before

    def sign(self, text: str) -> str:
        """The value that says `text`."""
        return self._signers[0].sign(text).decode()

    def read(self, value: str) -> tuple[str, int] | None:
        """What a value says, and the place in `keys` of the one that signed it; None for a forged
        one.
        """
        text, _, given = value.rpartition(".")
        signature = given.encode()
        for number, (key, signer) in enumerate(zip(self.keys, self._signers, strict=True)):
            if len(signature) == _HEX_LENGTH:
                said = f"{self._before}{text}".encode()
                made = hmac.digest(key, said, hashlib.sha256).hex().encode()
            else:
                # Not `unsign`: that ignores the last bits, so one value could be written in four
                # ways.
                made = signer.get_signature(text)
            # In constant time: else the time would tell how many characters are right.
            if hmac.compare_digest(signature, made):
                return text, number
        return None
