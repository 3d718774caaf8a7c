"""Signatures of webhooks, and the check of them that the guide gives to receivers."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from stockstream.alerts.signing import Signer, signature

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"


def test_a_signature_is_of_the_secret_the_body_and_the_time() -> None:
    """As a receiver works it out; another secret, body or time gives another."""
    signer = Signer("s" * 32)
    secret = signer.secret("me")
    assert secret != signer.secret("you")
    assert secret != Signer("t" * 32).secret("me")
    assert signer.header("me", b"{}", 1_700) == f"t=1700,v1={signature(secret, b'{}', 1_700)}"
    others = {signature(secret, b"{ }", 1_700), signature(secret, b"{}", 1_701)}
    assert signature(secret, b"{}", 1_700) not in others
    # By the command of OpenSSL: printf '1700.{}' | openssl dgst -sha256 -hmac whsec_test
    assert signature("whsec_test", b"{}", 1_700) == (
        "90e56cb326ab26beb0789ba0a6a39910eae8ce529be87929f5c345c161d66287"
    )


def test_the_guides_check_takes_what_we_send_and_nothing_else() -> None:
    """Another secret, another body, and a header that is old are refused."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    signer, now = Signer("s" * 32), int(time.time())
    secret = signer.secret("me")
    header = signer.header("me", b"{}", now)
    assert is_genuine(header, b"{}", secret)
    assert not is_genuine(header, b"{ }", secret)
    assert not is_genuine(header, b"{}", signer.secret("you"))
    assert not is_genuine(signer.header("me", b"{}", now - 1_000), b"{}", secret)
