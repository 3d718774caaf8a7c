"""Addresses with possible secrets masked, so that people may see them."""

from __future__ import annotations

import re

MASK = "********"


def without_secrets(url: str) -> str:
    """Mask the login, and in the query what may be a key: providers give it any name they like."""
    hidden = re.sub(r"(?<=://)[^/@,]*@", f"{MASK}@", url)
    if hidden.startswith("sim:"):
        return hidden  # its parameters say how the simulated market moves
    names = "(?:ssl)?password" if hidden.startswith("postgres") else "[^=&#]*"
    hidden = re.sub(rf"(?i)([?&]{names}=)[^&#]*", rf"\1{MASK}", hidden)
    if hidden.startswith("postgres"):
        return hidden
    # A key may stand there without a name.
    return re.sub(r"([?&])[^=&#]+(?=&|#|$)", rf"\1{MASK}", hidden)
