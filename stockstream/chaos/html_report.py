"""A report as one HTML file: verdicts, a time line of the faults, recovery times. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.chaos.report import Report, Strike

WIDTH, LANE, LEFT = 960, 26, 240

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777; --ok: #0a7d4f; --bad: #c2362b; }
@media (prefers-color-scheme: dark) {
  :root { --dim: #999; --ok: #4cc38a; --bad: #ff7b6b; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 2rem auto;
  padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; }
tr { border-bottom: 1px solid var(--line); }
.held { color: var(--ok); } .dim { color: var(--dim); }
.broken { color: var(--bad); font-weight: 600; }
svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui; fill: currentColor; }
svg line { stroke: var(--line); } .dot { fill: var(--ok); } .dot.bad { fill: var(--bad); }
.span { fill: var(--ok); opacity: .35; }
"""


def html_report(report: Report) -> str:
    """The whole page."""
    verdicts = "".join(
        f"<tr><td class={'held' if v.held else 'broken'}>{'held' if v.held else 'BROKEN'}</td>"
        f"<td>{escape(v.name)}</td><td>{escape(v.detail)}</td></tr>"
        for v in report.verdicts
    )
    recovery = "".join(
        f"<tr><td>{escape(target)}</td><td>{r.count}</td><td>{r.p50 * 1000:.1f}</td>"
        f"<td>{r.p95 * 1000:.1f}</td><td>{r.max * 1000:.1f}</td></tr>"
        for target, r in report.recovery.items()
    )
    clients = report.clients
    seen = (
        ""
        if clients is None
        else f"<p>{clients.count} watching clients, {clients.updates} updates, "
        f"{clients.disconnected} disconnected, longest gap {clients.longest_gap:.2f} s.</p>"
    )
    error = "" if report.error is None else f"<p class=broken>{escape(report.error)}</p>"
    skipped = "".join(f"<li>{escape(text)}</li>" for text in report.skipped)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}: {escape(report.verdict)}</title>
<style>{_STYLE}</style>
<h1>{escape(report.title)}</h1>
<p class={"held" if report.exit_code == 0 else "broken"}>{escape(report.verdict)}</p>
<p class=dim>{escape(report.started)} · {report.seconds:.1f} s · seed {report.seed} ·
experiment {escape(report.experiment or "none")} · node {escape(report.node or "unknown")} ·
StockStream {escape(report.version or "unknown")}</p>{error}
<h2>Verdicts</h2><table>{verdicts}</table>{seen}
<h2>Time line</h2>{_time_line(report)}
<h2>Recovery, ms</h2>
<table><tr><th>target<th>deaths<th>p50<th>p95<th>max</tr>{recovery}</table>
{f"<h2>Not done, or not looked at</h2><ul>{skipped}</ul>" if skipped else ""}
</html>
"""


def _time_line(report: Report) -> str:
    lanes: dict[str, list[Strike]] = {}
    for strike in report.strikes:
        target = strike.target
        if target.startswith("delivery/sessions/"):
            target = "delivery/sessions/*"
        lanes.setdefault(target, []).append(strike)
    if not lanes:
        return "<p class=dim>Nothing was done.</p>"
    scale = (WIDTH - LEFT - 20) / max(report.seconds, 0.001)
    parts = []
    for number, (target, strikes) in enumerate(sorted(lanes.items())):
        y = LANE * number + 18
        parts.append(f'<text x="0" y="{y + 4}">{escape(target)}</text>')
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        for strike in strikes:
            x = LEFT + strike.at * scale
            good = strike.verified and not strike.late and not strike.starved
            title = escape(f"{strike.at:.2f} s {strike.action} {strike.detail}")
            shown = max(strike.longest_gap or 0.0, strike.recovered or 0.0)
            width = max(1.0, shown * scale)
            parts.append(
                f'<rect class="span" x="{x:.1f}" y="{y - 5}" width="{width:.1f}" height="10"/>'
                f'<circle class="dot{"" if good else " bad"}" cx="{x:.1f}" cy="{y}" r="4">'
                f"<title>{title}</title></circle>"
            )
    height = LANE * len(lanes) + 30
    axis = f'<text x="{LEFT}" y="{height - 4}">0 s</text>'
    axis += f'<text x="{WIDTH - 50}" y="{height - 4}">{report.seconds:.0f} s</text>'
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="faults over time">'
        f"{''.join(parts)}{axis}</svg>"
    )
