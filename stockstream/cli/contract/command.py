"""The command: asks, judges, and prints."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from stockstream import part_settings
from stockstream.cli.contract.asking import Asking
from stockstream.cli.contract.judging import Verdict, judge
from stockstream.cli.printing import print_document, table_console
from stockstream.cli.quantities import positive_duration
from stockstream.environment import load
from stockstream.errors import StartError, UsageError
from stockstream.market.providers import InvalidProviderUrl, InvalidProxy
from stockstream.market.providers.base import ProviderDown
from stockstream.masks import without_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.cli.contract.asking import Asked
    from stockstream.cli.contract.judging import Check

SCHEMA_VERSION = 1
HELD, BROKEN = 0, 3
_MARKS = {
    Verdict.HELD: Text("held", style="green"),
    Verdict.WARNING: Text("could be better", style="yellow"),
    Verdict.BROKEN: Text("BROKEN", style="red"),
    Verdict.NOT_JUDGED: Text("not judged", style="dim"),
}


async def contract(
    url: str,
    /,
    *,
    seconds: Annotated[str, Parameter(name="--for")] = "10s",
    every: str = "1s",
    strict: Annotated[bool, Parameter(negative=())] = False,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """See whether a price API keeps the format that STOCK_API_URL reads.

    It is asked as a server asks: for the whole list again and again, for symbols by name, for one
    that nobody knows, and for three things at the same time. No server has to run. Exit codes: 0
    it holds, 1 nobody answers there, 2 usage or settings, 3 something is broken.

    For example:

    - `stockstream contract https://prices.example` asks an API for ten seconds.
    - `stockstream contract 'http://localhost:8080?apikey=…' --for 60s --every 5s` asks less often.
    - `stockstream contract http://localhost:8080 --strict --json` is for the API's own CI.

    Parameters
    ----------
    url
        Base address of the API, as in STOCK_API_URL: what is asked is below it.
    seconds
        How long the list is asked for, as 10s or 5m.
    every
        How long from one list to the next.
    strict
        What could be better counts as broken.
    as_json
        Print JSON.
    """
    try:
        asking = Asking(url, part_settings.http(load().settings))
    except (InvalidProviderUrl, InvalidProxy) as error:
        raise UsageError(str(error)) from None
    lasting, pause = positive_duration(seconds, "--for"), positive_duration(every, "--every")
    async with aclosing(asking):
        asked = await asking.ask(lasting, pause, _say)
    first = asked.whole[0]
    if all(isinstance(one.error, ProviderDown) for one in asked.whole):
        raise StartError(f"{without_secrets(url)}: {first.error}")
    checks = judge(asked)
    bad = {Verdict.BROKEN, Verdict.WARNING} if strict else {Verdict.BROKEN}
    code = BROKEN if any(one.verdict in bad for one in checks) else HELD
    if as_json:
        document = {
            "schema_version": SCHEMA_VERSION,
            "exit_code": code,
            "url": without_secrets(url),
        }
        print_document(
            {**document, "lists": len(asked.whole), "checks": msgspec.to_builtins(checks)}
        )
    else:
        _print(checks, asked)
    return code


def _print(checks: Sequence[Check], asked: Asked) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in checks:
        table.add_row(_MARKS[one.verdict], Text(one.asks))
        table.add_row("", Text(one.found, style="dim"))
        if one.advice:
            table.add_row("", Text(f"→ {one.advice}"))
    table_console().print(table)
    counts = {verdict: sum(one.verdict is verdict for one in checks) for verdict in Verdict}
    table_console().print(
        f"{len(asked.whole)} lists: {counts[Verdict.HELD]} held, "
        f"{counts[Verdict.WARNING]} could be better, {counts[Verdict.BROKEN]} broken, "
        f"{counts[Verdict.NOT_JUDGED]} not judged"
    )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
