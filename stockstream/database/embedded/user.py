"""The user that the embedded server runs as, and how its programs are started as that user.

PostgreSQL refuses to run as root. If we are root, it runs as the user nobody: in a user namespace,
where our files are still its files, or, if none can be made (as in most containers), as the real
one. The real nobody owns the server's folder and starts in it as its working directory. So it needs
no way through folders that are closed to others, and we open none. It must reach the programs by a
path; where it cannot, it runs a copy of them.
"""

from __future__ import annotations

import os
import pwd
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import trio

from stockstream.child_process import ChildProcess, tied_to_us
from stockstream.database.embedded.programs import (
    EmbeddedFailed,
    UnfitPlace,
    copy_under,
    programs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import IO

PROGRAM_SECONDS = 60.0
KILLED_SECONDS = 5.0
"""A killed program that is still there waits for a disk."""
_disk = trio.CapacityLimiter(1)
"""A thread of its own: a disk that hangs must not block the threads of others."""
NOBODY = "nobody"
NOBODY_UID = 65534
"""Used if no user has this name, as in some small images."""
BASES = (Path("/var/cache"), Path("/var/tmp"), Path("/tmp"), Path("/run"))  # noqa: S108 - see UnfitPlace
"""Places for a copy of the programs, in order: some are read-only, or run no programs."""
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TZ")

Mode = Literal["self", "namespace", "nobody"]


@dataclass(frozen=True, slots=True)
class ServerUser:
    """A user, and the folder of the programs that this user can run."""

    mode: Mode
    uid: int
    gid: int
    programs: Path

    @property
    def is_another(self) -> bool:
        """Whether the files are this user's and not ours."""
        return self.mode == "nobody"

    @property
    def owner(self) -> int:
        """The owner of the server's files, as we see it."""
        return self.uid if self.is_another else os.geteuid()

    def program(self, name: str) -> Path:
        """One of the programs that run as this user."""
        return self.programs / name

    def command(self, command: Sequence[str | Path]) -> list[str]:
        """The command that runs `command` as this user and ends it with this process."""
        return tied_to_us(command, self.mode, self.uid, self.gid)

    def environment(self) -> dict[str, str]:
        """The environment of the programs: English messages, no settings for PostgreSQL clients.

        Another user could read it, so it gets none of our secrets.
        """
        ours = os.environ
        kept = KEPT_VARIABLES if self.is_another else [n for n in ours if not n.startswith("PG")]
        return {**{name: ours[name] for name in kept if name in ours}, "LC_ALL": "C"}

    def start(
        self,
        command: Sequence[str | Path],
        output: IO[bytes],
        folder: Path | None = None,
        descriptors: Sequence[int] = (),
    ) -> ChildProcess:
        """Start `command` as this user, in `folder`, with `descriptors` besides."""
        return ChildProcess(self.command(command), output, folder, self.environment(), descriptors)

    async def run(
        self, command: Sequence[str | Path], folder: Path | None = None
    ) -> tuple[int, list[str]]:
        """Run a short program; its exit status and what it said.

        Raises:
            EmbeddedFailed: it did not end in time.
        """
        with tempfile.TemporaryFile() as output:
            process = self.start(command, output, folder)
            try:
                with trio.fail_after(PROGRAM_SECONDS):
                    await process.wait()
            except trio.TooSlowError:
                raise EmbeddedFailed(
                    f"DATABASE_URL: {Path(command[0]).name} took over {PROGRAM_SECONDS:g} s"
                ) from None
            finally:
                process.send_signal(signal.SIGKILL)
                with trio.move_on_after(KILLED_SECONDS, shield=True) as limit:
                    status = await process.wait()
                process.close()
            if limit.cancelled_caught:
                raise EmbeddedFailed(f"DATABASE_URL: {Path(command[0]).name} cannot be killed")
            output.seek(0)
            return status, output.read().decode(errors="replace").strip().splitlines()


async def choose_user() -> ServerUser:
    """The user that the server is to run as, and the folder of its programs.

    Raises:
        EmbeddedFailed: we are root, and no other user can run it here.
    """
    found = programs()
    if os.geteuid() != 0:
        return ServerUser("self", os.geteuid(), os.getegid(), found)
    nobody = _nobody()
    namespace = ServerUser("namespace", nobody.pw_uid, nobody.pw_gid, found)
    status, _ = await namespace.run([])
    if status == 0:
        return namespace
    user = replace(namespace, mode="nobody")
    if await _runs_its_programs(user):
        return user
    status, said = await user.run([])
    if status != 0:
        raise _refused(f"it cannot become {nobody.pw_name}: {(said or ['no reason given'])[-1]}")
    reasons = []
    for base in BASES:
        try:
            place = await trio.to_thread.run_sync(copy_under, base, limiter=_disk)
            copied = replace(user, programs=place)
        except OSError as error:
            reasons.append(f"{base}: {error.strerror}")
        except UnfitPlace as error:
            reasons.append(str(error))
        else:
            if await _runs_its_programs(copied):
                return copied
            reasons.append(f"{base}: no programs may be run there")
    raise _refused(
        f"{nobody.pw_name} may not run the programs in {found}, and no copy of them can be made "
        f"({'; '.join(reasons)})"
    )


async def _runs_its_programs(user: ServerUser) -> bool:
    """Whether the user can reach and run the programs: tested, since many causes prevent it."""
    status, _ = await user.run([user.program("postgres"), "--version"])
    return status == 0


def _nobody() -> pwd.struct_passwd:
    with suppress(KeyError):
        named = pwd.getpwnam(NOBODY)
        if named.pw_uid != 0:
            return named
    try:
        return pwd.getpwuid(NOBODY_UID)
    except KeyError:
        raise _refused("there is no user nobody (65534) in /etc/passwd") from None


def _refused(why: str) -> EmbeddedFailed:
    return EmbeddedFailed(
        f"DATABASE_URL: the embedded PostgreSQL does not run as root, and {why}; "
        "run as another user, or name a server"
    )
