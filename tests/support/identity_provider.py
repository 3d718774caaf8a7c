"""An identity provider over real sockets, which is as honest as a test wants it."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import h11
import trio
from joserfc import jws
from joserfc.jwk import ECKey

from stockstream.times import now_ms
from stockstream.users.oidc.metadata import basic_login

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CLIENT = "stockstream"
SECRET = "the client's secret: with a colon, + and %"
KEY = ECKey.generate_key("P-256", {"kid": "one", "use": "sig"})


@dataclass
class Asked:
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


def encode(value: bytes) -> str:
    return b64encode(value, b"-_").rstrip(b"=").decode()


def sign(claims: object, key: Any = KEY, **header: object) -> str:
    """A token as the provider makes it."""
    told = {"alg": "ES256", "typ": "JWT", "kid": "one", **header}
    told = {name: value for name, value in told.items() if value is not None}
    registry = jws.JWSRegistry(strict_check_header=False, algorithms=[str(told["alg"])])
    return jws.serialize_compact(told, json.dumps(claims), key, registry=registry)


@dataclass
class Provider:
    """Knows one person at a time. `claims` go over those of a good token, None takes one away."""

    subject: str = "u-1"
    claims: dict[str, object] = field(default_factory=dict)
    metadata: dict[str, object] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=lambda: [KEY.as_dict(private=False)])
    token: Callable[[dict[str, object]], str] = sign
    answers: dict[str, Callable[[trio.abc.SendStream], Awaitable[None]]] = field(
        default_factory=dict
    )
    """What is done in place of an answer, by path."""
    asked: list[Asked] = field(default_factory=list)
    nonce: str = ""
    url: str = ""
    _codes: dict[str, str] = field(default_factory=dict)

    async def start(self, nursery: trio.Nursery) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        self._scope = trio.CancelScope()
        nursery.start_soon(self._serve, listeners)

    def stop(self) -> None:
        """It is gone: the port refuses."""
        self._scope.cancel()

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(one.path == path for one in self.asked)

    def log_in(self, address: str, *, code: str = "code-1") -> dict[str, str]:
        """The person logs in, where a browser was sent; what the browser comes back with."""
        query = {name: one for name, (one,) in parse_qs(urlsplit(address).query).items()}
        self.nonce = query["nonce"]
        self._codes[code] = query["code_challenge"]
        return {"code": code, "state": query["state"]}

    def good_claims(self) -> dict[str, object]:
        now = now_ms() // 1000
        claims: dict[str, object] = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": self.subject,
            "nonce": self.nonce,
            "iat": now,
            "exp": now + 300,
            **self.claims,
        }
        return {name: value for name, value in claims.items() if value is not None}

    async def _serve(self, listeners: list[trio.SocketListener]) -> None:
        with self._scope:
            await trio.serve_listeners(self._handle, listeners)

    async def _handle(self, stream: trio.SocketStream) -> None:
        wire = h11.Connection(h11.SERVER)
        async with stream:
            try:
                while True:
                    head, body = await self._read(wire, stream)
                    if head is None:
                        return
                    asked = Asked(
                        head.method.decode(),
                        head.target.decode(),
                        {name.decode(): value.decode() for name, value in head.headers},
                        {name: one for name, (one,) in parse_qs(body.decode()).items()},
                    )
                    self.asked.append(asked)
                    if asked.path in self.answers:
                        await self.answers[asked.path](stream)
                        return
                    status, told = self._answer(asked)
                    raw = json.dumps(told).encode()
                    headers = [("content-type", "application/json"), ("content-length", len(raw))]
                    response = h11.Response(
                        status_code=status, headers=[(n, str(v)) for n, v in headers]
                    )
                    events = (response, h11.Data(data=raw), h11.EndOfMessage())
                    await stream.send_all(b"".join(wire.send(event) or b"" for event in events))
                    wire.start_next_cycle()
            except (trio.BrokenResourceError, h11.RemoteProtocolError):
                return

    async def _read(
        self, wire: h11.Connection, stream: trio.SocketStream
    ) -> tuple[h11.Request | None, bytes]:
        head, body = None, b""
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                wire.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return head, body
            else:
                return None, b""

    def _answer(self, asked: Asked) -> tuple[int, object]:
        match asked.path:
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.url,
                    "authorization_endpoint": f"{self.url}/authorize",
                    "token_endpoint": f"{self.url}/token",
                    "jwks_uri": f"{self.url}/keys",
                    "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
                    **self.metadata,
                }
            case "/keys":
                return 200, {"keys": self.keys}
            case "/token":
                return self._exchange(asked)
        return 404, {"error": "there is nothing here"}

    def _exchange(self, asked: Asked) -> tuple[int, object]:
        """A code is taken once, with the verifier of its challenge, from the client alone."""
        login = b64encode(":".join(basic_login(CLIENT, SECRET)).encode()).decode()
        if asked.headers.get("authorization") != f"Basic {login}":
            return 401, {"error": "invalid_client", "error_description": "who are you?"}
        challenge = self._codes.pop(asked.form.get("code", ""), None)
        given = encode(hashlib.sha256(asked.form["code_verifier"].encode()).digest())
        if challenge is None or challenge != given:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "not for us",
            "token_type": "Bearer",
            "id_token": self.token(self.good_claims()),
        }
