"""The address that a provider sends a browser back to. Pure.

It is that of the host which the browser asked for: the cookie of the attempt is kept under that,
and the host was checked. `PUBLIC_URL`, where it is of the same host, says scheme and port, which a
proxy may not hand on.
"""

from __future__ import annotations

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def return_address(host: str, *, secure: bool, base: str, path: str, public_url: str | None) -> str:
    """`host` is as asked for, with a port where one was given; `base` is before all our paths."""
    if public_url is not None and _name(public_url) == _name(f"//{host}"):
        place = urlsplit(public_url)
        return f"{place.scheme}://{place.netloc.lower()}{place.path.rstrip('/') or base}{path}"
    scheme = "https" if secure else "http"
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}{base}{path}"


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
