"""The settings in the environment and `.env`: which are ours, their errors, their origin.

`load()` is what every command calls. All that can be wrong with the settings is found here, before
anything is started, and told in one line (`ConfigurationError`).
"""

import contextlib
import difflib
import os
import re
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError

from stockstream.config import ENV_FILE, SECRETS, Settings
from stockstream.errors import ConfigurationError
from stockstream.sources import InvalidSources, Source, read_providers

NOT_MADE_YET: Final = "not made yet"
Origin = Literal["default", "environment", ".env", "generated", "not made yet"]
"""`generated` is a secret that is kept in `DATA_DIRECTORY`; `not made yet`, one that a start will
make: until then the value there is stands for none.
"""

_PREFIX = "STOCKSTREAM_"
_KEY = re.compile(r"[!-~]+")
_LONGEST_KEY = 8_192
"""What is longer is another file, or never ends."""
_OTHERS = re.compile(
    # Read by commands that talk to a running node, and by docker-compose.yml from the same .env.
    r"STOCKSTREAM_(URL|TOKEN)|POSTGRES_PASSWORD|COMPOSE_\w+"
    # Kubernetes and Docker put these into every container beside a service named `stockstream`.
    r"|STOCKSTREAM(_\w+)?_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_CLOSE = 0.9  # one letter added, left out, swapped or changed in a name of ten
_SHORTEST_GUESSED = 8  # strangers' shorter names (HOSTS, SPORT) lie near to ours by chance


@dataclass(frozen=True)
class Configuration:
    """The input of a start: the settings, and by field name the origin of each value."""

    settings: Settings
    sources: Mapping[str, Origin]


def load(*, make_secrets: bool = False) -> Configuration:
    """Read the environment and `.env` of the working directory; the environment wins.

    In development a secret that is not set is the one kept in `DATA_DIRECTORY` (mode 0600), so that
    a restart does not end sessions. A start has it made there with `make_secrets`; commands that
    only look write nothing.

    Raises:
        ConfigurationError: a setting is unknown or wrong, or a secret cannot be read or kept.
    """
    in_file = _read_env_file(Path(ENV_FILE))
    keys = _names_of_keys({**in_file, **os.environ})
    unknown = [*_unknown(os.environ, "environment", keys), *_unknown(in_file, ".env", keys)]
    if unknown:
        raise ConfigurationError("; ".join(unknown))
    sources: dict[str, Origin] = {}
    for field in Settings.model_fields:
        if os.environ.get(field.upper()):
            sources[field] = "environment"
        elif in_file.get(field.upper()):
            sources[field] = ".env"
        else:
            sources[field] = "default"
    try:
        settings = Settings()
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, sources)) from None
    for field in SECRETS:
        if sources[field] == "default":
            kept = _kept_secret(settings.data_directory, field, make=make_secrets)
            sources[field] = NOT_MADE_YET if kept is None else "generated"
            if kept is not None:
                settings = settings.model_copy(update={field: kept})
    for source in settings.providers:
        settings = settings.with_provider_key(source.name, *key_and_secret(source, in_file))
    return Configuration(settings, sources)


def key_and_secret(
    source: Source, in_file: Mapping[str, str] | None = None
) -> tuple[SecretStr | None, SecretStr | None]:
    """A provider's key, and what belongs to it, as far as they are given: in `NAME_API_KEY` and
    `NAME_API_SECRET`, or in the files that these name with `_FILE` behind.

    `in_file` is what stands in `.env`, read if it is not there.

    Raises:
        ConfigurationError: one is set in both ways, or a file cannot be read or holds none.
    """
    if in_file is None:
        in_file = _read_env_file(Path(ENV_FILE))
    key, secret = (
        _value_or_file(name, in_file) for name in (source.key_variable, source.secret_variable)
    )
    return key, secret


def _value_or_file(name: str, in_file: Mapping[str, str]) -> SecretStr | None:
    value = os.environ.get(name) or in_file.get(name)
    path = os.environ.get(f"{name}_FILE") or in_file.get(f"{name}_FILE")
    if value and path:
        raise ConfigurationError(f"{name}: is set, and {name}_FILE, too; set one of them")
    if path:
        try:
            with Path(path).open(encoding="utf-8") as file:
                value = file.read(_LONGEST_KEY + 1).strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(f"{name}_FILE: {path!r} cannot be read: {why}") from None
        if not value:
            raise ConfigurationError(f"{name}_FILE: {path!r} is empty")
        if len(value) > _LONGEST_KEY:
            raise ConfigurationError(f"{name}_FILE: {path!r} is too long for a key")
    if value and not _KEY.fullmatch(value.strip()):
        raise ConfigurationError(f"{name}: holds what no key does: a blank, or no ASCII")
    return SecretStr(value.strip()) if value else None


def _names_of_keys(given: Mapping[str, str]) -> set[str]:
    """The variables of the keys of the providers that `PROVIDERS` names, as far as it can be read;
    what is wrong with it is told with the settings.
    """
    try:
        sources = read_providers(given["PROVIDERS"]) if given.get("PROVIDERS") else ()
    except InvalidSources:
        return set()
    names = [name for s in sources for name in (s.key_variable, s.secret_variable)]
    return {written for name in names for written in (name, f"{name}_FILE")}


def _read_env_file(path: Path) -> dict[str, str]:
    """Return the names and raw values of an env file; without the file, none."""
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    for binding in bindings:
        if binding.error:
            raise ConfigurationError(f"{path} line {binding.original.line}: expected NAME=value")
    return {binding.key: binding.value or "" for binding in bindings if binding.key}


def _unknown(given: Mapping[str, str], origin: Origin, keys: Container[str]) -> list[str]:
    """The unknown names meant for us: all of `.env`, our prefix, near misspellings.

    Those in `keys` are of providers.
    """
    known = [field.upper() for field in Settings.model_fields]
    found = []
    for name, value in given.items():
        if name in known or name in keys or _OTHERS.fullmatch(name):
            continue
        if name.startswith(_PREFIX) and name.endswith("_PORT") and "://" in value:
            continue  # a link to a neighbouring service too; STOCKSTREAM_PORT=4000 is a mistake
        ours = origin == ".env" or name.startswith(_PREFIX)
        guess = difflib.get_close_matches(
            name.removeprefix(_PREFIX).upper(), known, n=1, cutoff=0.6 if ours else _CLOSE
        )
        if ours or (guess and len(name) >= _SHORTEST_GUESSED):
            hint = f"did you mean {guess[0]}?" if guess else "`stockstream config` lists them all"
            found.append(f"{name}: unknown setting ({origin}); {hint}")
    return found


def _one_line(error: ValidationError, sources: Mapping[str, Origin]) -> str:
    lines = []
    for detail in error.errors():
        cause = detail.get("ctx", {}).get("error")
        text = str(cause) if cause else detail["msg"][0].lower() + detail["msg"][1:]
        if detail["loc"]:
            name = str(detail["loc"][0]).upper()
            field = Settings.model_fields[name.lower()]
            given = detail["input"]
            # What is kept out of repr() may carry a password and is kept out of errors too.
            if field.repr and str(given) not in text:
                text = f"{text}, got {given!r}"
            text = f"{name}: {text} ({sources[name.lower()]})"
        lines.append(text)
    return "; ".join(lines)


def _kept_secret(directory: Path, field: str, *, make: bool) -> SecretStr | None:
    """Return the secret kept in a file of the field's name; without one, make it, or return None.

    The file appears complete or not at all, and the first of two starts at once wins: a link to
    a finished file fails where the name is taken.
    """
    path = directory / field
    try:
        if make and not path.exists():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = directory / f".{field}.{os.getpid()}"
            descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_urlsafe(48) + "\n")
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
            draft.unlink()
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        if not make and isinstance(error, FileNotFoundError):
            return None
        raise ConfigurationError(
            f"{field.upper()}: cannot be generated and kept in {path}: {error}; "
            "set it, or set DATA_DIRECTORY to a directory that can be written"
        ) from None
    if len(text) < 32:
        raise ConfigurationError(
            f"{field.upper()}: {path} holds no secret; delete it for a new one"
        )
    return SecretStr(text)
