"""What a start says of itself: where things are, on standard output and to commands."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from stockstream.cli.start_errors import refuse_second
from stockstream.program import program_name
from stockstream.server_file import ServerFile, shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stockstream.application import Addresses
    from stockstream.environment import Configuration
    from stockstream.nodes.processes import NodeProcess

_PLACES = {
    "environment": "the environment",
    ".env": "the file .env",
    "file": "the file that ADMIN_TOKEN_FILE names",
    "credential": "the credential admin_token",
}


def announcement(
    configuration: Configuration, addresses: Addresses, nodes: Iterable[NodeProcess] = ()
) -> str:
    """Its text, for a server of its own or for the parent of `nodes`."""
    settings = configuration.settings
    url = f"{addresses.url}{settings.base_path}"
    lines = [f"dashboard  {url}", f"admin      {url}/admin"]
    token_source = configuration.sources["admin_token"]
    if token_source == "generated":  # noqa: S105 - the name of a source
        lines.append(f"           with the token {settings.admin_token.get_secret_value()}")
    else:
        lines.append(f"           with ADMIN_TOKEN, as it is set in {_PLACES[token_source]}")
    if addresses.stub_port is not None:
        lines.append(f"stub API   http://localhost:{addresses.stub_port}/__admin: made-up prices")
    lines.append(f"data       {shown_path(settings.data_directory)}")
    label = "nodes"
    for node in nodes:
        lines.append(f"{label:<11}{node.name}  {node.url}")
        label = ""
    lines.append(f"tree       {program_name()} tree")
    if not label:
        lines.append(f"cluster    {program_name()} cluster status")
    lines.append("Ctrl+C stops")
    return "".join(f"  {line}\n" for line in lines)


@contextmanager
def found_by_commands(configuration: Configuration) -> Iterator[ServerFile]:
    """Hold the file by which commands find this server, which may tell its address there.

    Raises:
        StartError: another server runs with the user's own data.
    """
    file = ServerFile(configuration.settings.data_directory)
    try:
        refuse_second(configuration, file)
        yield file
    finally:
        file.close()


def tell_warnings(configuration: Configuration) -> None:
    """Log what an operator should mend."""
    for text in configuration.warnings:
        structlog.get_logger("serve").warning(text)
