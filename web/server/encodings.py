"""Which encoding of an answer a client asks for (RFC 9110, 12.5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

GZIP: Final = "gzip"
BROTLI: Final = "br"
_IDENTITY = "identity"


def best_encoding(headers: Headers, *offered: str) -> str | None:
    """What of those `offered` the client wants most, the first of equals; None for plain bytes.

    `Accept-Encoding` must allow it and want it no less than the plain bytes. Of a client that does
    not say, nothing is known: it gets the plain bytes. So does one that refuses everything, which
    the standard allows, rather than an error nobody reads.
    """
    accepted = parse_accept_header(", ".join(headers.getlist("Accept-Encoding")), Accept)
    best = max(offered, key=accepted.quality)
    wanted = accepted.quality(best)
    # Plain bytes that are not named are allowed, and wanted least.
    return best if wanted > 0 and wanted >= accepted.quality(_IDENTITY) else None
