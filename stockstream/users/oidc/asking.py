"""The requests to a provider: each within limits, each failure a `ProviderAway` in our words.

Redirects are not followed: the operator named the issuer, and the issuer its addresses.
"""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx
import msgspec
import trio

from stockstream.decoding import from_json
from stockstream.http_client import os_reason, root_cause, tls_context, tls_reason
from stockstream.proxies import proxy_to, through
from stockstream.users.oidc.keys import Keys, read_keys
from stockstream.users.oidc.metadata import (
    Metadata,
    ProviderMistake,
    basic_login,
    metadata_url,
    read_metadata,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

ASK_SECONDS = 5.0
"""For one answer, connecting included. A person waits for it."""
CONNECT_SECONDS = 3.0
LONGEST_BODY = 262_144
"""Bytes of an answer. The largest known ones have some 20,000."""
LONGEST_SAID = 200
_CLOSING_SECONDS = 1.0
_reader = trio.CapacityLimiter(1)
"""A thread of its own: a disk that hangs must not block the threads of others."""
_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}


class ProviderAway(Exception):
    """The provider gave no answer, or none that means anything; it may do so later."""


class CodeRefused(Exception):
    """The provider gives nothing for this code: it was used before, or is not of this login."""


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class _Refusal(msgspec.Struct, frozen=True):
    error: str
    error_description: str = ""


@asynccontextmanager
async def opened_client(issuer: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client for one provider, by way of the proxy that the environment names. The slow part of
    making one runs in a thread.

    Raises:
        InvalidProxy: it names one that cannot be used.
    """
    context = await trio.to_thread.run_sync(tls_context, limiter=_reader)
    client = httpx.AsyncClient(
        verify=context,
        proxy=through(proxy_to(httpx.URL(issuer))),
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=8, max_keepalive_connections=2),
        timeout=httpx.Timeout(ASK_SECONDS, connect=CONNECT_SECONDS),
        headers=_HEADERS,
    )
    try:
        yield client
    finally:
        with trio.move_on_after(_CLOSING_SECONDS, shield=True):
            await client.aclose()


async def fetch_metadata(client: httpx.AsyncClient, issuer: str) -> Metadata:
    """What the provider says of itself.

    Raises:
        ProviderAway, ProviderMistake.
    """
    status, body = await _ask(client, "GET", metadata_url(issuer))
    if status != httpx.codes.OK:
        raise ProviderMistake(f"{metadata_url(issuer)} answers {said_status(status)}")
    return read_metadata(body, issuer)


async def fetch_keys(client: httpx.AsyncClient, metadata: Metadata) -> Keys:
    """Its keys.

    Raises:
        ProviderAway, ProviderMistake.
    """
    status, body = await _ask(client, "GET", metadata.jwks_uri)
    if status != httpx.codes.OK:
        raise ProviderMistake(f"its jwks_uri answers {said_status(status)}")
    return read_keys(body)


async def exchange(
    client: httpx.AsyncClient,
    metadata: Metadata,
    credentials: tuple[str, str],
    form: Mapping[str, str],
) -> str:
    """The ID token for a code; `credentials` are the client's id and secret.

    Raises:
        CodeRefused: there is none for this code.
        ProviderAway, ProviderMistake.
    """
    asked = {"grant_type": "authorization_code", **form}
    auth = None
    if metadata.secret_in_body:
        asked |= {"client_id": credentials[0], "client_secret": credentials[1]}
    else:
        auth = httpx.BasicAuth(*basic_login(*credentials))
    status, body = await _ask(client, "POST", metadata.token_endpoint, asked, auth)
    if status != httpx.codes.OK:
        raise _why_no_token(status, body)
    try:
        return from_json(body, _Tokens).id_token
    except msgspec.DecodeError as error:
        raise ProviderMistake(f"its answer to a code holds no ID token: {error}") from None


def said_status(status: int) -> str:
    """A status for people."""
    if status in range(300, 400):
        return f"{status}; redirects are not followed"
    return f"{status} {httpx.codes.get_reason_phrase(status)}".strip()


def _why_no_token(status: int, body: bytes) -> Exception:
    """By RFC 6749, 5.2: `invalid_grant` is of the code, all else of how this server is set up."""
    try:
        told = from_json(body, _Refusal)
    except msgspec.DecodeError:
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return ProviderAway(f"it answers {said_status(status)} to a code")
        return ProviderMistake(f"it answers {said_status(status)} to a code")
    if told.error == "invalid_grant":
        return CodeRefused("the provider does not take its code: it was used, or is too old")
    words = shown(f"{told.error}: {told.error_description}".rstrip(": "))
    return ProviderMistake(f"it refuses this server ({said_status(status)}): {words}")


def shown(text: str) -> str:
    """Words of the provider, as a log may hold them."""
    return "".join(one if one.isprintable() else "?" for one in text)[:LONGEST_SAID]


async def _ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    form: Mapping[str, str] | None = None,
    auth: httpx.BasicAuth | None = None,
) -> tuple[int, bytes]:
    try:
        with trio.fail_after(ASK_SECONDS):
            request = client.build_request(method, url, data=form)
            response = await client.send(request, auth=auth, stream=True)
            try:
                return response.status_code, await _read(response)
            finally:
                await response.aclose()
    except trio.TooSlowError:
        raise ProviderAway(f"no complete answer within {ASK_SECONDS:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderAway(_why(error)) from error


async def _read(response: httpx.Response) -> bytes:
    """Raises `ProviderMistake` for a body that is packed or too large; not all of it is read."""
    packed = response.headers.get("content-encoding", "identity").lower()
    if packed != "identity":
        raise ProviderMistake(f"its answer is packed as {shown(packed)!r}, and was asked for plain")
    chunks = response.aiter_raw()
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > LONGEST_BODY:
            # Once closed, the next read fails, and unwinds the generators that httpx nests.
            await response.aclose()
            with suppress(httpx.HTTPError, httpx.StreamError):
                async for _ in chunks:
                    pass
            raise ProviderMistake(f"its answer is longer than {LONGEST_BODY:,} bytes")
    return bytes(body)


def _why(error: Exception) -> str:
    root = root_cause(error)
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {CONNECT_SECONDS:g} s"
        case httpx.TimeoutException():
            return f"no complete answer within {ASK_SECONDS:g} s"
        case httpx.NetworkError() if isinstance(root, ssl.SSLError):
            return f"TLS: {tls_reason(root)}"
        case httpx.NetworkError():
            broke = "no connection" if isinstance(error, httpx.ConnectError) else "cut off"
            return f"{broke}: {os_reason(root) or error}"
        case httpx.ProtocolError():
            return f"the answer is not HTTP: {error}"
        case _:
            return f"{type(error).__name__}: {error}"
