# What the laws of laws.yml find, and what they let be. It is read by semgrep and never run.
import hmac
import random
import secrets

import httpx
import trio
from markupsafe import Markup

ROOM = trio.CapacityLimiter(1)


async def threads(path):
    # ruleid: wait-in-a-thread-has-its-own-limiter
    await trio.to_thread.run_sync(path.read_bytes)
    # ok: wait-in-a-thread-has-its-own-limiter
    await trio.to_thread.run_sync(path.read_bytes, limiter=ROOM)


async def cleanup(stream):
    # ruleid: shielded-cleanup-has-a-deadline
    with trio.CancelScope(shield=True):
        await stream.aclose()
    # ok: shielded-cleanup-has-a-deadline
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
        await stream.aclose()
    with trio.move_on_after(1) as scope:
        # ok: shielded-cleanup-has-a-deadline
        scope.shield = True
        await stream.aclose()


def comparing(given, self, csrf_token, row):
    # ruleid: secrets-are-compared-in-constant-time
    if self._token == given:
        return True
    # ruleid: secrets-are-compared-in-constant-time
    if csrf_token != given:
        return False
    # ok: secrets-are-compared-in-constant-time
    if row.kind == "token":
        return False
    # ok: secrets-are-compared-in-constant-time
    return hmac.compare_digest(csrf_token, given)


def drawing():
    # ruleid: what-is-secret-is-drawn-by-secrets
    session_token = random.randbytes(16)
    # ok: what-is-secret-is-drawn-by-secrets
    pause = random.random()
    # ok: what-is-secret-is-drawn-by-secrets
    nonce = secrets.token_urlsafe(16)
    return session_token, pause, nonce


async def asking(url, context):
    # ruleid: outgoing-http-takes-no-proxy-by-itself
    async with httpx.AsyncClient() as client:
        await client.get(url)
    # ruleid: outgoing-http-takes-no-proxy-by-itself
    httpx.request("GET", url)
    # ruleid: outgoing-http-trusts-what-the-machine-trusts
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url)
    # ok: outgoing-http-takes-no-proxy-by-itself, outgoing-http-trusts-what-the-machine-trusts
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        return await client.get(url)


async def serving(socket):
    # ruleid: a-websocket-is-accepted-where-its-origin-is-checked
    await socket.accept()


def showing(text):
    # ruleid: no-markup-by-hand
    return Markup(text)
