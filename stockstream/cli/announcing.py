"""What a start says on standard output: where things are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from stockstream.program import program_name

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    label = "nodes"
    for node in nodes:
        lines.append(f"{label:<11}{node.name}  {node.url}")
        label = ""
    lines.append(f"tree       {program_name()} tree")
    if not label:
        lines.append(f"cluster    {program_name()} cluster status")
    lines.append("Ctrl+C stops")
    return "".join(f"  {line}\n" for line in lines)


def tell_warnings(configuration: Configuration) -> None:
    """Log what an operator should mend."""
    for text in configuration.warnings:
        structlog.get_logger("serve").warning(text)
