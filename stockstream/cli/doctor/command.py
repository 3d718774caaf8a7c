"""`stockstream doctor`: looks at everything, changes nothing, says what to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import msgspec
import trio
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from stockstream import logs, part_settings
from stockstream.asyncio_thread import AsyncioThread
from stockstream.cli.doctor import planning
from stockstream.cli.doctor.clock import Clocks, judge_clock
from stockstream.cli.doctor.findings import Finding, Result, exit_code, failed, skipped
from stockstream.cli.doctor.names import host_in, is_here
from stockstream.cli.doctor.node import Node, ask_node, named_url, own_url
from stockstream.cli.doctor.running import CHECK_SECONDS, run_checks
from stockstream.cli.doctor.secrets import secrets_of
from stockstream.cli.printing import print_document, table_console
from stockstream.cli.start_errors import refuse_apart, upstreams_named
from stockstream.environment import load
from stockstream.errors import ConfigurationError
from stockstream.masks import without_secrets
from stockstream.program import as_typed
from stockstream.version import program_version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stockstream.config import Settings
    from stockstream.environment import Configuration
    from stockstream.upstreams import Upstream

SCHEMA_VERSION = 1
_STYLES = {
    Result.OK: "green",
    Result.INFO: "cyan",
    Result.WARNING: "yellow",
    Result.FAILED: "bold red",
    Result.SKIPPED: "dim",
}


class CheckDocument(msgspec.Struct, frozen=True):
    """A check, as `--json` tells it."""

    check: str
    result: Result
    message: str
    do: str | None


class Document(msgspec.Struct, frozen=True):
    """All of it."""

    schema_version: int
    exit_code: int
    version: str
    checks: list[CheckDocument]


async def doctor(
    *,
    offline: Annotated[bool, Parameter(negative=())] = False,
    strict: Annotated[bool, Parameter(negative=())] = False,
    url: str | None = None,
    token: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Look at all that a server needs here, and say what is wrong and what to do.

    It looks at the settings that `stockstream serve` would use in this directory: secrets, disk,
    ports, open files, names, the database, NATS, each provider of prices, the public address, and
    a running server if there is one. It changes nothing. All checks run side by side and take two
    seconds each at most. No password, key or token is shown, so that the output may be passed on.

    Exit codes: 0 no check failed, 1 one did, 2 usage, 130 interrupted. A warning does not fail.

    For example:

    - `stockstream doctor` before the first start, or when something is odd.
    - `stockstream doctor --strict --json` in a deployment, where a warning should stop it.
    - `stockstream doctor --offline` looks at this machine alone.

    Parameters
    ----------
    offline
        Ask no other machine; what would is `skipped`.
    strict
        Exit with 1 for a warning too.
    url
        Address of the running server, else STOCKSTREAM_URL, else HOST and PORT of the settings.
    token
        Its ADMIN_TOKEN or an API token, else STOCKSTREAM_TOKEN, else what DATA_DIRECTORY has.
    as_json
        Print JSON.
    """
    logs.configure("critical")
    found, mask = await examine(url, token, offline=offline)
    checks = [
        CheckDocument(
            name,
            finding.result,
            mask(finding.message),
            None if finding.do is None else as_typed(mask(finding.do)),
        )
        for name, finding in found
    ]
    code = exit_code([check.result for check in checks], strict=strict)
    if as_json:
        print_document(Document(SCHEMA_VERSION, code, program_version(), checks))
    else:
        _show(checks)
    return code


async def examine(
    url: str | None, token: str | None, *, offline: bool
) -> tuple[list[tuple[str, Finding]], Callable[[str], str]]:
    """All findings, and what takes the secrets out of their words."""
    program = planning.of_the_program()
    read = _read_settings()
    if isinstance(read, Finding):
        rest = skipped("the settings have to be right first")
        told = [("settings", read), ("all other checks", rest)]
        return [*await run_checks(program), *told], str
    configuration, upstreams = read
    settings, clocks = configuration.settings, Clocks()
    node = await _node(named_url(url), settings, token, offline=offline)
    with AsyncioThread().use() as loop:
        checks = planning.of_the_settings(configuration, upstreams, node, loop, clocks)
        found = await run_checks([*program, *checks], offline=offline)
    found.append(("clock", judge_clock(clocks.ahead)))
    return found, secrets_of(settings).masked


def _read_settings() -> tuple[Configuration, list[Upstream]] | Finding:
    try:
        configuration = load()
        settings = configuration.settings
        refuse_apart(settings)
        with upstreams_named():
            upstreams = part_settings.upstreams(settings, settings.stub_port)
            for upstream in upstreams:
                planning.address_of(upstream, settings)
    except ConfigurationError as error:
        return failed(str(error), "correct it; `stockstream config` shows where each comes from")
    return configuration, upstreams


async def _node(named: str | None, settings: Settings, token: str | None, *, offline: bool) -> Node:
    url = named or own_url(settings)
    shown = without_secrets(url)
    host = None if named is None else host_in(named)
    if offline and host and not is_here(host):
        return Node(shown, trouble="it is on another machine, and --offline is given")
    with trio.move_on_after(CHECK_SECONDS):
        return await ask_node(url, token, settings.base_path, CHECK_SECONDS)
    return Node(shown, trouble=f"no answer within {CHECK_SECONDS:g} s")


def _show(checks: Sequence[CheckDocument]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("result", "check", "message"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        words = Text(check.message)
        if check.do is not None:
            words.append(f"\n→ {check.do}", style="bold")
        style = _STYLES[check.result]
        table.add_row(Text(check.result.value, style=style), Text(check.check), words)
    console = table_console()
    console.print(table)
    counts = Counter(check.result for check in checks)
    console.print(Text(", ".join(f"{counts[one]} {one}" for one in Result if counts[one])))
