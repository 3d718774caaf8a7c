"""An operator's Prometheus, as `docs/metrics.md` has it scrape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import yaml

from tests.support.prometheus import checked, prometheus
from tests.support.server import ROOT, TOKEN
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs" / "metrics.md"


def documented() -> str:
    """The configuration that the page shows."""
    (found,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


async def test_prometheus_scrapes_as_the_page_says(tmp_path: Path) -> None:
    """With the token in a file; promtool finds nothing wrong with what it is told."""
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    async with running_tree(admin_token=TOKEN, host="0.0.0.0") as tree:
        port = tree.addresses.sockets[0].getsockname()[1]
        text = documented()
        for said, done in [
            ("/run/secrets/admin_token", str(secret)),
            ("localhost:4000", f"127.0.0.1:{port}"),
        ]:
            assert text.count(said) == 1, said
            text = text.replace(said, done)
        configuration = tmp_path / "prometheus.yml"
        configuration.write_text(yaml.safe_dump({**yaml.safe_load(text), "global": FAST}))
        checked("promtool", "check", "config", configuration)
        async with prometheus(configuration, tmp_path) as it:
            (scraped,) = await it.until('up{job="stockstream"} == 1')
            assert scraped.labels["instance"] == f"127.0.0.1:{port}"
            (target,) = await it.targets()
            assert (target["health"], target["lastError"]) == ("up", "")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient() as http:
            told = (await http.get(f"http://127.0.0.1:{port}/metrics", headers=headers)).text
    checked("promtool", "check", "metrics", told=told)


FAST = {"scrape_interval": "200ms"}
