"""Write the dashboards: `.venv/bin/python -m scripts.grafana`. `--check` only compares them.

It also fails when a metric of `docs/metrics.md`, or an alert of `docs/runbooks.md`, has no panel.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from scripts.grafana import cluster, delivery, history, market, runbooks, runtime, service
from scripts.grafana.build import dashboard_json

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
PAGE = ROOT / "docs" / "metrics.md"
DASHBOARDS = tuple(
    each.DASHBOARD for each in (service, market, delivery, history, runtime, cluster, runbooks)
)
NOT_SHOWN = {
    "python_info": "stockstream_build_info has the same, and more",
}
"""Families that no panel asks for, and why."""


def files() -> dict[Path, str]:
    """What is to stand in the folder."""
    return {FOLDER / f"{each.name}.json": dashboard_json(each) for each in DASHBOARDS}


def troubles() -> list[str]:
    """What is not as it should be, a line each."""
    made = files()
    differing = [path.name for path, text in made.items() if text != _text(path)]
    strangers = [path.name for path in FOLDER.glob("*.json") if path not in made]
    found = [
        f"{name} is not what scripts/grafana makes: `make dashboards` writes it"
        for name in sorted(differing + strangers)
    ]
    asked = " ".join(
        query.expression for each in DASHBOARDS for panel in each.panels for query in panel.queries
    )
    shown = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in re.findall(r"\w+", asked)}
    ours = {panel.runbook for each in DASHBOARDS for panel in each.panels}
    alerts = [page.title for page in runbooks.DASHBOARD.panels]
    families = re.findall(r"^\| `([a-z_]+)[`{]", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return (
        found
        + [
            f"{name} has no panel: add one in scripts/grafana, or a line in NOT_SHOWN there"
            for name in families
            if name not in shown | NOT_SHOWN.keys()
        ]
        + [f"{name} is no panel's runbook" for name in alerts if name not in ours]
    )


def main() -> None:
    """Write them, or say what is wrong."""
    if sys.argv[1:] == ["--check"]:
        sys.exit("\n".join(troubles()) or None)
    made = files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in set(FOLDER.glob("*.json")) - made.keys():
        path.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    main()
