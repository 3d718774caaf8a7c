"""Where a secret may stand: in a variable, in the file that `NAME_FILE` names, in a credential that
systemd hands over. One order for all of them, and no message repeats a value.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import SecretStr

from stockstream.errors import ConfigurationError
from stockstream.regular_files import read_regular

if TYPE_CHECKING:
    from collections.abc import Mapping

Place = Literal["environment", "file", "credential", ".env"]

LONGEST = 65_536
"""Bytes of a secret's file. What is longer is another file."""
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""systemd tells a service by it where its credentials are, each in a file of its name."""


@dataclass(frozen=True, slots=True)
class Given:
    """A secret, and where it stands; `exposed` is a file that every user of the machine can read.

    A credential never is: systemd sees to that, and its access list looks like a lax mode.
    """

    value: SecretStr
    place: Place
    path: Path | None = None
    exposed: bool = False


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """What is looked through: the variables, the credentials, what stands in `.env`."""

    environment: Mapping[str, str]
    in_file: Mapping[str, str]
    credentials: Path | None

    @classmethod
    def here(cls, in_file: Mapping[str, str]) -> Self:
        """Those of this process."""
        folder = os.environ.get(CREDENTIALS)
        return cls(os.environ, in_file, Path(folder) if folder else None)

    def find(self, name: str) -> Given | None:
        """The secret of a variable's name: in the environment by itself or by `NAME_FILE`, else the
        credential of the name in small letters, else in `.env` by either.

        Raises:
            ConfigurationError: it is there in both ways, or its file holds none.
        """
        return (
            _in_variables(self.environment, "environment", name)
            or self._credential(name)
            or _in_variables(self.in_file, ".env", name)
        )

    def _credential(self, name: str) -> Given | None:
        if self.credentials is None:
            return None
        path = self.credentials / name.lower()
        if not os.path.lexists(path):
            return None
        value, _ = _read(f"{name}: the credential", path)
        return Given(value, "credential", path)


def file_variable(name: str) -> str:
    """The variable that names the file of a secret."""
    return f"{name}_FILE"


def value_of(found: Given | None) -> SecretStr | None:
    """The secret alone."""
    return None if found is None else found.value


def _in_variables(
    variables: Mapping[str, str], place: Literal["environment", ".env"], name: str
) -> Given | None:
    value, file = variables.get(name), variables.get(file_variable(name))
    if value and file:
        raise ConfigurationError(
            f"{name}: is set, and {file_variable(name)}, too ({place}); set one of them"
        )
    if file:
        path = Path(file)
        secret, exposed = _read(f"{file_variable(name)}:", path)
        return Given(secret, "file", path, exposed)
    return Given(SecretStr(value), place) if value else None


def _read(whose: str, path: Path) -> tuple[SecretStr, bool]:
    """What a file holds, without the line's end, and whether everybody can read it."""
    try:
        text, mode = _text_of(path)
    except OSError as error:
        raise ConfigurationError(
            f"{whose} {str(path)!r} cannot be read: {error.strerror or error}"
        ) from None
    except ValueError as error:
        raise ConfigurationError(f"{whose} {str(path)!r} {error}") from None
    return SecretStr(text), bool(mode & stat.S_IROTH)


def _text_of(path: Path) -> tuple[str, int]:
    """Raises OSError where it cannot be opened, ValueError with what is wrong with it."""
    if "\0" in str(path):
        raise ValueError("is no path")
    raw, mode = read_regular(path, LONGEST)
    if len(raw) > LONGEST:
        raise ValueError(f"is too long for a secret: over {LONGEST} bytes")
    try:
        text = raw.decode("utf-8-sig")  # editors of Windows put a mark before it
    except UnicodeDecodeError:
        raise ValueError("is no text in UTF-8") from None
    text = text.rstrip("\r\n")
    if not text.strip():
        raise ValueError("is empty")
    if not text.replace("\t", " ").isprintable():
        raise ValueError("holds more than one line of text")
    return text, mode
