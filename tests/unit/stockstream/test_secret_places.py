"""Secrets in files and credentials: their order, and what is refused without a value repeated."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stockstream.cli.admin_client import token_of
from stockstream.cli.config import config
from stockstream.config import PRIVATE
from stockstream.environment import load
from stockstream.errors import ConfigurationError
from stockstream.secret_places import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = {
    "STOCK_API_URL": "https://user:of-a-file@prices.example",
    "PROVIDERS": "a=https://prices.example?key=of-a-file",
    "DATABASE_URL": "postgresql://user:of-a-file@db/prices",
    "DATABASE_READ_URL": "postgresql://user:of-a-file@replica/prices",
    "CLUSTER_NATS_URL": "nats://user:of-a-file@bus",
    "OPERATOR_WEBHOOK": "https://hooks.example/of-a-file",
}
OF_A_FILE = "of-a-file-of-at-least-32-characters"


@pytest.fixture
def refused(clean: Path) -> Callable[[], str]:
    """Load, expect a refusal, and return its one line."""

    def attempt() -> str:
        with pytest.raises(ConfigurationError) as caught:
            load()
        assert len(str(caught.value).splitlines()) == 1
        assert "hunter2" not in str(caught.value)
        return str(caught.value)

    return attempt


@pytest.mark.parametrize("name", [field.upper() for field in PRIVATE])
def test_every_secret_may_be_in_a_file(
    name: str, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable with `_FILE` behind it, or as a credential; the line's end is not of it."""
    text = VALUES.get(name, OF_A_FILE)
    file = clean / name.lower()
    file.write_text(text + "\r\n")
    file.chmod(0o600)
    monkeypatch.setenv("NODE_NAME", "a")
    if name == "OIDC_CLIENT_SECRET":  # of no use alone
        monkeypatch.setenv("OIDC_ISSUER", "https://id.example")
        monkeypatch.setenv("OIDC_CLIENT_ID", "stockstream")
    if name == "SMTP_PASSWORD":
        monkeypatch.setenv("SMTP_URL", "smtp://me@mail.example")
        monkeypatch.setenv("MAIL_FROM", "alerts@example.com")
        monkeypatch.setenv("PUBLIC_URL", "https://stocks.example")
    for variable, value, place in (
        (f"{name}_FILE", name.lower(), "file"),
        ("CREDENTIALS_DIRECTORY", str(clean), "credential"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            configuration = load()
        assert configuration.sources[name.lower()] == place
        given = configuration.given[name]
        assert given.value.get_secret_value() == text
        assert given.path is not None
        assert given.path.name == name.lower()
        assert configuration.warnings == []
        assert "of-a-file" not in repr(configuration)


def test_the_environment_goes_before_credentials_and_those_before_env(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest to the service counts; in the environment, a file counts as a variable does."""
    (clean / ".env").write_text("ADMIN_TOKEN=of-the-file-.env-here\n")
    (clean / "named").write_text("of-a-file-that-is-named")
    assert load().sources["admin_token"] == ".env"
    folder = clean / "credentials"
    folder.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert load().sources["admin_token"] == ".env", "there is no credential of that name"
    (folder / "admin_token").write_text("of-a-credential-here")
    assert load().settings.admin_token.get_secret_value() == "of-a-credential-here"
    monkeypatch.setenv("ADMIN_TOKEN_FILE", "named")
    assert load().settings.admin_token.get_secret_value() == "of-a-file-that-is-named"
    monkeypatch.delenv("ADMIN_TOKEN_FILE")
    monkeypatch.setenv("ADMIN_TOKEN", "of-the-environment-here")
    configuration = load()
    assert configuration.settings.admin_token.get_secret_value() == "of-the-environment-here"
    assert configuration.sources["admin_token"] == "environment"


def test_a_file_named_in_env_is_read(clean: Path) -> None:
    """And is told as a file."""
    (clean / ".env").write_text("ADMIN_TOKEN_FILE=token\n")
    (clean / "token").write_text("of-a-file-that-is-named")
    configuration = load()
    assert configuration.sources["admin_token"] == "file"
    assert configuration.settings.admin_token.get_secret_value() == "of-a-file-that-is-named"


def test_keys_of_providers_may_be_credentials(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the name of its variable, in small letters."""
    (clean / "us_api_key").write_text("the-key\n")
    (clean / "us_api_secret").write_text("the-secret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(clean))
    monkeypatch.setenv("PROVIDERS", "us=kraken://")
    settings = load().settings
    assert settings.provider_keys["us"].get_secret_value() == "the-key"
    assert settings.provider_secrets["us"].get_secret_value() == "the-secret"


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_secret_that_is_set_in_both_ways_is_refused(
    where: str, clean: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[[], str]
) -> None:
    """By its name: nobody can know which of the two was meant."""
    given = {"ADMIN_TOKEN": "hunter2-hunter2-hunter2", "ADMIN_TOKEN_FILE": "gone"}
    for name, value in given.items():
        if where == "environment":
            monkeypatch.setenv(name, value)
        else:
            with (clean / ".env").open("a") as file:
                file.write(f"{name}={value}\n")
    assert refused() == (
        f"ADMIN_TOKEN: is set, and ADMIN_TOKEN_FILE, too ({where}); set one of them"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf\r\n\n", "is empty"),
        (b"   \n", "is empty"),
        (b"hunter2-\xff-hunter2-hunter2", "is no text in UTF-8"),
        (b"hunter2-hunter2-hunter2\nadmin\n", "holds more than one line of text"),
        (b"hunter2-hunter2\0-hunter2", "holds more than one line of text"),
        (b"hunter2." * (LONGEST // 8) + b".", f"is too long for a secret: over {LONGEST} bytes"),
    ],
)
def test_a_file_without_a_secret_is_named(
    content: bytes,
    why: str,
    clean: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[[], str],
) -> None:
    """The variable, the file and what is wrong; as a credential, too."""
    file = clean / "admin_token"
    file.write_bytes(content)
    monkeypatch.setenv("ADMIN_TOKEN_FILE", str(file))
    assert refused() == f"ADMIN_TOKEN_FILE: {str(file)!r} {why}"
    monkeypatch.delenv("ADMIN_TOKEN_FILE")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(clean))
    assert refused() == f"ADMIN_TOKEN: the credential {str(file)!r} {why}"


def _socket(path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path.relative_to(Path.cwd())))
    listening.close()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "cannot be read: it is no file"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot be read: it is no file"),
        (_socket, "cannot be read: No such device or address"),
        (os.mkdir, "cannot be read: Is a directory"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda _: None, "cannot be read: No such file or directory"),
    ],
    ids=["fifo", "device", "socket", "directory", "loop", "nothing"],
)
def test_what_is_no_file_is_named_at_once(
    make: Callable[[Path], object],
    why: str,
    clean: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[[], str],
) -> None:
    """A FIFO would wait for somebody who writes; a start does not."""
    path = clean / "token"
    make(path)
    monkeypatch.setenv("ADMIN_TOKEN_FILE", str(path))
    assert refused() == f"ADMIN_TOKEN_FILE: {str(path)!r} {why}"
    monkeypatch.delenv("ADMIN_TOKEN_FILE")
    monkeypatch.setenv("PROVIDERS", "us=kraken://")
    monkeypatch.setenv("US_API_KEY_FILE", str(path))
    assert refused() == f"US_API_KEY_FILE: {str(path)!r} {why}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_of_somebody_else_is_named(
    clean: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[[], str]
) -> None:
    """With what the system says."""
    file = clean / "token"
    file.write_text("hunter2-hunter2-hunter2")
    file.chmod(0)
    monkeypatch.setenv("ADMIN_TOKEN_FILE", "token")
    assert refused() == "ADMIN_TOKEN_FILE: 'token' cannot be read: Permission denied"


def test_a_wrong_value_of_a_file_is_told_without_it(
    clean: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[[], str]
) -> None:
    """As one of a variable is."""
    (clean / "url").write_text("mysql://user:hunter2@db/prices")
    monkeypatch.setenv("DATABASE_URL_FILE", "url")
    line = refused()
    assert line.startswith("DATABASE_URL: ")
    assert line.endswith("(file)")


def test_a_file_that_everybody_reads_is_warned_of(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works, as orchestrators write such files inside of a container."""
    file = clean / "token"
    file.write_text("of-a-file-that-is-named")
    monkeypatch.setenv("ADMIN_TOKEN_FILE", "token")
    file.chmod(0o644)
    assert load().warnings == [
        "ADMIN_TOKEN_FILE: 'token' can be read by every user of this machine"
    ]
    file.chmod(0o640)
    assert load().warnings == []


def test_prices_that_others_see_unsaid_are_warned_of(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this machine alone sees them, and where it is said, nothing is."""
    assert clean.is_dir()
    monkeypatch.setenv("HOST", "0.0.0.0")
    (line,) = load().warnings
    assert line.startswith("DASHBOARD: not set, so whoever reaches 0.0.0.0 sees prices")
    monkeypatch.setenv("DASHBOARD", "open")
    assert load().warnings == []
    monkeypatch.delenv("DASHBOARD")
    for host in ("127.0.0.1", "::1", "localhost"):
        monkeypatch.setenv("HOST", host)
        assert load().warnings == []


def test_a_misspelt_file_is_refused_with_a_guess(
    monkeypatch: pytest.MonkeyPatch, refused: Callable[[], str]
) -> None:
    """And one of a setting that is no secret: nothing would read it."""
    monkeypatch.setenv("ADMIN_TOKEN_FIEL", "x")
    assert refused().endswith("did you mean ADMIN_TOKEN_FILE?")
    monkeypatch.delenv("ADMIN_TOKEN_FIEL")
    monkeypatch.setenv("STOCKSTREAM_PORT_FILE", "x")
    assert refused().startswith("STOCKSTREAM_PORT_FILE: unknown setting")


def test_production_refuses_equal_secrets(
    clean: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[[], str]
) -> None:
    """Who is given the one would have the other."""
    for name in ("SECRET_KEY_BASE", "ADMIN_TOKEN"):
        monkeypatch.setenv(name, "hunter2-" * 5)
    load()
    monkeypatch.setenv("STOCKSTREAM_ENV", "production")
    assert refused() == "ADMIN_TOKEN: is the same as SECRET_KEY_BASE; draw one for each"


def test_production_refuses_secrets_in_an_env_that_everybody_reads(
    clean: Path, refused: Callable[[], str]
) -> None:
    """It says which, and the command that mends it."""
    file = clean / ".env"
    file.write_text(
        f"STOCKSTREAM_ENV=production\nSECRET_KEY_BASE={'hunter2-' * 5}\nADMIN_TOKEN={'t' * 20}\n"
    )
    file.chmod(0o644)
    assert refused() == (
        "SECRET_KEY_BASE: stands in .env, which every user of this machine can read; chmod o-r .env"
    )
    file.chmod(0o640)
    assert load().settings.production


def test_commands_take_their_token_from_a_file_too(
    clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`STOCKSTREAM_TOKEN_FILE`, which a start in the same environment leaves alone."""
    (clean / "token").write_text("of-a-file-that-is-named\n")
    monkeypatch.setenv("STOCKSTREAM_TOKEN_FILE", "token")
    monkeypatch.setenv("STOCKSTREAM_CHAOS_TOKEN", "another")
    assert token_of("STOCKSTREAM_TOKEN") == "of-a-file-that-is-named"
    assert token_of("STOCKSTREAM_CHAOS_TOKEN") == "another"
    load()


def test_what_is_shown_has_the_place_and_never_the_value(
    clean: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By `stockstream config`, as a table and as JSON; the keys of providers, too."""
    values = {
        "ADMIN_TOKEN": "hunter2-hunter2-hunter2",
        "CHAOS_TOKEN": "hunter2-for-chaos-alone",
        "SECRET_KEY_BASE": "hunter2-hunter2-hunter2-hunter2-hunter2",
        "DATABASE_URL": "postgresql://user:hunter2@db/prices",
        "DATABASE_READ_URL": "postgresql://user:hunter2@replica/prices",
        "CLUSTER_NATS_URL": "nats://user:hunter2@bus",
        "PROVIDERS": "us=https://user:hunter2@prices.example?key=hunter2",
        "US_API_KEY": "hunter2",
        "US_API_SECRET": "hunter2",
    }
    monkeypatch.setenv("NODE_NAME", "a")
    for name, value in values.items():
        (clean / name).write_text(value)
        monkeypatch.setenv(f"{name}_FILE", name)
    config(as_json=True)
    text = capsys.readouterr().out
    shown = json.loads(text)
    for name in values:
        assert (shown[name]["source"], shown[name]["file"]) == ("file", name)
    config()
    text += capsys.readouterr().out
    assert "file US_API_SECRET" in text
    assert "hunter2" not in text
