"""`stockstream serve`: the whole server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import structlog

from stockstream import garbage, logs, open_files, part_settings
from stockstream.application import Addresses, bind, build
from stockstream.environment import load
from stockstream.errors import ConfigurationError, StartError
from stockstream.market.providers import InvalidProviderUrl, InvalidProxy
from stockstream.program import program_name
from stockstream.run_record import RunRecord
from supervision import run
from web.server import PortTaken

if TYPE_CHECKING:
    from stockstream.config import Settings
    from stockstream.environment import Configuration
    from stockstream.run_record import End
    from supervision import System

_PLACES = {"environment": "environment", ".env": "file .env"}


def serve() -> int:
    """Start everything: market, delivery, dashboard; and the stub API, unless told of another.

    Settings come from the environment and from `.env`; `stockstream config` shows them all.
    Ctrl+C or SIGTERM stops in order: clients are told to come back, and the exit code is 0. A
    second signal ends at once. When the tree gives up the exit code is 1.
    """
    configuration = load(make_secrets=True)
    settings = configuration.settings
    logs.configure(settings.log_level, settings.log_format)
    settings = _with_room_for_clients(configuration)
    try:
        addresses = bind(settings)
    except (PortTaken, OSError) as error:
        raise StartError(f"{error}; stop it, or set another PORT or STUB_PORT") from error
    record = RunRecord(settings.data_directory, part_settings.node_name(settings))
    try:
        upstreams = part_settings.upstreams(settings, addresses.stub_port)
        root = build(settings, addresses, upstreams, record.before)
    except InvalidProviderUrl as error:
        raise ConfigurationError(f"STOCK_API_URL: {error}") from error
    except InvalidProxy as error:
        raise ConfigurationError(str(error)) from error

    def on_start(_system: System) -> None:
        garbage.settle()
        _announce(configuration, addresses)

    record.begin()
    how: End = "crashed"
    try:
        code = run(root, on_start=on_start)
        how = "stopped" if code == 0 else "gave_up"
    finally:
        record.end(how)
    return code


def _with_room_for_clients(configuration: Configuration) -> Settings:
    """Have as many clients as there may be open files; say so when they are fewer than set.

    Nobody is warned about a number that nobody chose.
    """
    settings = configuration.settings
    limit = open_files.raise_limit()
    most = open_files.most_clients(settings.max_connections, limit)
    if most < settings.max_connections:
        log = structlog.get_logger("serve")
        chosen = configuration.sources["max_connections"] != "default"
        (log.warning if chosen else log.info)(
            "MAX_CONNECTIONS is lowered: too few files may be open",
            max_connections=most,
            wanted=settings.max_connections,
            open_files=limit,
        )
    return settings.model_copy(update={"max_connections": most})


def _announce(configuration: Configuration, addresses: Addresses) -> None:
    settings = configuration.settings
    url = f"{addresses.url}{settings.base_path}"
    lines = [f"dashboard  {url}", f"admin      {url}/admin"]
    token_source = configuration.sources["admin_token"]
    if token_source == "generated":  # noqa: S105 - the name of a source
        lines.append(f"           with the token {settings.admin_token.get_secret_value()}")
    else:
        lines.append(f"           with ADMIN_TOKEN, as it is set in the {_PLACES[token_source]}")
    if addresses.stub_port is not None:
        lines.append(f"stub API   http://localhost:{addresses.stub_port}/__admin: made-up prices")
    lines.append(f"tree       {program_name()} tree")
    lines.append("Ctrl+C stops")
    sys.stdout.write("".join(f"  {line}\n" for line in lines))
    sys.stdout.flush()
