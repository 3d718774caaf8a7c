"""Checks of secrets: whether they can be guessed, and who may read the files they stand in."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import trio
from pydantic import SecretStr

from stockstream.cli.doctor.findings import Finding, ok, warning, worst_of
from stockstream.config import ENV_FILE, PRIVATE, SECRETS
from stockstream.environment import NOT_MADE_YET
from stockstream.market.providers.known_secrets import KnownSecrets
from stockstream.secret_places import file_variable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.config import Settings
    from stockstream.environment import Configuration

FEWEST_CHARACTERS = 8
"""A random text of 16 has about 14 different ones."""
_WORDS = ("change", "secret", "password", "example", "token", "stockstream", "12345", "qwert")
NOT_CHOSEN = frozenset({"default", "generated", NOT_MADE_YET})
"""Sources of values that nobody has set."""
DRAW = "draw one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def secrets_of(settings: Settings) -> KnownSecrets:
    """All that must not be shown, to be taken out of what is printed."""
    found: list[str] = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(value, SecretStr) and "://" not in value.get_secret_value():
            found.append(value.get_secret_value())
        elif isinstance(text, str) and "://" in text:
            found += _in_address(text)
    for source in settings.providers:
        found += _in_address(source.url)
    for keys in (settings.provider_keys, settings.provider_secrets):
        found += [key.get_secret_value() for key in keys.values()]
    return KnownSecrets(keys=found)


def _in_address(text: str) -> list[str]:
    """The logins of an address, or of several with commas between, and the values of its query."""
    found = []
    for part in text.split(","):
        place, _, query = part.partition("?")
        login, at, _ = place.rpartition("://")[2].rpartition("@")
        if at:
            user, colon, password = login.partition(":")
            # What stands alone is a token.
            found.append(password if colon else user)
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        found += [value for name, _, value in pairs if _may_be_secret(name)]
    return [way for one in found for way in (one, unquote(one)) if one]


def _may_be_secret(name: str) -> bool:
    words = ("password", "secret", "token", "key", "auth", "sig", "app_id", "appid")
    return any(word in name.lower() for word in words)


async def look_at_secrets(configuration: Configuration) -> Finding:
    """Those of the settings, and their files."""
    settings = configuration.settings
    values = {
        name.upper(): secret.get_secret_value()
        for name in (*SECRETS, "chaos_token")
        if isinstance(secret := getattr(settings, name), SecretStr)
        and configuration.sources[name] not in NOT_CHOSEN
    }
    files = files_of(configuration)
    modes = await trio.to_thread.run_sync(_modes, files, abandon_on_cancel=True)
    return worst_of([judge_values(values), judge_modes(modes)])


def judge_values(values: Mapping[str, str]) -> Finding:
    """Whether those that somebody has chosen can be guessed, or stand for two things."""
    findings = [
        warning(f"{name} can be guessed: {why}", DRAW)
        for name, value in values.items()
        if (why := _weakness(value)) is not None
    ]
    names = list(values)
    findings += [
        warning(f"{one} and {other} are the same", f"give {other} a value of its own; {DRAW}")
        for number, one in enumerate(names)
        for other in names[number + 1 :]
        if values[one] == values[other]
    ]
    return worst_of(findings or [ok("the secrets are long and random enough")])


def _weakness(value: str) -> str | None:
    for word in _WORDS:
        if word in value.lower():
            return f"it holds {word!r}"
    if len(set(value)) < FEWEST_CHARACTERS:
        return f"it has {len(set(value))} different characters"
    return None


def files_of(configuration: Configuration) -> dict[Path, str]:
    """The files that hold secrets, each with the setting that it belongs to."""
    settings = configuration.settings
    files = {
        settings.data_directory / name: name.upper()
        for name in SECRETS
        if configuration.sources[name] == "generated"
    }
    if any(configuration.sources[name] == ".env" for name in PRIVATE):
        files[Path(ENV_FILE)] = ENV_FILE
    if settings.cluster_nats_credentials is not None:
        files[settings.cluster_nats_credentials] = "CLUSTER_NATS_CREDENTIALS"
    for name, given in configuration.given.items():
        # A credential of systemd's is closed by itself, whatever its mode looks like.
        if given.place == "file" and given.path is not None:
            files[given.path] = file_variable(name)
    return files


def _modes(files: Mapping[Path, str]) -> dict[str, int]:
    found = {}
    for path, setting in files.items():
        try:
            found[f"{setting} ({path})" if setting != str(path) else setting] = path.stat().st_mode
        except OSError:
            continue  # one that cannot be read stops the start, and was told by the settings
    return found


def judge_modes(modes: Mapping[str, int]) -> Finding:
    """Whether others on this machine may read them."""
    return worst_of(
        [
            warning(
                f"{name} holds a secret, and every user of this machine can read it",
                "chmod o-rwx it",
            )
            for name, mode in modes.items()
            if mode & stat.S_IRWXO
        ]
        or [ok("their files are closed to others")]
    )
