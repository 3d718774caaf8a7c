"""The running server of this machine, if there is one: asked first, and judged by what it says.

Where it knows more than a command can find out it is believed: a provider with one connection to a
key would throw it out for ours.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import httpx
import msgspec

from stockstream.cli.admin_client import address
from stockstream.cli.doctor.findings import Finding, failed, info, ok, skipped, warning, worst_of
from stockstream.cli.providers.status import Upstream
from stockstream.decoding import from_json
from stockstream.errors import StartError
from stockstream.http_client import os_reason, root_cause, tls_context
from stockstream.market.providers.body import BodyRefused
from stockstream.market.providers.fetcher import ACCEPT, read_body
from stockstream.masks import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.config import Settings

T = TypeVar("T")

MANY_RESTARTS = 20
"""In the ten minutes that the server remembers."""
LONG_LAG_MS = 250.0
LONGEST_ANSWER = 10_000_000
"""Bytes. What is longer is no document of ours."""
LONGEST_WORDS = 120
"""Characters of a reason: some repeat all that came."""


class _Live(msgspec.Struct):
    status: str


class _Recorder(msgspec.Struct):
    spooled: int = 0
    spool_bytes: int = 0
    lost: int = 0


class _History(msgspec.Struct):
    ok: bool
    reason: str | None = None
    recorder: _Recorder | None = None


class _Sample(msgspec.Struct):
    lag_ms: float


class _Past(msgspec.Struct):
    how: str | None = None


class _Process(msgspec.Struct):
    before: _Past | None
    samples: list[_Sample]


class Overview(msgspec.Struct):
    """Of the admin API's document what is judged here."""

    node: str
    upstreams: list[Upstream]
    history: _History
    process: _Process


class Restart(msgspec.Struct):
    """A start of an actor that ran before, and why it ended."""

    path: str
    reason: str | None = None


class Incidents(msgspec.Struct):
    """The last ten minutes."""

    restarts: list[Restart]


class Node(msgspec.Struct, frozen=True):
    """What was found at `url`. Without an answer `trouble` says why; a server that `lives` and
    refuses us has a `trouble` too.
    """

    url: str
    lives: bool = False
    trouble: str | None = None
    do: str | None = None
    overview: Overview | None = None
    incidents: Incidents | None = None

    @property
    def upstreams(self) -> Mapping[str, Upstream]:
        """Those that it knows, by their names."""
        return {} if self.overview is None else {one.name: one for one in self.overview.upstreams}


def named_url(url: str | None) -> str | None:
    """The server that somebody names: by `url`, or in the environment, as for all commands."""
    named = url or os.environ.get("STOCKSTREAM_URL")
    return named.rstrip("/") if named else None


def own_url(settings: Settings) -> str:
    """Where a server with these settings answers this machine."""
    host = settings.host
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - what is asked for
        host = "127.0.0.1"
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


async def ask_node(url: str, token: str | None, base_path: str, seconds: float) -> Node:
    """Look whether a server is there, and what it says of itself."""
    timeout, shown = httpx.Timeout(seconds), without_secrets(url)
    try:
        client = httpx.AsyncClient(
            timeout=timeout, verify=tls_context(), trust_env=False, base_url=url
        )
    except (httpx.InvalidURL, ValueError) as error:
        return Node(shown, trouble=f"that is no address: {error}")
    async with client:
        try:
            lives = await _get(client, f"{base_path}/health/live", _Live)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Node(shown, trouble=_why(error))
        if lives is None:
            return Node(shown, trouble="something else answers there")
        try:
            given = address(url, token)[1]
        except StartError as error:
            do = "run this in the directory where the server was started, or give --token"
            return Node(shown, lives=True, trouble=str(error), do=do)
        client.headers["Authorization"] = f"Bearer {given}"
        try:
            overview = await _get(client, f"{base_path}/admin/api/overview", Overview)
            incidents = await _get(client, f"{base_path}/admin/api/incidents", Incidents)
        except httpx.HTTPError as error:
            do = "`stockstream tree` asks it again"
            return Node(shown, lives=True, trouble=_why(error), do=do)
    if overview is None or incidents is None:
        return Node(
            shown,
            lives=True,
            trouble="it does not let us look inside",
            do="run this in the directory where the server was started, or give its ADMIN_TOKEN "
            "by --token or STOCKSTREAM_TOKEN",
        )
    return Node(shown, lives=True, overview=overview, incidents=incidents)


async def _get(client: httpx.AsyncClient, path: str, kind: type[T]) -> T | None:
    """A document; None where something else is answered."""
    try:
        async with client.stream("GET", path, headers=ACCEPT) as answer:
            if answer.status_code != httpx.codes.OK:
                return None
            return from_json(await read_body(answer, LONGEST_ANSWER), kind)
    except (BodyRefused, msgspec.MsgspecError):
        return None


def _why(error: Exception) -> str:
    words = os_reason(root_cause(error)) or str(error) or type(error).__name__
    return words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}…"


def judge_node(node: Node) -> Finding:
    """Whether it is there, and how it does."""
    if not node.lives:
        return skipped(f"no server answers at {node.url}: {node.trouble}")
    if node.overview is None or node.incidents is None:
        return warning(
            f"a server runs at {node.url}, and cannot be looked into: {node.trouble}",
            node.do or "give its ADMIN_TOKEN by --token",
        )
    process = node.overview.process
    return worst_of(
        [
            _judge_restarts(node.incidents.restarts),
            _judge_lag([sample.lag_ms for sample in process.samples]),
            _judge_past(None if process.before is None else process.before.how, process.before),
            ok(f"{node.overview.node} runs at {node.url}"),
        ]
    )


def _judge_restarts(restarts: Sequence[Restart]) -> Finding:
    if len(restarts) <= MANY_RESTARTS:
        return ok(f"{len(restarts)} restarts in ten minutes")
    counts: dict[str, int] = {}
    for restart in restarts:
        counts[restart.path] = counts.get(restart.path, 0) + 1
    path = max(counts, key=counts.__getitem__)
    reason = next(one.reason for one in reversed(restarts) if one.path == path)
    return warning(
        f"{len(restarts)} restarts in ten minutes, {counts[path]} of {path}, which last ended by "
        f"{reason or 'an unknown reason'}",
        "see why: the server's log, and `stockstream tree`",
    )


def _judge_lag(lags: Sequence[float]) -> Finding:
    longest = max(lags, default=0.0)
    if longest <= LONG_LAG_MS:
        return ok(f"no task waited for its turn for over {longest:.0f} ms")
    late = sum(lag > LONG_LAG_MS for lag in lags)
    return warning(
        f"tasks waited for their turn for up to {longest:,.0f} ms, in {late} of the last "
        f"{len(lags)} seconds",
        "the processor is too busy: give the machine more of it, or run more nodes",
    )


def _judge_past(how: str | None, before: _Past | None) -> Finding:
    if before is None or how == "stopped":
        return ok("the run before it was stopped in order")
    ended = {"gave_up": "gave up", "crashed": "crashed"}.get(how or "", "was killed")
    return info(f"the run before this one {ended}", "look into its log")


def judge_spool(node: Node) -> Finding:
    """Whether the running server records what it is told."""
    overview = node.overview
    if overview is None:
        return skipped("no running server tells of it")
    recorder = overview.history.recorder or _Recorder()
    findings = [ok("all prices are recorded")]
    if not overview.history.ok:
        findings.append(
            failed(
                f"prices are not recorded as they come: {overview.history.reason}; "
                f"{recorder.spooled:,} batches wait on disk",
                "bring the database back: its own check here says what is wrong with it",
            )
        )
    elif recorder.lost:
        findings.append(
            warning(
                f"{recorder.lost:,} ticks were lost since the start, before they were recorded",
                "give the spool more room by SPOOL_SIZE",
            )
        )
    return worst_of(findings)


def judge_upstream(upstream: Upstream) -> Finding:
    """How a running server is told prices."""
    breaker = "closed" if upstream.breaker.status is None else upstream.breaker.status.state
    told = 0 if upstream.symbols is None else upstream.symbols.told
    text = f"the running server has {told:,} symbols of it, {upstream.feed.state}"
    why = "" if upstream.feed.reason is None else f": {upstream.feed.reason}"
    if upstream.feed.state == "live" and breaker == "closed":
        return ok(text)
    return failed(
        f"{text}{why}; the breaker is {breaker}",
        "docs/feeds.md has what each reason means; the server tries again by itself",
    )
