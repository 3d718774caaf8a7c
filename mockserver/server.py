"""Runs the stub API on real sockets."""

import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import trio

from mockserver.app import create_app
from mockserver.mappings import StubMapping
from mockserver.streams.channels import Channels
from mockserver.streams.tape import Tape, load_tapes
from mockserver.stub_files import Fingerprint, StubFiles
from mockserver.stub_server import StubServer
from mockserver.stub_source import StubSource, log_notices
from web.server import AllowedHosts, machine_names, open_sockets
from web.server import serve as serve_app

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework


BUNDLED_TAPES = Path(__file__).parent / "tapes"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that can be wrong has been looked at: stub files and tapes are read, sockets are
    open.
    """

    files: StubFiles
    seen: Fingerprint
    mappings: list[StubMapping]
    tapes: Mapping[str, Tape]
    listeners: Sequence[socket.socket]
    hosts: AllowedHosts

    @property
    def url(self) -> str:
        """Where it will answer, with the real port."""
        listener = self.listeners[0]
        host, port = listener.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def prepare(
    host: str,
    port: int,
    expectations: Path,
    allowed_hosts: Sequence[str] = (),
    *,
    tapes: Path = BUNDLED_TAPES,
    strict: bool = False,
) -> Prepared:
    """Read the stub files and the tapes, then listen. Port 0 asks for a free one.

    `allowed_hosts` are names that the admin pages answer to, beside this machine's own. `strict`
    refuses stubs that hold anything that is not supported.

    Raises `StubFileError`, `web.server.PortTaken`, or OSError naming the address.
    """
    files = StubFiles(expectations, strict)
    seen = files.fingerprint()  # before reading, so that no later change is missed
    mappings = files.load()
    played = load_tapes(tapes)
    hosts = AllowedHosts((*machine_names(), host, *allowed_hosts))
    return Prepared(files, seen, mappings, played, open_sockets(host, port), hosts)


async def serve(
    host: str,
    port: int,
    expectations: Path,
    *,
    reload: bool = False,
    task_status: "trio.TaskStatus[str]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. `task_status` gets the URL once requests are answered.

    Raises what `prepare` raises, before anything is served.
    """
    await serve_prepared(
        await trio.to_thread.run_sync(prepare, host, port, expectations),
        reload=reload,
        task_status=task_status,
    )


async def serve_prepared(
    prepared: Prepared,
    *,
    reload: bool = False,
    task_status: "trio.TaskStatus[str]" = trio.TASK_STATUS_IGNORED,
) -> None:
    """As `serve`, with what `prepare` made."""
    url = prepared.url
    dice = random.Random()
    server = StubServer(prepared.files.bodies, dice=dice, clock=_clock)
    channels = Channels(prepared.tapes, lambda: server.outage, dice=dice, clock=_clock)
    server.use_files(prepared.mappings)
    log_notices(prepared.mappings)
    source = StubSource(prepared.files)
    async with trio.open_nursery() as nursery:
        if reload:
            nursery.start_soon(source.watch, prepared.seen, server.use_files)
        app = cast("ASGIFramework", create_app(server, source, channels, prepared.hosts))
        await nursery.start(serve_app, app, prepared.listeners)
        task_status.started(url)


def _clock() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - what templates tell and the journal shows
