"""What a connection costs: memory, tasks, the handshake, and a ready frame.

    python bench/connections.py [--clients 1000] [--quart]

The server runs in this process, the clients in another one, so the growth of this process's
resident set is the server's. Prints one line per figure. With --quart the handler is one of
Quart's own WebSockets, on the same server, and no frames are sent.
"""

import argparse
import gc
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import trio
from quart import websocket
from quart_trio import QuartTrio

from web.server import (
    Sent,
    ServerSocket,
    encode_text_frame,
    open_sockets,
    serve,
    websocket_class,
)

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost:4000\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 "
    b"(KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\n"
    b"Origin: http://localhost:4000\r\nSec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)

CLIENTS = """
import socket, sys
port, count, handshake = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
clients = []
for number in range(count):
    client = socket.create_connection((f"127.0.0.{1 + number % 250}", port))
    client.sendall(handshake)
    while b"\\r\\n\\r\\n" not in client.recv(4096):
        pass
    clients.append(client)
print("connected", flush=True)
sys.stdin.readline()
total = 0
for client in clients:
    client.setblocking(False)
    try:
        while data := client.recv(1 << 16):
            total += len(data)
    except BlockingIOError:
        pass
print(total, flush=True)
sys.stdin.readline()
"""

ROUNDS = 50
FLOOR_ROUNDS = 10
PAYLOAD = b"x" * 150


def resident_bytes() -> int:
    """The process's resident set, from /proc/self/smaps_rollup (Linux)."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Rss in /proc/self/smaps_rollup")


async def measure(count: int, *, with_quart: bool) -> None:
    sockets: list[ServerSocket] = []
    connected = 0
    accepted = trio.Event()

    def count_connection() -> None:
        nonlocal connected
        connected += 1
        if connected == count:
            accepted.set()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        sockets.append(sock)
        count_connection()
        while True:
            await sock.receive()

    async def quart_handler() -> None:
        await websocket.accept()
        count_connection()
        while True:
            await websocket.receive()

    app = QuartTrio(__name__)
    if with_quart:
        app.websocket("/ws")(quart_handler)
    else:
        app.asgi_websocket_class = websocket_class({"/ws": handler})
    listeners = open_sockets("0.0.0.0", 0)
    port = listeners[0].getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, app, listeners))
        await connect_and_leave(port, 50)  # what grows once has grown
        sockets.clear()
        connected, accepted = 0, trio.Event()
        gc.collect()
        memory, cpu = resident_bytes(), time.process_time()
        tasks = trio.lowlevel.current_statistics().tasks_living
        clients = start_clients(port, count)
        await accepted.wait()
        cpu = time.process_time() - cpu
        await trio.to_thread.run_sync(clients.stdout.readline)
        gc.collect()
        print(f"clients                {count}")
        print(f"memory per connection  {(resident_bytes() - memory) / count / 1000:.1f} KB")
        tasks = trio.lowlevel.current_statistics().tasks_living - tasks
        print(f"tasks per connection   {tasks / count:.1f}")
        print(f"handshake              {cpu / count * 1e3:.2f} ms CPU")
        if sockets:
            send_frames(sockets)
        clients.stdin.write(b"\n")
        clients.stdin.flush()
        received = int(await trio.to_thread.run_sync(clients.stdout.readline))
        expected = len(sockets) * (ROUNDS + FLOOR_ROUNDS) * len(encode_text_frame(PAYLOAD))
        print(f"bytes received         {received} of {expected}")
        clients.communicate(b"\n")
        nursery.cancel_scope.cancel()


def send_frames(sockets: list[ServerSocket]) -> None:
    frame = encode_text_frame(PAYLOAD)
    started = time.process_time()
    for _ in range(ROUNDS):
        for sock in sockets:
            if sock.wire.try_send(frame) is not Sent.SENT:
                raise RuntimeError("a socket was full: fewer rounds, please")
    cost = (time.process_time() - started) / (ROUNDS * len(sockets))
    floor_send = [sock.wire._send for sock in sockets]  # noqa: SLF001 - the floor below it
    started = time.process_time()
    for _ in range(FLOOR_ROUNDS):
        for send in floor_send:
            send(b"\x8a\x00" * 77)  # 77 empty pongs: as many bytes as the frame, and as legal
    floor = (time.process_time() - started) / (FLOOR_ROUNDS * len(sockets))
    print(f"try_send, {len(frame)} bytes   {cost * 1e6:.2f} us CPU")
    print(f"bare socket.send       {floor * 1e6:.2f} us CPU")


def start_clients(port: int, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CLIENTS, str(port), str(count), HANDSHAKE.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


async def connect_and_leave(port: int, count: int) -> None:
    for _ in range(count):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(HANDSHAKE)
        await stream.receive_some()
        await stream.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--quart", action="store_true")
    options = parser.parse_args()
    trio.run(partial(measure, options.clients, with_quart=options.quart))
