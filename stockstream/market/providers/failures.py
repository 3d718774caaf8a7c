"""What an error of the HTTP client means for whoever runs this, in words."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import httpx

from stockstream.http_client import os_reason, root_cause, tls_reason
from stockstream.market.providers.base import ProviderDown, ProviderError, ProviderTimeout
from stockstream.market.shown import shown

if TYPE_CHECKING:
    from stockstream.proxies import ChosenProxy

_LONGEST_TEXT = 120
_TLS_RECORD = r"\x15\x03"
"""How an alert of TLS begins, as h11 shows it: the server was spoken to without TLS."""
_NOT_FOR = ", certificate is not valid for"
_NO_ANSWER = "Server disconnected"
_PLAIN = "WRONG_VERSION_NUMBER"
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
_NO_CA = (18, 19, 20, 21)
"""OpenSSL's codes for a chain that ends in nobody who is trusted."""


def provider_error(error: httpx.HTTPError, proxy: ChosenProxy | None) -> ProviderError:
    """Say what went wrong; `proxy` is the one that was asked instead of the server."""
    root = root_cause(error)
    text = shown(str(error) or type(error).__name__, _LONGEST_TEXT)
    via = "" if proxy is None else f" to the proxy that {proxy.variable} names"
    match error:
        case httpx.ConnectTimeout():
            return ProviderTimeout("timeout_connect", f"no connection{via} in time")
        case httpx.TimeoutException():
            return ProviderTimeout("timeout_read", "the answer stopped coming")
        case httpx.ProxyError():
            return refused_by(proxy, text)
        # With TLS 1.3 the server looks at our side of it after the handshake.
        case httpx.NetworkError() if isinstance(root, ssl.SSLError):
            return ProviderDown("tls_failed", no_tls(root))
        case httpx.ConnectError():
            why = os_reason(root) or type(root).__name__
            return ProviderDown("connect_failed", f"no connection{via}: {why}")
        case httpx.NetworkError():
            # The text of what is raised here only says again that it broke.
            why = os_reason(root) or type(error).__name__
            return ProviderDown("connection_reset", f"the connection broke: {why}")
        case _:
            if text.startswith(_NO_ANSWER):
                why = "the server closed the connection without an answer"
                return ProviderDown("protocol_error", why)
            why = "the answer is not HTTP"
            if _TLS_RECORD in text:
                why += " but TLS, for which the address begins with https://"
            return ProviderDown("protocol_error", why, said=text)


def said_status(status: int) -> str:
    """A status with the phrase that is usual for it: a server may write any."""
    return f"{status} {httpx.codes.get_reason_phrase(status)}".rstrip()


def wants_login(proxy: ChosenProxy | None) -> str:
    """What a status 407 means."""
    if proxy is None:
        return "a proxy on the way wants a login"
    return f"the proxy wants a login: {proxy.variable}=http://name:password@host:port"


def no_tls(root: ssl.SSLError) -> str:
    """Why there is no TLS with a server, and what may help."""
    # Without the name that it is not for: that is the address, which is for the log.
    reason = tls_reason(root).partition(_NOT_FOR)[0]
    return f"TLS: {reason}{_tls_advice(root)}"


def refused_by(proxy: ChosenProxy | None, text: str) -> ProviderError:
    """What the proxy answered to CONNECT: its status, and its own words for it."""
    status = int(text[:3]) if re.match(r"[1-5][0-9]{2}\b", text) else 0
    named = "the proxy" if proxy is None else f"the proxy that {proxy.variable} names"
    answered = f"{named} answered {said_status(status)}" if status else f"{named} refused"
    if status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED:
        answered += f"; {wants_login(proxy)}"
    return ProviderDown("proxy_refused", answered, said=text)


def _tls_advice(root: ssl.SSLError) -> str:
    if isinstance(root, ssl.SSLCertVerificationError):
        if root.verify_code in _NO_CA:
            return "; SSL_CERT_FILE names a file of CAs to trust"
        return ""
    reason = root.reason or ""
    if _PLAIN in reason:
        return "; the server may not speak TLS here, try http://"
    if any(part in reason for part in _CLIENT_CERTIFICATE):
        return "; the server may want a client certificate, which cannot be given"
    return ""
