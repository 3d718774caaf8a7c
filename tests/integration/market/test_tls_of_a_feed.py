"""What is said when there is no TLS with the price API: real handshakes that fail."""

from __future__ import annotations

import socket
import ssl
from contextlib import aclosing

import pytest
import trio

from stockstream.http_client import tls_context
from stockstream.market.providers import HttpProvider, HttpSettings, ProviderDown
from tests.support.selfsigned import server_context

LOOPBACK = "127.0.0.1"


@pytest.fixture
def trusted(tmp_path, monkeypatch):
    """`SSL_CERT_FILE` names the certificate of the server as one to trust."""
    tls_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    yield
    tls_context.cache_clear()


async def why_not(url, **settings):
    async with aclosing(HttpProvider(url, HttpSettings(**settings))) as provider:
        with pytest.raises(ProviderDown) as refused:
            await provider.fetch(None)
    return refused.value.kind, str(refused.value)


async def test_a_certificate_of_ones_own_ca(rogue, tmp_path):
    """The setting that mends it is named."""
    rogue.tls = server_context(tmp_path, address=LOOPBACK)
    kind, why = await why_not(rogue.url)
    assert kind == "tls_failed"
    assert why.replace("self signed", "self-signed") == (
        "TLS: self-signed certificate; SSL_CERT_FILE names a file of CAs to trust"
    )


async def test_ssl_cert_file_mends_it(rogue, tmp_path, trusted):
    rogue.tls = server_context(tmp_path, address=LOOPBACK)
    async with aclosing(HttpProvider(rogue.url)) as provider:
        assert len((await provider.fetch(None)).observations) == 2


async def test_a_certificate_for_another_name(rogue, tmp_path, trusted):
    rogue.tls = server_context(tmp_path, address="192.0.2.1")
    assert await why_not(rogue.url) == ("tls_failed", "TLS: IP address mismatch")


async def test_a_certificate_that_has_expired(rogue, tmp_path, trusted):
    rogue.tls = server_context(tmp_path, address=LOOPBACK, days=(-3, -1))
    assert await why_not(rogue.url) == ("tls_failed", "TLS: certificate has expired")


def refuse_handshake(listener, context):
    """Be a server as others are: OpenSSL's alert is sent, and what the client sent is read."""
    listener.settimeout(10)
    raw, _ = listener.accept()
    raw.settimeout(10)
    with raw:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(raw.dup(), server_side=True)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(65_536):
            pass


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_client_certificate(tmp_path, trusted, nursery, version):
    """With TLS 1.3 it says so after the handshake, when we ask."""
    context = server_context(tmp_path, address=LOOPBACK)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    with socket.create_server((LOOPBACK, 0)) as listener:
        nursery.start_soon(trio.to_thread.run_sync, refuse_handshake, listener, context)
        kind, why = await why_not(f"https://{LOOPBACK}:{listener.getsockname()[1]}")
    assert kind == "tls_failed"
    assert why.startswith("TLS: ")
    assert why.endswith("the server may want a client certificate, which cannot be given")


async def test_a_server_without_tls_asked_by_https(nursery):
    async def answer_anything(stream):
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    [listener] = await trio.open_tcp_listeners(0, host=LOOPBACK)
    nursery.start_soon(trio.serve_listeners, answer_anything, [listener])
    kind, why = await why_not(f"https://{LOOPBACK}:{listener.socket.getsockname()[1]}")
    assert kind == "tls_failed"
    assert "the server may not speak TLS here, try http://" in why


async def test_a_server_with_tls_asked_by_http(rogue):
    """Many answer with an alert of TLS: a record of type 21."""
    rogue.always(b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n")
    assert await why_not(rogue.url) == (
        "protocol_error",
        "the answer is not HTTP but TLS, for which the address begins with https://",
    )
