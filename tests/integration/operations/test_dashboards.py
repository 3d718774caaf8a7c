"""What an operator looks at, asked of a real Prometheus that scrapes a really running node."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import yaml

from stockstream.cluster.nats_server import NatsServer, run_nats_server
from tests.support.client import connected
from tests.support.prometheus import checked, prometheus
from tests.support.server import ROOT, TOKEN, free_port
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.prometheus import Prometheus, Series

DEPLOY = ROOT / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
SELECTOR = re.compile(r"\b(?:ALERTS|up|(?:stockstream|process|python)_[a-z0-9_]+)\b(?:\{[^}]*\})?")
BY = re.compile(r"\b(?:by|on|group_left) \([^)]*\)")
WINDOWS = {"$__rate_interval": "2s", "$__range": "1m"}
FAST = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
EMPTY = {
    "ALERTS": "no alert fires",
    "stockstream_connections_refused_total": "no handshake was refused",
    "stockstream_feed_troubles_total": "the provider tells nothing wrong",
    "stockstream_stream_connections": "no provider pushes",
    "stockstream_stream_reconnects_total": "no provider pushes",
    "stockstream_backup_last_success_timestamp_seconds": "there is no backup",
    "stockstream_history_replica_asked": "there is no replica",
    "stockstream_history_replica_lag_seconds": "there is no replica",
    "stockstream_cluster_clock_ahead_seconds": "there is no other node",
    "stockstream_credentials_known": "nobody has logged in",
    "stockstream_log_archive_up": "the database's log is not kept here",
}
"""Families without a sample on a node that is well and the only one of its cluster, and why."""


@pytest.fixture
async def nats(nursery: trio.Nursery) -> NatsServer:
    """A server of its own."""
    started: NatsServer = await nursery.start(run_nats_server, "token")
    return started


def configuration(folder: Path, port: int) -> Path:
    """That of the compose file, with this machine's node in place of those of its network."""
    given = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    del given["alerting"]
    given["global"] = FAST
    given["rule_files"] = [str(DEPLOY / "prometheus" / each) for each in given["rule_files"]]
    (job,) = given["scrape_configs"]
    del job["file_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    job["authorization"]["credentials_file"] = str(token)
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(given))
    return file


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """Those that ask something."""
    found = json.loads(dashboard.read_text())["panels"]
    return [panel for panel in found if panel["type"] not in {"row", "text"}]


def asked(expression: str) -> str:
    """The expression as Grafana asks it, of all nodes and providers."""
    for name, window in WINDOWS.items():
        expression = expression.replace(name, window)
    expression = re.sub(r"\$(?:node|provider)\b", ".*", expression)
    assert "$" not in expression, expression
    return expression


def selectors(expression: str) -> set[str]:
    """Each of the series that it asks for, by itself."""
    return set(SELECTOR.findall(BY.sub("", expression)))


def family(selector: str) -> str:
    """The family that it is of."""
    return re.sub(r"_(?:bucket|sum|count)$", "", selector.partition("{")[0])


async def test_every_dashboard_and_every_rule_asks_for_what_a_node_tells(
    tmp_path: Path, cluster: Path, nats: NatsServer, nursery: trio.Nursery
) -> None:
    """Scraped with the token's file: each selector by itself, and each expression, has an answer,
    with the labels that its legend names. Rules are evaluated without an error.
    """
    port = free_port()
    file = configuration(tmp_path, port)
    checked("promtool", "check", "config", file)
    async with (
        prometheus(file, tmp_path) as it,
        running_tree(
            host="0.0.0.0",
            port=port,
            admin_token=TOKEN,
            data_directory=cluster,
            database_url=None,
            cluster_nats_url=nats.url,
            smtp_url="smtp://127.0.0.1:1",
            mail_from="alerts@example.com",
            public_url="http://localhost",
        ) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols="*")
        await me.message("prices", 3)
        tree.system.ref("delivery/broadcaster").kill()
        (node,) = await it.until('up{job="stockstream"} == 1')
        assert node.labels["instance"] == f"127.0.0.1:{port}"
        for panel in (each for dashboard in DASHBOARDS for each in panels(dashboard)):
            for target in panel["targets"]:
                expression = asked(target["expr"])
                may_be_empty = await _selectors_answer(it, expression)
                found = await (it.query if may_be_empty else it.until)(expression)
                _legend_is_told(target["legendFormat"], found)
        assert await _families(port) >= EMPTY.keys(), "no node tells them, with a sample or without"
        told_after_all = await it.names() & EMPTY.keys() - {"ALERTS"}
        assert not told_after_all, "they are on the list of those without a sample"
        for rule in await it.rules():
            assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule
            await _selectors_answer(it, rule["query"])


async def _families(port: int) -> set[str]:
    """Those that the node tells, if only by name, and those that Prometheus adds."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        told = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    await trio.to_thread.run_sync(partial(checked, "promtool", "check", "metrics", told=told))
    return {"ALERTS", "up", *re.findall(r"^# HELP (\S+)", told, re.MULTILINE)}


async def _selectors_answer(it: Prometheus, expression: str) -> bool:
    """Wait until each has an answer; whether there is one that is known to have none."""
    found = selectors(expression)
    assert found, expression
    empty = {each for each in found if family(each) in EMPTY}
    for each in found - empty:
        await it.until(each)
    return bool(empty)


def _legend_is_told(legend: str, found: list[Series]) -> None:
    for label in re.findall(r"{{(\w+)}}", legend):
        assert all(label in series.labels for series in found), (legend, found)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_says_what_it_shows(dashboard: Path) -> None:
    """Each has a description, a unit and an identity of its own, and asks the chosen source."""
    made = json.loads(dashboard.read_text())
    assert made["uid"] == f"stockstream-{dashboard.stem}"
    assert made.get("id") is None
    names = [variable["name"] for variable in made["templating"]["list"]]
    assert names[:2] == (["datasource", "node"] if panels(dashboard) else [])
    identities = [panel["id"] for panel in made["panels"]]
    assert len(set(identities)) == len(identities)
    for panel in panels(dashboard):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            chosen = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval", "__range"}
            assert chosen <= set(names), panel["title"]
