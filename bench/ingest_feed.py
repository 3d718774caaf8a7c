"""A provider for `bench/ingest.py`, in a process of its own: prices as fast as it is told to.

    python bench/ingest_feed.py PORT SYMBOLS RATE BATCH

On one port it has a WebSocket that speaks what Kraken does, with `BATCH` prices in a frame, and
`GET /api/stock-prices`, the same prices for who polls. `GET /sent` tells how many prices it has
sent so far. Every price is another one than that symbol's last, and is told with the time of now.
Who subscribes is sent the price of each symbol, and between `GET /begin` and `GET /end` `RATE`
prices a second; who polls gets new ones meanwhile. Who reads more slowly holds it up: it sends what
was due as soon as it can, and leaves nothing out.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import sha1
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TURN_SECONDS = 0.005
BEAT_SECONDS = 1.0
MOST_AT_ONCE = 5_000
"""Prices in one write: a reader that is behind is not buried."""
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
PRICE_STEPS = 997


def kraken_name(number: int) -> str:
    """A symbol as Kraken writes it."""
    return f"S{number:04}/USD"


def symbol(number: int) -> str:
    """The same in the product's spelling."""
    return kraken_name(number).replace("/", "-")


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A frame from a server."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big") + payload


class Market:
    """The prices, one symbol after the other; `sent` counts them."""

    def __init__(self, symbols: int) -> None:
        self.symbols = symbols
        self.sent = 0
        self.begun = threading.Event()
        self._polled = b""
        # All that a ticker holds, as Kraken tells it. The last price and the time change.
        self._heads = [
            f'{{"symbol":"{kraken_name(number)}","bid":99.9,"bid_qty":1.5,"ask":100.1,'
            '"ask_qty":2.5,"volume":12345.6789,"vwap":100.05,"low":98.7,"high":101.2,'
            '"change":-0.31,"change_pct":-0.31,"last":'
            for number in range(symbols)
        ]

    def items(self, count: int) -> Iterator[str]:
        """The next prices, as Kraken has them."""
        moment = iso_now()
        for _ in range(count):
            turn, number = divmod(self.sent, self.symbols)
            self.sent += 1
            price = 100 + (turn % PRICE_STEPS) / 100
            yield f'{self._heads[number]}{price},"timestamp":"{moment}"}}'

    def polled(self) -> bytes:
        """All symbols with the next price of each, as the default format has them."""
        if self._polled and not self.begun.is_set():
            return self._polled
        moment = iso_now()
        items = []
        for _ in range(self.symbols):
            turn, number = divmod(self.sent, self.symbols)
            self.sent += 1
            price = 100 + (turn % PRICE_STEPS) / 100
            items.append(
                f'{{"symbol":"{symbol(number)}","price":{price},"timestamp":"{moment}",'
                '"currency":"USD","exchange":"KRAKEN"}'
            )
        self._polled = ("[" + ",".join(items) + "]").encode()
        return self._polled


def iso_now() -> str:
    """Now, as Kraken writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Pusher:
    """One WebSocket connection."""

    def __init__(self, peer: socket.socket, market: Market, rate: float, batch: int) -> None:
        self._peer = peer
        self._market = market
        self._rate = rate
        self._batch = batch
        self._asked: set[str] = set()
        self._lock = threading.Lock()

    def run(self, rest: bytes) -> None:
        """Talk until the other side goes."""
        self._send({"channel": "status", "type": "update", "data": [{"system": "online"}]})
        threading.Thread(target=self._beat, daemon=True).start()
        pushing = False
        for opcode, payload in client_frames(self._peer, rest):
            if opcode == PING:
                self._write(frame(payload, PONG))
            elif opcode == CLOSE:
                self._write(frame(payload, CLOSE))
                return
            elif opcode == TEXT:
                self._answer(json.loads(payload))
            if not pushing and len(self._asked) == self._market.symbols:
                pushing = True
                threading.Thread(target=self._push, daemon=True).start()

    def _answer(self, message: dict[str, object]) -> None:
        method, number = message["method"], message.get("req_id")
        if method == "ping":
            self._send({"method": "pong", "req_id": number})
            return
        params = cast("dict[str, list[str]]", message["params"])
        for name in params["symbol"]:
            result = {"channel": "ticker", "symbol": name}
            self._send({"method": method, "result": result, "success": True, "req_id": number})
            (self._asked.add if method == "subscribe" else self._asked.discard)(name)
        if len(self._asked) == self._market.symbols:
            self._write(self._frames(self._market.symbols))

    def _beat(self) -> None:
        try:
            while True:
                time.sleep(BEAT_SECONDS)
                self._send({"channel": "heartbeat"})
        except OSError:
            return  # the reader has gone

    def _push(self) -> None:
        self._market.begun.wait()
        began, sent = time.monotonic(), 0
        try:
            while self._market.begun.is_set():
                due = int((time.monotonic() - began) * self._rate) - sent
                count = min(due, MOST_AT_ONCE) // self._batch * self._batch
                if count:
                    self._write(self._frames(count))
                    sent += count
                if due < MOST_AT_ONCE:
                    time.sleep(TURN_SECONDS)
        except OSError:
            return  # the reader has gone

    def _frames(self, count: int) -> bytes:
        items = list(self._market.items(count))
        pieces = (items[at : at + self._batch] for at in range(0, count, self._batch))
        return b"".join(
            frame(f'{{"channel":"ticker","type":"update","data":[{",".join(piece)}]}}'.encode())
            for piece in pieces
        )

    def _send(self, message: dict[str, object]) -> None:
        self._write(frame(json.dumps(message).encode()))

    def _write(self, data: bytes) -> None:
        with self._lock:
            self._peer.sendall(data)


def client_frames(peer: socket.socket, data: bytes) -> Iterator[tuple[int, bytes]]:
    """The frames of a client, each whole, as StockStream sends them; until it goes."""
    while True:
        found = _one(data)
        if found is None:
            more = peer.recv(1 << 16)
            if not more:
                return
            data += more
            continue
        opcode, payload, data = found
        yield opcode, payload


def _one(data: bytes) -> tuple[int, bytes, bytes] | None:
    if len(data) < 2:
        return None
    size, at = data[1] & 0x7F, 2
    if size > 125:
        at += 2 if size == 126 else 8
        size = int.from_bytes(data[2:at], "big")
    end = at + 4 + size
    if len(data) < end:
        return None
    mask = data[at : at + 4] * (size // 4 + 1)
    payload = bytes(one ^ two for one, two in zip(data[at + 4 : end], mask, strict=False))
    return data[0] & 0x0F, payload, data[end:]


def serve(peer: socket.socket, market: Market, rate: float, batch: int) -> None:
    """Answer what comes on one connection."""
    data = b""
    with peer:
        while True:
            while b"\r\n\r\n" not in data:
                more = peer.recv(1 << 16)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/v2"):
                peer.sendall(handshake(head))
                Pusher(peer, market, rate, batch).run(data)
                return
            if path == b"/begin":
                market.begun.set()
            elif path == b"/end":
                market.begun.clear()
            body = market.polled() if path.startswith(b"/api/") else b"%d" % market.sent
            peer.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(body)
                + body
            )


def handshake(head: bytes) -> bytes:
    """The answer to an upgrade."""
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    accept = b64encode(sha1(headers[b"sec-websocket-key"] + ACCEPT, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def answer(peer: socket.socket, market: Market, rate: float, batch: int) -> None:
    """Answer a connection; one that breaks is over."""
    try:
        serve(peer, market, rate, batch)
    except OSError:
        return


def main() -> None:
    """Serve until killed."""
    port, symbols, batch = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
    market = Market(symbols)
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            peer, _ = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            arguments = (peer, market, float(sys.argv[3]), batch)
            threading.Thread(target=answer, args=arguments, daemon=True).start()


if __name__ == "__main__":
    main()
