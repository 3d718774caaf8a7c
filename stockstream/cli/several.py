"""The parent of several nodes on this machine, for `serve --nodes` and `cluster up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream import garbage
from stockstream.cli.announcing import announce
from stockstream.errors import ConfigurationError, StartError
from stockstream.market.providers import InvalidProviderUrl, InvalidProxy
from stockstream.nodes.tree import build, prepare
from supervision import run
from web.server import PortTaken

if TYPE_CHECKING:
    from stockstream.environment import Configuration
    from supervision import System


def serve_several(configuration: Configuration, nodes: int) -> int:
    """Run the parent until a signal stops it; the answer is the exit code.

    Raises:
        StartError: a port is taken.
        ConfigurationError: a setting is wrong.
    """
    settings = configuration.settings
    try:
        machine = prepare(settings, nodes)
    except (PortTaken, OSError) as error:
        raise StartError(f"{error}; stop it, or set another PORT or STUB_PORT") from error
    except InvalidProviderUrl as error:
        raise ConfigurationError(f"STOCK_API_URL: {error}") from error
    except InvalidProxy as error:
        raise ConfigurationError(str(error)) from error

    def on_start(_system: System) -> None:
        garbage.settle()
        announce(configuration, machine.shared, machine.processes.rows.values())

    try:
        return run(build(settings, machine), on_start=on_start)
    finally:
        machine.close()
