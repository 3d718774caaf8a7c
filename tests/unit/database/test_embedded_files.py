"""What stands in the embedded server's folder may be a trap: its server writes there."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.database.embedded.files import (
    Layout,
    postmaster,
    prepare,
    socket_folder,
    start_server,
)
from stockstream.database.embedded.programs import EmbeddedFailed, programs
from stockstream.database.embedded.user import ServerUser

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")


@pytest.fixture
def nobody() -> ServerUser:
    return ServerUser("nobody", NOBODY, NOBODY, programs())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A folder of root's, as /etc is."""
    folder = tmp_path / "secret"
    folder.mkdir()
    return folder


@pytest.fixture
def layout() -> Iterator[Layout]:
    """Its path is short, or the socket's folder would not stand in it."""
    with tempfile.TemporaryDirectory() as folder:
        found = Layout(Path(folder) / "data")
        found.home.mkdir(parents=True)
        yield found


@ROOT_ONLY
@pytest.mark.proves("H1")
def test_a_link_in_place_of_the_sockets_folder_gives_nothing_away(
    layout: Layout, nobody: ServerUser, secret: Path
) -> None:
    """Who broke into the server would have root give it any folder at the next start."""
    (layout.home / "socket").symlink_to(secret)
    with pytest.raises(NotADirectoryError, match="socket"):
        socket_folder(layout, nobody)
    with pytest.raises(NotADirectoryError, match="socket"):
        start_server(layout, nobody, layout.home / "socket")
    assert secret.stat().st_uid == 0
    (layout.home / "socket").unlink()
    assert socket_folder(layout, nobody).stat().st_uid == NOBODY


@ROOT_ONLY
@pytest.mark.proves("H1")
def test_a_link_in_place_of_the_draft_gives_nothing_away(
    layout: Layout, nobody: ServerUser, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is put there in the instant after the draft was made."""
    made = type(layout.home).mkdir

    def mkdir(path: Path, *arguments: object, **named: object) -> None:
        made(path, *arguments, **named)  # type: ignore[arg-type]
        if path.name == "draft":
            path.rename(path.with_name("gone"))
            path.symlink_to(secret)

    monkeypatch.setattr(type(layout.home), "mkdir", mkdir)
    with pytest.raises(EmbeddedFailed, match=r"DATA_DIRECTORY: .*: Not a directory"):
        trio.run(prepare, layout, nobody)
    assert secret.stat().st_uid == 0


@pytest.fixture
def another_server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What looks like a PostgreSQL of somebody else's, by its name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "postgres").symlink_to("/bin/sleep")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with subprocess.Popen([str(folder / "postgres"), "60"], cwd=elsewhere) as process:
        yield process
        process.kill()


@pytest.mark.proves("H1")
def test_another_postgresql_that_has_the_process_id_is_not_ours(
    layout: Layout, another_server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """After a power failure the number in the file may be that of the system's own server."""
    layout.data.mkdir()
    (layout.data / "postmaster.pid").write_text(f"{another_server.pid}\n")
    assert postmaster(layout) is None
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "postmaster.pid").write_text(f"{another_server.pid}\n")
    layout.data.joinpath("postmaster.pid").unlink()
    layout.data.rmdir()
    layout.data.symlink_to(elsewhere)
    assert postmaster(layout) == another_server.pid, "by whatever path"
