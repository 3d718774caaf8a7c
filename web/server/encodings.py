"""Which encoding of an answer a client asks for (RFC 9110, 12.5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header

if TYPE_CHECKING:
    from werkzeug.datastructures import Headers

GZIP: Final = "gzip"
_IDENTITY = "identity"


def prefers_gzip(headers: Headers) -> bool:
    """Whether `Accept-Encoding` allows gzip and wants it no less than the plain bytes.

    Of a client that does not say, nothing is known: it gets the plain bytes. So does one that
    refuses both, which the standard allows, rather than an error nobody reads.
    """
    accepted = parse_accept_header(", ".join(headers.getlist("Accept-Encoding")), Accept)
    gzip = accepted.quality(GZIP)
    # Plain bytes that are not named are allowed, and wanted least.
    return gzip > 0 and gzip >= accepted.quality(_IDENTITY)
