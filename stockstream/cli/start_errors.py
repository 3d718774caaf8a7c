"""What stands in the way of a start, in terms of the setting to look at."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from stockstream.data_places import LOCAL
from stockstream.errors import ConfigurationError, StartError
from stockstream.market.providers import InvalidProviderUrl, InvalidProxy
from web.server import PortTaken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.config import Settings
    from stockstream.environment import Configuration
    from stockstream.server_file import ServerFile


@contextmanager
def ports_named() -> Iterator[None]:
    """Name the settings of the ports that are opened meanwhile.

    Raises:
        StartError: a port or address cannot be had.
    """
    try:
        yield
    except (PortTaken, OSError) as error:
        raise StartError(f"{error}; stop it, or set another PORT or STUB_PORT") from error


def refuse_second(configuration: Configuration, file: ServerFile) -> None:
    """Servers may share a directory that was chosen for them, but not the one that is nobody's
    choice: who starts a second one in another folder wants a second one.

    Raises:
        StartError: another server runs with the user's own data.
    """
    directory = configuration.settings.data_directory
    chosen = configuration.sources["data_directory"] != "default" or directory == LOCAL
    if chosen or not file.taken:
        return
    other = file.other
    which = "" if other is None else f" (process {other.pid}, {other.url}, from {other.folder})"
    raise StartError(
        f"a server runs with the data in {directory} already{which}; stop it, or give this one "
        "its own DATA_DIRECTORY, PORT and STUB_PORT"
    )


def refuse_apart(settings: Settings) -> None:
    """Nodes of a cluster in production have one database.

    Raises:
        ConfigurationError: each would have one of its own.
    """
    if settings.production and settings.cluster_nats_url and settings.database_url is None:
        raise ConfigurationError(
            "DATABASE_URL: required with CLUSTER_NATS_URL when STOCKSTREAM_ENV=production; "
            "each node would have an embedded database of its own"
        )


@contextmanager
def upstreams_named() -> Iterator[None]:
    """Name the setting of the upstreams that are made meanwhile.

    Raises:
        ConfigurationError: an address or a proxy cannot be used.
    """
    try:
        yield
    except InvalidProviderUrl as error:
        raise ConfigurationError(f"STOCK_API_URL: {error}") from error
    except InvalidProxy as error:
        raise ConfigurationError(str(error)) from error
