"""The embedded server's files and programs: their places, and how they run. No actor here.

Everything stands under the data directory: `postgres/data` (the cluster), `postgres/socket`,
`postgres.log`, `postgres.lock` (held by the process that runs the server) and `postgres.url`
(where it listens, for other nodes and for the command line).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import trio

from stockstream.database.embedded.exchange import newest_before
from stockstream.database.embedded.programs import MAJOR_VERSION, EmbeddedFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.child_process import ChildProcess
    from stockstream.database.embedded.user import ServerUser

USER = "stockstream"
DATABASE = "postgres"
READY_POLL_SECONDS = 0.02
"""How often the readiness line of `postmaster.pid` is looked at, as `pg_ctl` does; the server
has no other way to say that it is ready."""
LONGEST_SOCKET_PATH = 100
"""A Unix socket's address holds 107 bytes on Linux."""
SOCKET_PREFIX = "stockstream-"
LARGEST_LOG = 10_000_000
_STARTED_IN = b"/proc/self/cwd"
_disk = trio.CapacityLimiter(1)
"""A thread of its own: a disk that hangs must not block the threads of others."""

CONNECTIONS = 60
"""Those of a node with the largest pool that may be set, and some for commands."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": str(CONNECTIONS),
    # A statement that cannot leave any out locks all partitions, of which there may be hundreds.
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    # For backups: copies of all files, those that go on from one, and the log as it is written.
    "wal_level": "replica",
    "max_wal_senders": "6",
    "summarize_wal": "on",
    # What keeps its log for an archive that is gone keeps so much of it, and no more.
    "max_slot_wal_keep_size": "1GB",
    "log_destination": "stderr",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand, all of it under `directory`."""

    directory: Path

    @property
    def home(self) -> Path:
        """The folder that only the server's user may read (mode 0700)."""
        return self.directory / "postgres"

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.directory / "postgres.log"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the server."""
        return self.directory / "postgres.lock"

    @property
    def url_file(self) -> Path:
        """Where the running server listens."""
        return self.directory / "postgres.url"

    def url(self) -> str:
        """Where the server listens now.

        Raises:
            EmbeddedFailed: none has been started here.
        """
        try:
            return self.url_file.read_text(encoding="utf-8").strip()
        except OSError:
            raise EmbeddedFailed("the embedded PostgreSQL is not up yet") from None


def take_lock(layout: Layout) -> int | None:
    """A descriptor that holds the lock until it is closed; None when another process has it."""
    descriptor = os.open(layout.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


async def prepare(layout: Layout, user: ServerUser) -> None:
    """Make the cluster, if there is none, and see that it is one of ours.

    Raises:
        EmbeddedFailed: it cannot be made or used.
    """
    try:
        layout.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        await trio.to_thread.run_sync(_give, layout.home, user.owner, limiter=_disk)
        if layout.log.exists() and layout.log.stat().st_size > LARGEST_LOG:
            layout.log.unlink()
        if layout.data.exists():
            _check_version(layout)
            return
        kept = newest_before(layout)
        if kept is not None:
            raise EmbeddedFailed(
                f"DATA_DIRECTORY: {layout.data} is gone, and a restore has set {kept} aside: "
                f"rename it to {layout.data.name} to go on with it, or move it away to begin anew"
            )
        draft = layout.home / "draft"
        shutil.rmtree(draft, ignore_errors=True)  # of an initdb that was killed
        draft.mkdir(mode=0o700)
        _hand_over(draft, user.owner)
        await _initdb(layout, user, draft)
        draft.rename(layout.data)  # there is a whole cluster or none
    except OSError as error:
        raise EmbeddedFailed(f"DATA_DIRECTORY: {layout.home}: {error.strerror}") from error


def _give(home: Path, owner: int) -> None:
    """Give the files to `owner` if another user has made them.

    The folder itself comes last: its old owner shows until then that not all is done. Each name is
    looked up in its folder's descriptor, so that the old owner cannot make us give away other
    files.
    """
    if home.stat().st_uid == owner:
        return
    for _, folders, names, descriptor in os.fwalk(home, topdown=False):
        for name in (*folders, *names):
            os.chown(name, owner, -1, dir_fd=descriptor, follow_symlinks=False)
    os.chown(home, owner, -1)


def _hand_over(folder: Path, owner: int) -> None:
    """Give one folder to `owner`. The server may write where it stands: no link is followed, or
    it could have root give it any folder of the machine.

    Raises:
        OSError: it is no folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, owner, -1)
    finally:
        os.close(descriptor)


def _check_version(layout: Layout) -> None:
    found = (layout.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(MAJOR_VERSION):
        raise EmbeddedFailed(
            f"DATA_DIRECTORY: {layout.data} was made by PostgreSQL {found}, and {MAJOR_VERSION} is "
            "here; move it away, or name a server by DATABASE_URL"
        )


async def _initdb(layout: Layout, user: ServerUser, target: Path) -> None:
    options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"]
    command: list[str | Path] = [user.program("initdb"), "-D", _reached(user, target), *options]
    status, said = await user.run(command, target)
    if status != 0:
        why = [line for line in said if "error" in line or "could not" in line] or said
        shutil.rmtree(target, ignore_errors=True)
        raise EmbeddedFailed(
            f"DATA_DIRECTORY: no database could be made in {layout.home}: "
            f"{(why or ['initdb said nothing'])[0]}"
        )


def _reached(user: ServerUser, folder: Path) -> Path:
    """The path for a program that was started in `folder`: its user may have no other way in."""
    return Path(os.fsdecode(_STARTED_IN)) if user.is_another else folder.absolute()


def socket_folder(layout: Layout, user: ServerUser) -> Path:
    """The folder of the server's socket; outside the data directory where its path is too long.

    Raises:
        OSError: it cannot be made, or something else stands there.
    """
    folder = (layout.home / "socket").absolute()
    if len(os.fsencode(folder)) > LONGEST_SOCKET_PATH - len("/.s.PGSQL.5432"):
        folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX))
    folder.mkdir(mode=0o700, exist_ok=True)
    _hand_over(folder, user.owner)
    return folder


def remove_socket_folder(layout: Layout, folder: Path) -> None:
    """Remove the socket folder of an ended server, if it is outside the data directory."""
    if folder.name.startswith(SOCKET_PREFIX) and layout.home not in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)


def forget_url(layout: Layout) -> None:
    """Remove the address and the socket that a killed server has left."""
    with suppress(EmbeddedFailed):
        folders = parse_qs(urlsplit(layout.url()).query).get("host", [])
        for folder in folders:
            remove_socket_folder(layout, Path(folder))
    layout.url_file.unlink(missing_ok=True)


def socket_url(folder: Path) -> str:
    """The address of a server that listens in `folder`."""
    return f"postgresql://{USER}@/{DATABASE}?host={quote(str(folder), safe='/')}"


def write_url(layout: Layout, url: str) -> None:
    """Tell other nodes and the command line where the server listens."""
    draft = layout.url_file.with_suffix(".draft")
    draft.write_text(f"{url}\n", encoding="utf-8")
    draft.replace(layout.url_file)


def start_server(
    layout: Layout, user: ServerUser, folder: Path, settings: Mapping[str, str] = SETTINGS
) -> ChildProcess:
    """Start the server itself, in the foreground; it listens in `folder`.

    Raises:
        OSError: it cannot be started.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # The server keeps it open; it may have no other way to the folder.
        reached = Path(f"/proc/self/fd/{descriptor}") if user.is_another else folder
        command: list[str | Path] = [user.program("postgres")]
        command += ["-D", _reached(user, layout.data)]
        for name, value in {**settings, "unix_socket_directories": str(reached)}.items():
            command += ["-c", f"{name}={value}"]
        with layout.log.open("ab") as log:
            return user.start(command, log, layout.data, (descriptor,))
    finally:
        os.close(descriptor)


def postmaster(layout: Layout) -> int | None:
    """The process id of a server that runs on the cluster, even if another process started it."""
    try:
        lines = (layout.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        process = int(lines[0])
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    # The process id may belong to another process by now, even to another PostgreSQL.
    ours = command[0].endswith(b"/postgres") and _runs_on(layout.data, process, command)
    return process if ours else None


def _runs_on(data: Path, process: int, command: Sequence[bytes]) -> bool:
    """Whether a server's cluster is the one at `data`: its working directory says so."""
    try:
        return Path(f"/proc/{process}/cwd").samefile(data)
    except PermissionError:
        # Root in a container may not see that of another user's process. It sees its arguments.
        return _STARTED_IN in command or os.fsencode(data.absolute()) in command
    except OSError:
        return False  # it has just ended


def is_ready(layout: Layout, *, standby: bool = True) -> bool:
    """Whether the server says that it takes connections. A standby's word for it, which is also
    the one of a server that still recovers, counts unless told otherwise.
    """
    try:
        lines = (layout.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() in ({"ready", "standby"} if standby else {"ready"})


async def end_stray(layout: Layout, seconds: float) -> None:
    """Stop a server that a predecessor left behind, fast, then by force."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process = postmaster(layout)
        if process is None:
            return
        for member in family(process):
            _signal(member, signal.SIGCONT)
        _signal(process, number)
        with trio.move_on_after(seconds):
            while postmaster(layout) is not None:  # noqa: ASYNC110 - no child of ours to wait for
                await trio.sleep(READY_POLL_SECONDS)
            return
    raise EmbeddedFailed(f"DATA_DIRECTORY: a server that runs on {layout.data} does not end")


def family(process: int) -> list[int]:
    """A server's process and its children."""
    members = [process]
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            members += map(int, task.read_text(encoding="ascii").split())
        except OSError:
            continue  # it has just ended
    return members


def are_stopped(processes: Sequence[int]) -> bool:
    """Whether all of them are stopped by a signal."""
    return all(map(_is_stopped, processes))


def _is_stopped(process: int) -> bool:
    try:
        # The name, in parentheses, may hold anything; the state stands behind it.
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # it has just ended
    return text.rpartition(")")[2].split()[0] in {"T", "Z"}


def _signal(process: int, number: int) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return


def last_words(layout: Layout) -> str:
    """The last error in the server's log."""
    try:
        with layout.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return "it said nothing"
    told = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (told or lines or ["it said nothing"])[-1].strip()
