"""`stockstream tree`: the live supervision tree of a running server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from stockstream.cli.admin_client import AdminClient
from stockstream.cli.printing import print_document
from stockstream.telemetry.tree import ActorDocument, TreeDocument

_LEGEND = """
one_for_one 0/100   how children are restarted; restarts within the window / most before it gives up
restarts 2          how often this actor was restarted since its supervisor started
mailbox 0/2/10000   messages that wait now / most that ever waited / most that may wait
"""
_STYLES = {"running": "green", "restarting": "yellow", "starting": "yellow", "stopping": "yellow"}


def tree(
    *,
    url: str | None = None,
    token: str | None = None,
    every: Annotated[bool, Parameter(name="--all", negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Show the live supervision tree of a running server.

    One line for each actor: its state, how often it was restarted and why it last ended, how long
    it is up, and its mailbox; a legend below explains the figures. The server must run on this
    machine; the admin API answers nobody else.

    For example:

    - `stockstream tree` asks the server that was started in this directory.
    - `stockstream tree --json | jq '.root.children[].path'` lists what stands below the root.

    Parameters
    ----------
    url
        Address of the server, else STOCKSTREAM_URL, else port PORT on this machine.
    token
        Its ADMIN_TOKEN or an API token, else STOCKSTREAM_TOKEN, else what DATA_DIRECTORY has.
    every
        Show every session instead of some, those in trouble first, and a count.
    as_json
        Print JSON.
    """
    path = "/admin/api/tree" if every or as_json else "/admin/api/tree?folded"
    document = AdminClient(url, token).get(path, TreeDocument)
    if as_json:
        print_document(document)
        return
    shown = Tree(_line(document.root))
    _add(shown, document.root)
    console = Console(highlight=False, soft_wrap=True)
    console.print(shown)
    console.print(Text(_LEGEND, style="dim"))


def _add(branch: Tree, actor: ActorDocument) -> None:
    for child in actor.children:
        _add(branch.add(_line(child)), child)
    if actor.folded:
        more = ", ".join(f"{count:,} {state}" for state, count in actor.folded.items())
        branch.add(Text(f"and {more} more", style="dim"))


def _line(actor: ActorDocument) -> Text:
    line = Text(actor.path.rpartition("/")[2], style="bold")
    line.append(f"  {actor.state}", style=_STYLES.get(actor.state, "red"))
    details = []
    if actor.supervisor is not None:
        window = actor.supervisor
        details.append(f"{window.strategy} {window.restarts_in_window}/{window.intensity}")
    details.append(f"restarts {actor.restarts}")
    if actor.last_exit is not None and actor.last_exit_ago is not None:
        details.append(f"last exit {actor.last_exit}, {_duration(actor.last_exit_ago)} ago")
    if actor.uptime is not None:
        details.append(f"up {_duration(actor.uptime)}")
    if actor.mailbox is not None:
        mailbox = actor.mailbox
        details.append(f"mailbox {mailbox.queued}/{mailbox.high_water}/{mailbox.bound}")
        if mailbox.dropped:
            details.append(f"dropped {mailbox.dropped}")
    line.append("  " + " · ".join(details), style="not bold dim")
    return line


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
