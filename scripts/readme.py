"""Write what the code knows for the README: its configuration table, and the supervision tree."""

from __future__ import annotations

import re
import socket
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from stockstream.application import Addresses, build
from stockstream.cli.config import markdown_table
from stockstream.config import Settings
from stockstream.jobs.schedule import Every
from stockstream.sources import read_providers
from stockstream.upstreams import Upstream
from supervision import ChildSpec, Kind, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
TREE = ROOT / "docs" / "images" / "supervision-tree.svg"
BETWEEN = re.compile(
    r"(?<=<!-- configuration: make readme -->\n).*(?=<!-- /configuration -->)", re.DOTALL
)
WHAT = {
    "root": "one_for_one, as all of them: each child comes back alone",
    "root/telemetry": "event log, figures of the process",
    "root/figures": "stores a row for each minute, for the admin page",
    "root/notices": "tells operators what somebody should know at once",
    "root/secrets": "reads keys and tokens again when SIGHUP comes",
    "root/stub": "the bundled price API, a process of its own; only where no other is named",
    "root/pubsub": "hands each batch of prices to those who asked",
    "root/database": "",
    "root/database/postgres": "the embedded database server; not with DATABASE_URL",
    "root/database/gateway": "all that is asked of the database, over pools of connections",
    "root/users": "",
    "root/users/doorkeeper": "says who may come in, by what the database confirms",
    "root/users/audit": "stores what operators did, when the database takes it",
    "root/history": "",
    "root/history/recorder": "sees that each price is kept, once",
    "root/history/roll_ups": "the job that makes candles of hours and days",
    "root/history/retention": "the job that makes partitions ahead, drops old ones",
    "root/history/purge": "the job that deletes old rows of users",
    "root/history/backups": "the job that makes backups; only with BACKUP_SCHEDULE",
    "root/history/log_archive": "keeps the log for restores to a moment; with it",
    "root/history/first_prices": "asks for the first price of each symbol's day",
    "root/history/backup_notes": "knows when the last backup was made",
    "root/cluster": "with other nodes; only with CLUSTER_NATS_URL",
    "root/cluster/bus": "the way to NATS, and so to the other nodes",
    "root/cluster/membership": "who is there, and who fetches what",
    "root/market": "",
    "root/market/router": "which provider tells which symbols; only with PROVIDERS",
    "root/market/streamer": "accepts what feeds observe, and publishes what is new",
    "root/market/feeds": "one for each upstream",
    "root/market/feeds/stub": "stub, sim or api, or a name of PROVIDERS",
    "root/market/feeds/stub/circuit_breaker": "permits attempts, and probes if the API is back",
    "root/market/feeds/stub/feed": "polls for prices at the pace of the demand, or is told them",
    "root/delivery": "",
    "root/delivery/subscription_manager": "who wants what",
    "root/delivery/broadcaster": "the only writer to browsers' sockets",
    "root/delivery/sessions": "one temporary child for each browser",
    "root/alerts": "",
    "root/alerts/watcher": "judges the prices by the users' rules",
    "root/alerts/webhooks": "posts what fired to addresses of the users",
    "root/alerts/due_webhooks": "the job that looks for calls that are due",
    "root/web": "HTTP and WebSocket",
    "root/chaos": "faults on purpose; only with CHAOS_ENABLED=true",
}
LINE, INDENT, TEXT, WIDTH = 27, 26, 268, 780
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1b1a17 }
.name { font-weight: 600 }
.what { fill: #66635b }
path, rect, circle { stroke: #8d897f; stroke-width: 1.5; fill: none }
circle { fill: #0a7148; stroke: none }
.supervisor { stroke: #0a7148; stroke-width: 2 }
.optional { fill: none; stroke: #0a7148; stroke-width: 1.5; stroke-dasharray: 2.4 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e9e7e2 }
  .what { fill: #9d9b94 }
  circle { fill: #4fc78e }
  .supervisor, .optional { stroke: #4fc78e }
}
"""


def main() -> None:
    """Bring both up to date."""
    text = README.read_text(encoding="utf-8")
    table = markdown_table()
    README.write_text(BETWEEN.sub(lambda _: f"\n{table}\n", text), encoding="utf-8")
    TREE.write_text(tree_picture(), encoding="utf-8")


def tree_picture() -> str:
    """The tree of `application.build` as SVG, top to bottom in the order of the start.

    Squares are supervisors, discs workers. Dashed ones are missing from the tree of a server with
    a price API outside, no other nodes and no fault injection.
    """
    nats = SecretStr("nats://localhost")
    providers = read_providers("stub=kraken://")
    full = {"chaos_enabled": True, "cluster_nats_url": nats, "providers": providers}
    full |= {"backup_schedule": Every(3600), "backup_directory": Path("backups")}
    everything = list(nodes(_built(full)))
    always = {path for path, _spec in nodes(_built({"stock_api_url": "sim://"}))}
    rows = {path: row for row, (path, _spec) in enumerate(everything)}
    height = LINE * len(rows) + 8
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Supervision tree">',
        f"<style>{STYLE}</style>",
    ]
    for path, spec in everything:
        x, y = _place(path, rows)
        above, _, _ = path.rpartition("/")
        if above:
            elbow_x, from_y = _place(above, rows)
            parts.append(f'<path d="M{elbow_x} {from_y + 7}V{y}H{x - 8}"/>')
        if spec.kind is Kind.SUPERVISOR:
            parts.append(
                f'<rect class="supervisor" x="{x - 6}" y="{y - 6}" width="12" height="12"/>'
            )
        else:
            optional = "" if path in always else ' class="optional"'
            parts.append(f'<circle{optional} cx="{x}" cy="{y}" r="5.5"/>')
        parts.append(f'<text class="name" x="{x + 15}" y="{y + 5}">{spec.id}</text>')
        if WHAT[path]:
            parts.append(f'<text class="what" x="{TEXT}" y="{y + 5}">{WHAT[path]}</text>')
    return "\n".join([*parts, "</svg>", ""])


def nodes(spec: ChildSpec, above: str = "") -> Iterator[tuple[str, ChildSpec]]:
    """Each child under its path, in the order in which they start."""
    path = f"{above}/{spec.id}" if above else spec.id
    yield path, spec
    if isinstance(spec.start, partial) and spec.start.func is Supervisor:
        for child in spec.start.args[0]:
            yield from nodes(child, path)


def _built(given: dict[str, Any]) -> ChildSpec:
    settings = Settings.model_construct(**given)  # defaults, whatever the environment says
    stub_port = None if settings.stock_api_url else settings.stub_port
    upstreams = [Upstream("stub", f"http://127.0.0.1:{settings.stub_port}")]
    with socket.socket() as unbound, TemporaryDirectory() as directory:
        chosen = settings.model_copy(update={"data_directory": Path(directory)})
        return build(chosen, Addresses((unbound,), stub_port), upstreams)


def _place(path: str, rows: dict[str, int]) -> tuple[int, int]:
    return 12 + INDENT * path.count("/"), LINE * rows[path] + 18


if __name__ == "__main__":
    main()
