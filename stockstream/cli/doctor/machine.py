"""Checks of this machine: the data directory and its disk, open files, ports."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from stockstream import open_files
from stockstream.cli.doctor.findings import Finding, failed, info, ok, skipped, warning
from web.server import PortTaken, open_sockets

if TYPE_CHECKING:
    from pathlib import Path

SLOW_FSYNC_SECONDS = 0.1
"""A recorder that spools waits for one of these for each batch."""
LEAST_BYTES = 100_000_000
"""With less, a database does not even start well."""


@dataclass(frozen=True, slots=True)
class Disk:
    """What there is of a data directory. `trouble` is the system's word, where it is of no use;
    `made` whether it is there already; `owner` and `me` are numbers of users.
    """

    path: Path
    made: bool
    free: int = 0
    fsync_seconds: float = 0.0
    owner: int = 0
    me: int = 0
    trouble: str | None = None


async def look_at_disk(directory: Path, spool_size: int) -> Finding:
    """The data directory, or the folder that it will be made in."""
    disk = await trio.to_thread.run_sync(gather_disk, directory, abandon_on_cancel=True)
    return judge_disk(disk, spool_size)


def gather_disk(directory: Path) -> Disk:
    """Measure it. A file without a name is written and is gone with its descriptor."""
    directory = there = directory.absolute()
    made = False
    try:
        there = next(path for path in (directory, *directory.parents) if path.exists())
        made = there == directory
        if not there.is_dir():
            return Disk(directory, made, trouble=f"{there} is no directory")
        free, status = shutil.disk_usage(there).free, there.stat()
        with tempfile.TemporaryFile(dir=there) as file:
            began = perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            seconds = perf_counter() - began
    except OSError as error:
        return Disk(directory, made, trouble=f"{there}: {error.strerror or error}")
    return Disk(directory, made, free, seconds, status.st_uid, os.geteuid())


def judge_disk(disk: Disk, spool_size: int) -> Finding:
    """Whether a server can keep there what it has to."""
    room = f"{disk.free / 1e9:,.1f} GB free"
    if disk.trouble is not None:
        return failed(
            f"nothing can be written: {disk.trouble}",
            "let the user that runs the server write there, make room, or set DATA_DIRECTORY to "
            "another directory",
        )
    if disk.free < LEAST_BYTES:
        return failed(
            f"{disk.path}: {disk.free / 1e6:,.0f} MB free, too little for anything",
            "make room, or set DATA_DIRECTORY to a larger disk",
        )
    if disk.free < spool_size:
        return warning(
            f"{disk.path}: {room}, and SPOOL_SIZE may take {spool_size / 1e9:,.1f} GB while the "
            "database is away",
            "make room, or set a smaller SPOOL_SIZE",
        )
    if disk.fsync_seconds > SLOW_FSYNC_SECONDS:
        return warning(
            f"{disk.path}: a write to the disk takes {disk.fsync_seconds * 1000:,.0f} ms",
            "set DATA_DIRECTORY to a faster disk, or see who else uses this one",
        )
    if disk.made and disk.me not in {disk.owner, 0}:
        return warning(
            f"{disk.path} belongs to user {disk.owner}, and this is user {disk.me}",
            "run the server as the user that it belongs to, or give it to this one",
        )
    if not disk.made:
        return info(f"{disk.path} is made by the first start; {room}")
    return ok(f"{disk.path}: {room}, {disk.fsync_seconds * 1000:,.1f} ms a write")


async def look_at_open_files(wanted: int, *, chosen: bool) -> Finding:
    """How many files a server may have open, which it raises to the hard limit itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return judge_open_files(None if hard == resource.RLIM_INFINITY else hard, wanted, chosen=chosen)


def judge_open_files(limit: int | None, wanted: int, *, chosen: bool) -> Finding:
    """Whether there is room for `MAX_CONNECTIONS`, which somebody has chosen or not."""
    most = open_files.most_clients(wanted, limit)
    if most == wanted:
        return ok(f"{'no limit' if limit is None else f'{limit:,}'} for {wanted:,} clients")
    text = f"{limit:,} files may be open: {most:,} clients of MAX_CONNECTIONS {wanted:,}"
    do = "raise the limit (ulimit -Hn, LimitNOFILE= of systemd), or set MAX_CONNECTIONS lower"
    return warning(text, do) if chosen else info(text, do)


async def look_at_port(host: str, port: int, setting: str, *, ours: bool) -> Finding:
    """Whether it can be had. `ours` is whether a server of ours answers there already."""
    if port == 0:
        return skipped("a free one is taken at the start")
    trouble = await trio.to_thread.run_sync(_trouble_at, host, port, abandon_on_cancel=True)
    return judge_port(trouble, port, setting, ours=ours)


def _trouble_at(host: str, port: int) -> Exception | None:
    try:
        for opened in open_sockets(host, port):
            opened.close()
    except (PortTaken, OSError) as error:
        return error
    return None


def judge_port(trouble: Exception | None, port: int, setting: str, *, ours: bool) -> Finding:
    """What an attempt to listen has come to."""
    if trouble is None:
        return ok(f"{port} is free")
    if isinstance(trouble, PortTaken):
        if ours:
            return ok(f"{port} is the running server's")
        return failed(
            str(trouble),
            f"ss -ltnp 'sport = :{port}' says which; stop it, or set another {setting}",
        )
    if isinstance(trouble, PermissionError):
        return failed(
            f"this user may not listen on {port}",
            f"set {setting} to 1024 or above, or let a proxy listen there",
        )
    return failed(str(trouble), f"correct HOST, or set another {setting}")
