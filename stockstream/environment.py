"""The settings in the environment and `.env`: which are ours, their errors, their origin.

`load()` is what every command calls. All that can be wrong with the settings is found here, before
anything is started, and told in one line (`ConfigurationError`).
"""

import contextlib
import difflib
import itertools
import os
import re
import secrets
import stat
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError

from stockstream.config import ENV_FILE, PRIVATE, SECRETS, Settings
from stockstream.data_places import in_checkout
from stockstream.errors import ConfigurationError
from stockstream.secret_places import Given, Place, SecretPlaces, file_variable, value_of
from stockstream.sources import InvalidSources, Source, read_providers

NOT_MADE_YET: Final = "not made yet"
Origin = Place | Literal["default", "generated", "not made yet"]
"""`generated` is a secret that is kept in `DATA_DIRECTORY`; `not made yet`, one that a start will
make: until then the value there is stands for none.
"""

_PREFIX = "STOCKSTREAM_"
_KEY = re.compile(r"[!-~]+")
_OTHERS = re.compile(
    # Read by commands that talk to a running node, and by docker-compose.yml from the same .env.
    r"STOCKSTREAM_(URL|(CHAOS_)?TOKEN(_FILE)?)|POSTGRES_PASSWORD|COMPOSE_\w+"
    r"|OTEL_\w+"  # OpenTelemetry's, under its own names
    # Kubernetes and Docker put these into every container beside a service named `stockstream`.
    r"|STOCKSTREAM(_\w+)?_(SERVICE_(HOST|PORT\w*)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_CLOSE = 0.9  # one letter added, left out, swapped or changed in a name of ten
_SHORTEST_GUESSED = 8  # strangers' shorter names (HOSTS, SPORT) lie near to ours by chance


@dataclass(frozen=True)
class Configuration:
    """The input of a start: the settings, and by field name the origin of each value.

    `given` has each secret that is set, by its variable, those of the providers too; `warnings` are
    what an operator should be told of them. `otel` has the variables of OpenTelemetry.
    """

    settings: Settings
    sources: Mapping[str, Origin]
    given: Mapping[str, Given] = field(default_factory=dict)
    otel: Mapping[str, str] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """A line for each file that more can read than should, and for prices that other machines
        can see without anybody having said that they may.
        """
        lines = [
            f"{file_variable(name)}: {str(given.path)!r} can be read by every user of this machine"
            for name, given in self.given.items()
            if given.exposed
        ]
        if self.sources.get("dashboard") == "default" and not self.settings.on_loopback:
            lines.append(
                f"DASHBOARD: not set, so whoever reaches {self.settings.host} sees prices; say "
                "`open` where they may, or `login`"
            )
        return lines


def load(*, make_secrets: bool = False) -> Configuration:
    """Read the environment and `.env` of the working directory; the environment wins.

    In development a secret that is not set is the one kept in `DATA_DIRECTORY` (mode 0600), so that
    a restart does not end sessions. A start has it made there with `make_secrets`; commands that
    only look write nothing.

    Raises:
        ConfigurationError: a setting is unknown or wrong, or a secret cannot be read or kept.
    """
    in_file = _read_env_file(Path(ENV_FILE))
    places = SecretPlaces.here(in_file)
    given = {name.upper(): found for name in PRIVATE if (found := places.find(name.upper()))}
    keys = _names_of_keys(given.get("PROVIDERS"))
    unknown = [*_unknown(os.environ, "environment", keys), *_unknown(in_file, ".env", keys)]
    if unknown:
        raise ConfigurationError("; ".join(unknown))
    sources: dict[str, Origin] = {}
    for name in Settings.model_fields:
        found = given.get(name.upper())
        if found is not None:
            sources[name] = found.place
        elif name not in PRIVATE and os.environ.get(name.upper()):
            sources[name] = "environment"
        elif name not in PRIVATE and in_file.get(name.upper()):
            sources[name] = ".env"
        else:
            sources[name] = "default"
    try:
        # As by a call: all else it reads by itself.
        settings = Settings.model_validate(
            {name: one.value.get_secret_value() for name, one in given.items()}
        )
    except ValidationError as error:
        raise ConfigurationError(_one_line(error, sources)) from None
    if settings.production:
        _check_production(settings, sources)
    for name in SECRETS:
        if sources[name] == "default":
            kept = _kept_secret(settings.data_directory, name, make=make_secrets)
            sources[name] = NOT_MADE_YET if kept is None else "generated"
            if kept is not None:
                settings = settings.model_copy(update={name: kept})
    for source in settings.providers:
        key, secret = key_and_secret(source, places)
        settings = settings.with_provider_key(source.name, value_of(key), value_of(secret))
        both = {source.key_variable: key, source.secret_variable: secret}
        given |= {name: one for name, one in both.items() if one is not None}
    otel = {
        name: value
        for given_in in (in_file, os.environ)
        for name, value in given_in.items()
        if name.startswith("OTEL_") and value
    }
    return Configuration(settings, sources, given, otel)


def key_and_secret(
    source: Source, places: SecretPlaces | None = None
) -> tuple[Given | None, Given | None]:
    """A provider's key, and what belongs to it, as far as they are given, in `NAME_API_KEY` and
    `NAME_API_SECRET`. Without `places`, in those of this process.

    Raises:
        ConfigurationError: one is set in two ways, or a file cannot be read or holds none.
    """
    if places is None:
        places = SecretPlaces.here(_read_env_file(Path(ENV_FILE)))
    return _key(source.key_variable, places), _key(source.secret_variable, places)


def _key(name: str, places: SecretPlaces) -> Given | None:
    found = places.find(name)
    if found is None:
        return None
    text = found.value.get_secret_value().strip()
    if not _KEY.fullmatch(text):
        raise ConfigurationError(f"{name}: holds what no key does: a blank, or no ASCII")
    return replace(found, value=SecretStr(text))


def _check_production(settings: Settings, sources: Mapping[str, Origin]) -> None:
    """Refuse what lets a stranger find a secret."""
    tokens = {
        "SECRET_KEY_BASE": settings.secret_key_base,
        "ADMIN_TOKEN": settings.admin_token,
        "CHAOS_TOKEN": settings.chaos_token,
    }
    for (one, value), (other, same) in itertools.combinations(tokens.items(), 2):
        if value is not None and value == same:
            raise ConfigurationError(f"{other}: is the same as {one}; draw one for each")
    inside = [name.upper() for name in PRIVATE if sources[name] == ".env"]
    if inside and Path(ENV_FILE).stat().st_mode & stat.S_IROTH:
        raise ConfigurationError(
            f"{inside[0]}: stands in {ENV_FILE}, which every user of this machine can read; "
            f"chmod o-r {ENV_FILE}"
        )


def _names_of_keys(providers: Given | None) -> set[str]:
    """The variables of the keys of the providers that `PROVIDERS` names, as far as it can be read;
    what is wrong with it is told with the settings.
    """
    try:
        sources = read_providers(providers.value.get_secret_value()) if providers else ()
    except InvalidSources:
        return set()
    names = [name for s in sources for name in (s.key_variable, s.secret_variable)]
    return {written for name in names for written in (name, file_variable(name))}


def _read_env_file(path: Path) -> dict[str, str]:
    """Return the names and raw values of an env file; without the file, none."""
    try:
        if path.is_fifo():
            raise ConfigurationError(f"{path} cannot be read: it is a FIFO")
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
    known = [name.upper() for name in Settings.model_fields]
    known += [file_variable(name.upper()) for name in PRIVATE]
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
            if origin == ".env" and not guess and not in_checkout():
                hint += "; if this file is another program's, start in another folder"
            found.append(f"{name}: unknown setting ({origin}); {hint}")
    return found


def _one_line(error: ValidationError, sources: Mapping[str, Origin]) -> str:
    lines = []
    for detail in error.errors():
        cause = detail.get("ctx", {}).get("error")
        text = str(cause) if cause else detail["msg"][0].lower() + detail["msg"][1:]
        if detail["loc"]:
            name = str(detail["loc"][0]).upper()
            given = detail["input"]
            # What is kept out of repr() may carry a password and is kept out of errors too.
            if name.lower() not in PRIVATE and str(given) not in text:
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
