"""The command: the plan, its processes, and the report."""

from __future__ import annotations

import math
import os
import random
import secrets
import ssl
from typing import TYPE_CHECKING, Annotated

import httpx
import msgspec
from cyclopts import Parameter, validators
from rich.table import Table

from stockstream.cli.admin_client import reason_of, server_url, token_of
from stockstream.cli.load.plan import Plan
from stockstream.cli.load.processes import measure, running, say
from stockstream.cli.load.report import Wanted, lines, report
from stockstream.cli.printing import print_document, table_console
from stockstream.cli.quantities import positive_duration, rate_of
from stockstream.cli.watch.nodes import Address, parse_address
from stockstream.decoding import from_json
from stockstream.errors import StartError, UsageError
from stockstream.http_client import os_reason, root_cause, tls_context, tls_reason
from stockstream.program import as_typed
from stockstream.quotes import InvalidSymbol, parse_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.cli.load.plan import Findings
    from stockstream.cli.load.report import Report

CLIENTS_PER_PROCESS = 250
"""Fewer processes are started for fewer clients."""
ASK_SECONDS = 10.0
INTERRUPTED = 130
MOST_CLIENTS = 100_000
SCHEMA_VERSION = 1

Above0 = Annotated[int, Parameter(validator=validators.Number(gt=0))]


async def load(
    *,
    clients: Annotated[int, Parameter(validator=validators.Number(gt=0, lte=MOST_CLIENTS))] = 100,
    symbols: str = "20",
    seconds: Annotated[str, Parameter(name="--for")] = "60s",
    churn: str = "0",
    ramp: str = "100/s",
    url: Annotated[list[str] | None, Parameter(negative=())] = None,
    token: str | None = None,
    processes: Annotated[int | None, Parameter(validator=validators.Number(gt=0, lte=64))] = None,
    max_failed: Annotated[int, Parameter(validator=validators.Number(gte=0))] = 0,
    max_p99: str | None = None,
    max_pause: str | None = None,
    seed: int | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Connect many clients to a deployment, and report what they got.

    Each client is a real WebSocket client: it follows its own symbols, comes back when it loses
    the server, goes to another node when it is sent there, and notes each price that is older than
    one before. Exit codes: 0 all was as wanted, 1 failed, 2 usage, 3 something was not as wanted,
    130 interrupted. The report goes to standard output, progress to standard error.

    For example:

    - `stockstream load --clients 1000 --symbols 20 --for 60s --churn 10/s` asks this machine.
    - `stockstream load --url https://prices.example --max-p99 250ms --max-pause 3s` judges one.
    - `stockstream load --symbols AAPL,MSFT --json | jq .delivery.p99` has all follow the same.

    Parameters
    ----------
    clients
        How many.
    symbols
        How many of the listed ones each client draws for itself; or names, as AAPL,MSFT.
    seconds
        How long is measured, after all clients have come, as 90s or 10m.
    churn
        So many clients leave and come back at once, as 10/s.
    ramp
        So many come at the beginning, as 100/s.
    url
        Address of a server; several times for several nodes. Else STOCKSTREAM_URL, else port PORT
        on this machine.
    token
        An API token. With the scope load no limit by address holds, with prices:read a server that
        takes a login lets it in. Else STOCKSTREAM_TOKEN, which keeps it out of the list of
        processes.
    processes
        Over how many processes the clients are spread; one for 250, and for each core, unless said.
    max_failed
        More connections than these, refused or lost, are not as wanted.
    max_p99
        99 % of deliveries are to take no longer, as 250ms.
    max_pause
        No client is to be without a price for longer, as 3s.
    seed
        For the clients' choices; a drawn one is reported.
    as_json
        Print the report as JSON, with times in ms.
    """
    shown = token or token_of("STOCKSTREAM_TOKEN") or ""
    urls = url or [server_url(None)]
    addresses = [parse_address(text, shown) for text in urls]
    measured = positive_duration(seconds, "--for")
    wanted = Wanted(
        max_failed, _milliseconds("--max-p99", max_p99), _milliseconds("--max-pause", max_pause)
    )
    churned, arriving = _churn(churn), rate_of(ramp, "--ramp")
    drawn = secrets.randbelow(2**32) if seed is None else seed
    number, names = _symbols(symbols)
    listed = names or await _listed(addresses[0], shown)
    of_each = min(number or len(listed), len(listed))
    if number is not None and of_each < number:
        say(f"the server lists {len(listed):,} symbols: each client follows all of them")
    chance = random.Random(drawn)
    chosen = [chance.sample(listed, of_each) for _ in range(clients)]
    spread = min(processes or _processes(clients), clients)
    plans = [
        Plan(urls, shown, chosen[one::spread], arriving / spread, churned / spread, drawn + one)
        for one in range(spread)
    ]
    async with running(plans) as crowds:
        interrupted = await measure(crowds, clients, measured, clients / arriving)
        found = await crowds.findings()
    if not interrupted and not any(one.handshakes for one in found):
        raise StartError(_nobody(found, addresses))
    told = report(
        found,
        wanted,
        url=" ".join(map(str, addresses)),
        clients=clients,
        symbols=of_each,
        of_symbols=len(listed),
        seed=drawn,
        interrupted=interrupted,
    )
    _print(told, as_json=as_json)
    return INTERRUPTED if interrupted else told.exit_code


# What was asked for.


def _milliseconds(option: str, text: str | None) -> int | None:
    return None if text is None else math.ceil(positive_duration(text, option) * 1000)


def _churn(text: str) -> float:
    return 0.0 if text.strip() in {"0", "0/s"} else rate_of(text, "--churn")


def _symbols(text: str) -> tuple[int | None, list[str]]:
    """How many, or which."""
    if text.strip().isdecimal():
        if not int(text):
            raise UsageError("--symbols: 0 is none; write how many, or names as AAPL,MSFT")
        return int(text), []
    try:
        return None, list(dict.fromkeys(parse_symbol(name) for name in text.split(",")))
    except InvalidSymbol as error:
        raise UsageError(f"--symbols: {error}") from error


def _processes(clients: int) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, math.ceil(clients / CLIENTS_PER_PROCESS)))


class _Item(msgspec.Struct):
    symbol: str


class _Listed(msgspec.Struct):
    symbols: list[_Item]


async def _listed(address: Address, token: str) -> list[str]:
    """The symbols that the server knows.

    Raises:
        StartError: it does not answer with any.
    """
    headers = {name.decode(): value.decode() for name, value in address.headers}
    where = f"{address}/api/v1/symbols"
    try:
        async with httpx.AsyncClient(
            verify=tls_context(), trust_env=False, timeout=ASK_SECONDS
        ) as asking:
            answer = await asking.get(where, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StartError(
            f"no server answers at {address}: {_in_words(error)}; start one with "
            "`stockstream serve`, or name a running one by --url or STOCKSTREAM_URL"
        ) from error
    if answer.status_code != httpx.codes.OK:
        wants_token = answer.status_code in {401, 403} and not token
        hint = "; give an API token by --token or STOCKSTREAM_TOKEN" if wants_token else ""
        why = reason_of(answer).reason or answer.reason_phrase or "nothing more"
        raise StartError(f"{where} answered {answer.status_code}: {why}{hint}")
    try:
        listed = [item.symbol for item in from_json(answer.content, _Listed).symbols]
    except msgspec.MsgspecError as error:
        raise StartError(f"{address} is no StockStream server: {error}") from error
    if not listed:
        raise StartError(f"{address} lists no symbols yet; name some, as --symbols AAPL,MSFT")
    return listed


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {ASK_SECONDS:g} s"
    root = root_cause(error)
    if isinstance(root, ssl.SSLError):
        return f"TLS: {tls_reason(root)}"
    return os_reason(root) or str(error) or type(root).__name__


# The outcome.


def _nobody(found: Sequence[Findings], addresses: Sequence[Address]) -> str:
    reasons = {word: None for one in found for word in [*one.refused, *one.lost]}
    why = "; ".join(reasons) or "no answer came"
    return f"no client could connect to {' '.join(map(str, addresses))}: {why}"


def _print(told: Report, *, as_json: bool) -> None:
    if as_json:
        print_document({"schema_version": SCHEMA_VERSION, **msgspec.to_builtins(told)})
        return
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for heading, text in lines(told):
        table.add_row(heading, as_typed(text))
    for one in told.judged:
        table.add_row("held" if one.held else "MISSED", one.what, style=None if one.held else "red")
    table_console().print(table)
