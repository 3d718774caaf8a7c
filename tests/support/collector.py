"""A collector of traces: a real HTTP server that reads real OTLP, as the library writes it."""

from __future__ import annotations

import gzip
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import trio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


@dataclass(frozen=True)
class Collected:
    """A span as it came: ids in hex, values by name."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    values: dict[str, Any]
    failed: bool
    resource: dict[str, Any] = field(repr=False)


@dataclass
class Collector:
    """What it was told; with a `status` other than 200 it takes nothing."""

    port: int = 0
    spans: list[Collected] = field(default_factory=list)
    requests: int = 0
    status: int = 200
    _told: trio.Event = field(default_factory=trio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What has a process tell it all, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def named(self, name: str) -> list[Collected]:
        return [span for span in self.spans if span.name == name]

    def below(self, span: Collected) -> list[Collected]:
        return [one for one in self.spans if one.parent == span.id]

    def take(self, body: bytes) -> None:
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            of_all = _values(resource.resource.attributes)
            for scope in resource.scope_spans:
                self.spans += [_collected(span, of_all) for span in scope.spans]

    def tell(self) -> None:
        self._told.set()
        self._told = trio.Event()

    async def until(self, holds: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until it holds of what was told."""
        with trio.move_on_after(seconds) as limit:
            while not holds():
                await self._told.wait()
        assert not limit.cancelled_caught, sorted({span.name for span in self.spans})


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _collected(span: Any, resource: dict[str, Any]) -> Collected:
    return Collected(
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple(link.span_id.hex() for link in span.links),
        _values(span.attributes),
        span.status.code == 2,
        resource,
    )


@asynccontextmanager
async def running_collector() -> AsyncIterator[Collector]:
    """A collector on this machine, for the time of a `with`."""
    collector, token = Collector(), trio.lowlevel.current_trio_token()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            fits = self.path == "/v1/traces"
            fits = fits and self.headers["Content-Type"] == "application/x-protobuf"
            status = collector.status if fits else 404
            collector.requests += 1
            if status == 200:
                collector.take(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            token.run_sync_soon(collector.tell)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        await trio.to_thread.run_sync(server.shutdown)
        thread.join()
        server.server_close()
