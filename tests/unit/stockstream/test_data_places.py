"""Where data is kept when no setting says it, and how a command finds the server that has it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from stockstream import data_places
from stockstream.data_places import LOCAL, default_directory, in_checkout, users_directory
from stockstream.errors import ConfigurationError
from stockstream.server_file import FILE, RunningServer, ServerFile, running_server


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The program as it is without its checkout, in an empty folder, with a home beside it."""
    monkeypatch.setattr(data_places, "in_checkout", lambda: False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home of Zoë"))
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return tmp_path / "home of Zoë"


def test_a_checkout_keeps_its_data_beside_it() -> None:
    assert in_checkout()
    assert default_directory() == LOCAL


@pytest.mark.parametrize("text", [None, '[project]\nname = "other"\n', "name = \xff"])
def test_a_package_beside_another_project_is_no_checkout(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text, encoding="latin-1")
    assert not in_checkout(tmp_path / "stockstream")


def test_what_is_installed_keeps_data_at_the_users_place(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert default_directory() == installed / ".local/share/stockstream"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_directory() == installed / "Library/Application Support/stockstream"
    monkeypatch.setenv("XDG_DATA_HOME", "/there")
    assert default_directory() == Path("/there/stockstream")
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert default_directory().is_relative_to(installed)


@pytest.mark.usefixtures("installed")
def test_a_folder_of_data_that_is_there_is_used_if_it_is_this_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    LOCAL.mkdir()
    assert default_directory() == LOCAL
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert default_directory() == users_directory()


@pytest.mark.parametrize("home", [None, "", "relative"])
@pytest.mark.usefixtures("installed")
def test_without_a_home_in_the_environment_it_is_the_one_of_the_account(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    assert users_directory().is_relative_to(pwd.getpwuid(os.getuid()).pw_dir)

    def nobody(_number: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigurationError, match="has no home to keep data in; set DATA_DIRECTORY"):
        users_directory()


def test_a_server_is_found_by_its_data_for_as_long_as_it_lives(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert running_server(data) is None
    file = ServerFile(data)
    assert not file.taken
    assert running_server(data) is None  # it has not told yet
    file.tell("http://127.0.0.1:4000")
    found = RunningServer(os.getpid(), "http://127.0.0.1:4000", str(Path.cwd()))
    assert running_server(data) == found
    second = ServerFile(data)
    assert (second.taken, second.other) == (True, found)
    second.tell("http://127.0.0.1:4001")
    second.close()
    assert running_server(data) == found
    file.close()
    file.close()
    assert running_server(data) is None
    assert not ServerFile(data).taken


def test_a_file_that_cannot_be_had_stops_no_server(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    file = ServerFile(tmp_path)
    file.tell("http://127.0.0.1:4000")
    file.close()
    assert running_server(tmp_path) is None


def test_another_users_file_leads_nobody_to_their_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token would be sent there. Who names the directory says that it is meant."""
    file = ServerFile(tmp_path)
    file.tell("http://127.0.0.1:4000")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert running_server(tmp_path) is None
    assert running_server(tmp_path, of_anybody=True) is not None
    file.close()
    (tmp_path / FILE).unlink()
    os.mkfifo(tmp_path / FILE)
    assert running_server(tmp_path, of_anybody=True) is None


def test_a_damaged_file_names_no_server(tmp_path: Path) -> None:
    file = ServerFile(tmp_path)
    (tmp_path / FILE).write_bytes(b'{"pid": "one"')
    assert running_server(tmp_path) is None
    assert ServerFile(tmp_path).taken
    file.close()
