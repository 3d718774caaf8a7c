"""A guarded ASGI server on trio, with a fast lane for ready WebSocket frames.

Hypercorn's HTTP/1.1 and WebSocket protocols on a reader, a writer and limits of our own. Knows
no product code. `serve` runs it, `Wire.try_send` is the fast lane, `websocket_class` puts
WebSocket handlers beside a Quart app.
"""

from .config import ServerConfig
from .encodings import GZIP, best_encoding
from .frames import encode_ping, encode_text_frame, text_frame_head
from .hosts import AllowedHosts, machine_names
from .lifespan import StartupFailed
from .listening import PortTaken, open_sockets
from .serving import Server, ServerStatistics, serve, wire_of
from .static import StaticFiles, pack, read_folder, serve_static
from .websocket import Disconnected, Handler, ServerSocket, websocket_class
from .wire import Sent, Wire

__all__ = [
    "GZIP",
    "AllowedHosts",
    "Disconnected",
    "Handler",
    "PortTaken",
    "Sent",
    "Server",
    "ServerConfig",
    "ServerSocket",
    "ServerStatistics",
    "StartupFailed",
    "StaticFiles",
    "Wire",
    "best_encoding",
    "encode_ping",
    "encode_text_frame",
    "machine_names",
    "open_sockets",
    "pack",
    "read_folder",
    "serve",
    "serve_static",
    "text_frame_head",
    "websocket_class",
    "wire_of",
]
